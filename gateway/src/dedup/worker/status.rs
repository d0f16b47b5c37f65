//! Brings the status up to what is counted, afterwards.

use std::sync::Arc;

use super::{
    super::{
        projector,
        protocol::projection::{Counted, DELAY, Projection},
    },
    Worker,
};
use crate::{context::Monotonic, remediation::Record};

impl Worker {
    /// When a count of now is projected.
    pub(super) fn soon(&self) -> Monotonic {
        let context = &self.shared.core.context;
        context.monotonic() + context.jitter(DELAY.0, DELAY.1)
    }

    /// Has `counted` projected at `due`. What was counted on another object is projected now.
    pub(super) fn note(&mut self, record: &Arc<Record>, counted: Counted, due: Monotonic) {
        if let Some((other, counted)) = self.projection.counted(record, counted, due) {
            self.write_status(other, counted);
        }
    }

    /// Brings the status up if it is due; `at_once` if this worker ends.
    pub(super) fn project(&mut self, at_once: bool) {
        let core = &self.shared.core;
        let is_undone = self.epoch != core.view.epoch();
        if is_undone || self.projection.record().is_some_and(|record| core.view.knows_gone(record)) {
            return self.projection = Projection::default();
        }
        let again = self.soon();
        let is_under_way = Arc::strong_count(&self.projecting) > 1;
        if is_under_way && !at_once {
            return self.projection.postpone(again);
        }
        if let Some((record, counted)) = self.projection.take(|uid| core.view.by_uid(uid), again) {
            self.write_status(record, counted);
        }
    }

    fn write_status(&self, record: Arc<Record>, counted: Counted) {
        let (core, under_way, epoch) = (Arc::clone(&self.shared.core), Arc::clone(&self.projecting), self.epoch);
        let known = core.context.monotonic();
        self.shared.spawn(async move {
            projector::project(&core, epoch, record, counted, known).await;
            drop(under_way);
        });
    }
}
