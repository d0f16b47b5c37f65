//! Whether the gateway's tasks get on: what `/livez` says.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::context::{Context, Monotonic};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// After this long without one, the tasks are stuck for good: a machine that is merely busy delays them by seconds.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A sign of life of the threads that signals are handled on; cheap to clone.
#[derive(Clone)]
pub struct Liveness {
    context: Context,
    /// None before they have been started: a process that only starts is alive.
    beat: Arc<Mutex<Option<Monotonic>>>,
}

impl Liveness {
    /// Without a sign of life so far.
    pub fn new(context: &Context) -> Self {
        Self { context: context.clone(), beat: Arc::default() }
    }

    /// Gives signs of life for as long as the context's tasks get on.
    pub fn start(&self) {
        let liveness = self.clone();
        self.context.spawn(async move {
            loop {
                liveness.set(Some(liveness.context.monotonic()));
                liveness.context.sleep(BEAT).await;
            }
        });
    }

    /// Whether there was one lately.
    pub fn is_alive(&self) -> bool {
        let beat = *self.beat.lock();
        beat.is_none_or(|beat| self.context.monotonic().since(beat) < SILENCE_MAX)
    }

    fn set(&self, beat: Option<Monotonic>) {
        *self.beat.lock() = beat;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tasks_that_stand_still_for_half_a_minute_are_no_life_and_those_that_get_on_are() {
        let (context, other) = (Context::system(), Context::system());
        let liveness = Liveness::new(&context);
        assert!(liveness.is_alive(), "it only starts");
        liveness.start();
        other.sleep(Duration::from_secs(100)).await;
        assert!(liveness.is_alive());
        context.pause();
        other.sleep(Duration::from_secs(28)).await;
        assert!(liveness.is_alive());
        other.sleep(Duration::from_secs(4)).await;
        assert!(!liveness.is_alive());
    }
}
