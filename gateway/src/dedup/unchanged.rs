//! For how long things have been as they are, as far as one has looked.

use std::{collections::BTreeMap, time::Duration};

/// Since when each thing has had its value, by a clock that no wall clock hurries ([`Context::steady`]).
///
/// [`Context::steady`]: crate::context::Context::steady
#[derive(Debug)]
pub(super) struct Unchanged<K, V> {
    since: BTreeMap<K, (V, Duration)>,
}

impl<K, V> Default for Unchanged<K, V> {
    fn default() -> Self {
        Self { since: BTreeMap::new() }
    }
}

impl<K: Ord, V: PartialEq> Unchanged<K, V> {
    /// Notes that `key` has `value` at `now`; for how long it has been seen with it.
    pub(super) fn observe(&mut self, key: K, value: V, now: Duration) -> Duration {
        match self.since.get(&key) {
            Some((known, since)) if *known == value => now.saturating_sub(*since),
            _ => {
                self.since.insert(key, (value, now));
                Duration::ZERO
            }
        }
    }

    /// Forgets all but those that `is_there`.
    pub(super) fn retain(&mut self, is_there: impl Fn(&K) -> bool) {
        self.since.retain(|key, _| is_there(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_as_old_as_its_value_and_forgotten_when_it_is_gone() {
        let secs = Duration::from_secs;
        let mut unchanged = Unchanged::default();
        assert_eq!(unchanged.observe("a", 1, secs(10)), secs(0));
        assert_eq!(unchanged.observe("a", 1, secs(15)), secs(5));
        assert_eq!(unchanged.observe("a", 2, secs(20)), secs(0), "it has changed");
        assert_eq!(unchanged.observe("a", 2, secs(21)), secs(1));
        unchanged.retain(|_| false);
        assert_eq!(unchanged.observe("a", 2, secs(30)), secs(0));
    }
}
