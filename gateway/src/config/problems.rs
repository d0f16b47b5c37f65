//! What is wrong with a configuration: all of it is told at once.

use std::time::Duration;

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);

/// What is wrong so far, one line each.
#[derive(Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    pub(super) fn require(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(problem());
        }
    }

    pub(super) fn count(&mut self, key: &str, value: usize, max: usize) {
        self.require((1..=max).contains(&value), || format!("{key}: {value} is not between 1 and {max}"));
    }

    pub(super) fn time(&mut self, key: &str, value: Duration, (min, max): (Duration, Duration)) {
        self.require((min..=max).contains(&value), || format!("{key}: {value:?} is not between {min:?} and {max:?}"));
    }

    pub(super) fn whole_seconds(&mut self, key: &str, value: Duration) {
        self.time(key, value, (SECOND, HOUR));
        self.require(value.subsec_nanos() == 0, || format!("{key}: {value:?} is not a whole number of seconds"));
    }

    /// `a` must be less than `b`; `why` ends the sentence.
    pub(super) fn less(&mut self, a: (&str, Duration), b: (&str, Duration), why: &str) {
        self.require(a.1 < b.1, || format!("{}: {:?} is not less than {} ({:?}){why}", a.0, a.1, b.0, b.1));
    }

    /// `a` must not be more than `b`; `why` ends the sentence.
    pub(super) fn at_most(&mut self, a: (&str, Duration), b: (&str, Duration), why: &str) {
        self.require(a.1 <= b.1, || format!("{}: {:?} is more than {} ({:?}){why}", a.0, a.1, b.0, b.1));
    }

    /// One line each.
    pub(super) fn all(self) -> Vec<String> {
        self.0
    }
}
