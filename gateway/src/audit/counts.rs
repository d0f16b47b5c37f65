//! How many events are where.

use prometheus::IntGauge;

use crate::{metrics::Metrics, outbox};

/// Where each event is: in the queue, in a batch under way, or settled.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    depth: IntGauge,
    events: outbox::Counts,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self { depth: metrics.audit_queue_depth.clone(), events: outbox::Counts::new(&metrics.audit_events) }
    }

    pub(super) fn queued(&self) {
        self.events.queued();
        self.depth.inc();
    }

    pub(super) fn taken(&self, count: usize) {
        self.depth.sub(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `count` events have come to their end, by `outcome`.
    pub(super) fn settled(&self, outcome: &str, count: usize) {
        self.events.settled(outcome, count);
    }

    /// What is not settled never will be.
    pub(super) fn abandon(&self) -> usize {
        let left = self.events.abandon();
        self.depth.set(0);
        left
    }
}
