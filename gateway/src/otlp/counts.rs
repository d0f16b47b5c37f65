//! How many spans are where.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use prometheus::IntCounterVec;

use crate::metrics::Metrics;

/// The values of the label `outcome`.
const OUTCOMES: [&str; 4] = ["sent", "rejected", "failed", "dropped"];

/// Where each span is: under way, or settled.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    spans: IntCounterVec,
    pending: Arc<AtomicUsize>,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        // Exposed from the start: a rate over a counter that begins at 1 misses the first loss.
        for outcome in OUTCOMES {
            metrics.trace_spans.with_label_values(&[outcome]);
        }
        Self { spans: metrics.trace_spans.clone(), pending: Arc::default() }
    }

    pub(super) fn queued(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// `count` spans have come to their end, by `outcome`.
    pub(super) fn settled(&self, outcome: &str, count: usize) {
        self.pending.fetch_sub(count, Ordering::Relaxed);
        self.spans.with_label_values(&[outcome]).inc_by(count as u64);
    }

    /// What is not settled never will be.
    pub(super) fn abandon(&self) -> usize {
        let left = self.pending.swap(0, Ordering::Relaxed);
        self.spans.with_label_values(&["dropped"]).inc_by(left as u64);
        left
    }
}
