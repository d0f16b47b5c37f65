//! When the next batch is counted.

use std::time::Duration;

use crate::context::Monotonic;

/// A count that takes this long, and more than twice as long as the fastest, has waited for those of other replicas, and the API
/// server has tried it again after each of theirs. Whoever then pauses lets signals gather, so that fewer writes do for all:
/// otherwise the writes of a crowd keep each other slow, long after what slowed them first.
const CROWDED: Duration = Duration::from_millis(20);
/// Pause between two counts at most.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Lets signals gather after a count.
pub(super) struct Pace {
    /// Further signals gather until then.
    next_batch: Monotonic,
    /// What a count takes at least: the way to the API server and back.
    fastest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { next_batch: Monotonic::default(), fastest: Duration::MAX }
    }
}

impl Pace {
    pub(super) const fn next_batch(&self) -> Monotonic {
        self.next_batch
    }

    /// A count was begun and answered; two of them begin `min_linger` apart at least.
    pub(super) fn counted(&mut self, begun: Monotonic, answered: Monotonic, min_linger: Duration) {
        let took = answered.since(begun);
        self.fastest = self.fastest.min(took);
        let crowded = took >= CROWDED;
        let pause = if crowded { took.saturating_sub(2 * self.fastest).min(PAUSE_MAX) } else { Duration::ZERO };
        self.next_batch = begun + min_linger.max(took + pause);
    }
}
