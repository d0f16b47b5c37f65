//! The circuit breaker as all requests share it: its state is shown, and what is under way is told when it opens.

use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio_util::sync::CancellationToken;

use super::{
    breaker::{Breaker, State},
    throttle::Throttle,
};
use crate::metrics::Metrics;

/// The label `name` of the metric that shows the circuit's state.
const CIRCUIT: &str = "kubernetes-api";

/// What the requests of one gateway instance know of the API server.
pub(super) struct Circuit {
    guarded: Mutex<Guarded>,
    gauge: IntGauge,
    pub(super) throttle: Throttle,
}

#[derive(Default)]
struct Guarded {
    breaker: Breaker,
    /// Cancelled while the circuit is open. No watch channel, which wakes its receivers in a random order.
    opened: CancellationToken,
}

impl Circuit {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let gauge = metrics.circuit_breaker_state.with_label_values(&[CIRCUIT]);
        let circuit = Self { guarded: Mutex::default(), gauge, throttle: Throttle::default() };
        circuit.with(|_| ());
        circuit
    }

    /// Cancelled when it is open, or opens.
    pub(super) fn opened(&self) -> CancellationToken {
        self.guarded.lock().opened.clone()
    }

    /// Uses the breaker and shows its state.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut guarded = self.guarded.lock();
        let result = act(&mut guarded.breaker);
        let state = guarded.breaker.state();
        self.gauge.set(state as i64);
        if state == State::Open {
            guarded.opened.cancel();
        } else if guarded.opened.is_cancelled() {
            guarded.opened = CancellationToken::new();
        }
        result
    }
}
