//! When the next batch is counted.

use std::time::Duration;

use crate::{config, context::Monotonic};

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
    /// How often in a row a batch came to nothing, since what it was to be counted on had ended.
    in_vain: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { next_batch: Monotonic::default(), fastest: Duration::MAX, in_vain: 0 }
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

    /// A signal was acknowledged.
    pub(super) fn got_on(&mut self) {
        self.in_vain = 0;
    }

    /// What a batch was to be counted on had ended. Where that is found again and again, what is known contradicts what is
    /// there: the next batch waits for ever longer, from `initial_backoff` to `max_backoff`.
    pub(super) fn came_to_nothing(&mut self, answered: Monotonic, lock: &config::Lock) {
        if let Some(doublings) = self.in_vain.checked_sub(1) {
            let pause = lock.initial_backoff.saturating_mul(1 << doublings.min(16)).min(lock.max_backoff);
            self.next_batch = self.next_batch.max(answered + pause);
        }
        self.in_vain = self.in_vain.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn batches_that_come_to_nothing_again_and_again_are_begun_ever_further_apart() {
        let (mut pace, lock) = (Pace::default(), Config::default().lock);
        let now = Monotonic::default() + Duration::from_secs(1);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            pace.came_to_nothing(now, &lock);
            pauses.push(pace.next_batch().since(now));
        }
        assert_eq!(pauses[..3], [Duration::ZERO, lock.initial_backoff, lock.initial_backoff * 2]);
        assert_eq!(pauses.last(), Some(&lock.max_backoff));
        pace.got_on();
        let later = now + Duration::from_secs(60);
        pace.came_to_nothing(later, &lock);
        assert_eq!(pace.next_batch().since(later), Duration::ZERO);
    }
}
