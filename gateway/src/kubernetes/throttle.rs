//! Which requests an overloaded API server has asked not to send for a while.
//!
//! By operation, since it may be a webhook or a quota that throttles one kind of request alone. Whoever waits adds jitter,
//! so that not all come at once when the time is over.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

use super::operation::Operation;
use crate::context::Monotonic;

/// Until when requests are not to be sent; there are only so many operations.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<BTreeMap<Operation, Monotonic>>);

impl Throttle {
    /// `operation` is not to be sent before `until`.
    pub(super) fn wait(&self, operation: Operation, until: Monotonic) {
        let mut waits = self.0.lock();
        let known = waits.entry(operation).or_insert(until);
        *known = (*known).max(until);
    }

    /// How long `operation` is still to wait at `now`.
    pub(super) fn left(&self, operation: Operation, now: Monotonic) -> Option<Duration> {
        let until = *self.0.lock().get(&operation)?;
        Some(until.since(now)).filter(|left| !left.is_zero())
    }
}
