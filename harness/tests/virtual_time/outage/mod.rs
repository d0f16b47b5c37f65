//! API servers that are overloaded, stand still, or say nonsense: what senders get, how soon, and what it costs.

mod nonsense;
mod refused;
mod silence;
mod throttled;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use embedded_apiserver::{Fault, Script};
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{script, send},
};
use tokio::time::Instant;

/// A request that a gateway sent while something was wrong.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) what: String,
    pub(crate) name: String,
}

/// The requests of a fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Sent>>>);

impl Log {
    pub(crate) fn all(&self) -> Vec<Sent> {
        self.0.lock().unwrap().clone()
    }

    /// Gives every request for which `matches` holds `fault`, and notes it.
    pub(crate) fn on(&self, script: &Script, fault: Fault, matches: impl Fn(&str) -> bool + Send + 'static) {
        let log = self.clone();
        script.add(usize::MAX, fault, move |request| {
            let what = format!("{} {}", request.verb, request.label());
            let hit = matches(&what);
            if hit {
                log.0.lock().unwrap().push(Sent { at: Instant::now(), what, name: request.name.clone() });
            }
            hit
        });
    }
}

/// A replica over an API server that does what the script says.
pub(crate) async fn one_replica(seed: u64) -> (Fleet, Arc<Script>, Replica) {
    let fleet = Fleet::new(seed);
    let script = script(&fleet);
    let replica = fleet.start(1).await;
    (fleet, script, replica)
}

/// What a sender got, and when.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    pub(crate) status: u16,
}

impl Told {
    pub(crate) fn took(&self) -> Duration {
        self.answered - self.sent
    }
}

/// Sends one alert on the Deployment `resource`.
pub(crate) async fn tell(fleet: &Fleet, replica: &Replica, resource: &str) -> Told {
    let sent = Instant::now();
    let status = send(fleet, replica, resource).await.status.as_u16();
    Told { sent, answered: Instant::now(), status }
}
