//! How many events are where.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::metrics::Metrics;

/// The values of the label `outcome`.
const OUTCOMES: [&str; 4] = ["sent", "rejected", "failed", "dropped"];

/// Where each event is: in the queue, in a batch under way, or settled.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    metrics: MetricsOfAudit,
    /// Not settled yet.
    pending: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
struct MetricsOfAudit {
    depth: prometheus::IntGauge,
    events: prometheus::IntCounterVec,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let metrics = MetricsOfAudit { depth: metrics.audit_queue_depth.clone(), events: metrics.audit_events.clone() };
        // Exposed from the start: a rate over a counter that begins at 1 misses the first loss.
        for outcome in OUTCOMES {
            metrics.events.with_label_values(&[outcome]);
        }
        Self { metrics, pending: Arc::default() }
    }

    pub(super) fn queued(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.metrics.depth.inc();
    }

    pub(super) fn taken(&self, count: usize) {
        self.metrics.depth.sub(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `count` events have come to their end, by `outcome`.
    pub(super) fn settled(&self, outcome: &str, count: usize) {
        self.pending.fetch_sub(count, Ordering::Relaxed);
        self.metrics.events.with_label_values(&[outcome]).inc_by(count as u64);
    }

    /// What is not settled never will be.
    pub(super) fn abandon(&self) -> usize {
        let left = self.pending.swap(0, Ordering::Relaxed);
        self.metrics.events.with_label_values(&["dropped"]).inc_by(left as u64);
        self.metrics.depth.set(0);
        left
    }
}
