//! What is not processed: each alert, event or body of it is counted and logged once, here.

use tracing::Level;

use crate::{
    dedup,
    log_limit::LogLimit,
    metrics::Metrics,
    remediation::{Signal, Source, TargetResource},
    signal::{Ignored, Rejection},
};

/// The values of the label `reason` of `gateway_signals_ignored_total`.
const IGNORED: [&str; 4] = ["resolved", "normal_event", "own", "matched"];
const OUT_OF_SCOPE: &str = "out_of_scope";
const TRUNCATED: &str = "truncated";
const LATE: &str = "late";

/// Counts and logs what is not processed.
pub(super) struct Unprocessed {
    metrics: Metrics,
    log: LogLimit,
}

/// Which signal a line is about.
pub(super) struct About {
    pub(super) alert: String,
    pub(super) namespace: String,
    pub(super) resource: String,
}

impl About {
    pub(super) fn new(signal: &Signal) -> Self {
        let TargetResource { kind, name, namespace, .. } = &signal.target;
        Self { alert: signal.name.clone(), namespace: namespace.clone(), resource: format!("{kind}/{name}") }
    }
}

impl Unprocessed {
    pub(super) fn new(metrics: Metrics, log: LogLimit) -> Self {
        // Exposed from the start: a rate over a counter that begins at 1 misses the first, and alerts compare these.
        for reason in IGNORED {
            metrics.signals_ignored.with_label_values(&[reason]);
        }
        metrics.signals_rejected.with_label_values(&[OUT_OF_SCOPE]);
        for source in [Source::Prometheus, Source::KubernetesEvents] {
            metrics.signals_deduplicated.with_label_values(&[source.as_str()]);
            metrics.crds_created.with_label_values(&[source.as_str(), "created"]);
        }
        Self { metrics, log }
    }

    /// A valid alert or event that is never the cause of a RemediationRequest. Those that are so by their nature are
    /// only told to who asks for all; those that the operator chose may have been chosen by mistake.
    pub(super) fn ignored(&self, why: &Ignored) {
        let reason = why.reason();
        self.metrics.signals_ignored.with_label_values(&[reason]).inc();
        match why {
            Ignored::Resolved | Ignored::NormalEvent => tracing::debug!(reason, "ignored: {why}"),
            Ignored::Matched { alert, namespace, .. } if self.log.admits(reason, Level::INFO) => {
                tracing::info!(reason, alert, namespace, "ignored: {why}");
            }
            Ignored::Own { kind, name } if self.log.admits(reason, Level::INFO) => {
                tracing::info!(reason, kind, name, "ignored: {why}");
            }
            Ignored::Own { .. } | Ignored::Matched { .. } => {}
        }
    }

    pub(super) fn out_of_scope(&self, About { alert, namespace, resource }: &About, message: &str) {
        self.metrics.signals_rejected.with_label_values(&[OUT_OF_SCOPE]).inc();
        if self.log.admits(OUT_OF_SCOPE, Level::INFO) {
            tracing::info!(reason = OUT_OF_SCOPE, alert, namespace, resource, "not processed: {message}");
        }
    }

    /// Alerts that Alertmanager itself left out of a webhook.
    pub(super) fn truncated(&self, truncated: u64) {
        if self.log.admits(TRUNCATED, Level::WARN) {
            tracing::warn!(
                reason = TRUNCATED,
                truncated,
                "Alertmanager truncated a webhook: raise max_alerts of this receiver"
            );
        }
    }

    /// A signal that is not accepted; the line about it says more than there is here.
    pub(super) fn failed(&self, error: &dedup::Error) {
        self.metrics.crd_creation_errors.with_label_values(&[error.error_type()]).inc();
    }

    /// An alert or event that was not begun before its deadline.
    pub(super) fn late(&self) {
        self.failed(&dedup::Error::Deadline);
        if self.log.admits(LATE, Level::WARN) {
            tracing::warn!(reason = LATE, "alerts were not processed before their deadline");
        }
    }

    /// An alert, an event or a whole body, as `what` says.
    pub(super) fn rejected(&self, what: &str, Rejection { reason, message, name }: &Rejection) {
        self.metrics.signals_parse_dropped.with_label_values(&[reason]).inc();
        if self.log.admits(reason, Level::WARN) {
            tracing::warn!(reason, alert = name, "{what} is rejected: {message}");
        }
    }
}
