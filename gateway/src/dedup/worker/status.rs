//! Brings the status up to what is counted, afterwards.

use std::sync::Arc;

use super::{
    super::{
        projector,
        protocol::projection::{DELAY, Due, Projection},
    },
    Worker,
};
use crate::context::Monotonic;

impl Worker {
    /// When a count of now is projected.
    pub(super) fn soon(&self) -> Monotonic {
        let context = &self.core.context;
        context.monotonic() + context.jitter(DELAY.0, DELAY.1)
    }

    /// Has `what` projected `at` this moment. What was counted on another object is projected now.
    pub(super) fn note(&mut self, what: Due, at: Monotonic) {
        if let Some(other) = self.projection.counted(what, at) {
            self.write_status(other);
        }
    }

    /// Brings the status up if it is due; `at_once` if this worker ends.
    pub(super) fn project(&mut self, at_once: bool) {
        let core = &self.core;
        let is_undone = self.epoch != core.view.epoch();
        if is_undone || self.projection.record().is_some_and(|record| core.view.knows_gone(record)) {
            return self.projection = Projection::default();
        }
        let again = self.soon();
        let is_under_way = Arc::strong_count(&self.projecting) > 1;
        if is_under_way && !at_once {
            return self.projection.postpone(again);
        }
        if let Some(due) = self.projection.take(|uid| core.view.by_uid(uid), again) {
            self.write_status(due);
        }
    }

    fn write_status(&self, due: Due) {
        let (core, under_way, epoch) = (Arc::clone(&self.core), Arc::clone(&self.projecting), self.epoch);
        self.core.spawn(async move {
            projector::project(&core, epoch, due).await;
            drop(under_way);
        });
    }
}
