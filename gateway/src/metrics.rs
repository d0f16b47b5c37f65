//! Prometheus metrics, in a registry of each gateway instance's own.
//!
//! Label values are bounded: never an alert's name, a fingerprint or a resource's name.

use jiff::Timestamp;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

mod exemplars;
mod openmetrics;

pub use self::exemplars::Exemplar;
use self::exemplars::Exemplars;

/// A metric could not be registered or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The crate prometheus refused to register or encode a metric.
    #[error("metrics: {0}")]
    Prometheus(#[from] prometheus::Error),
    /// The OpenMetrics text could not be formatted.
    #[error("metrics: {0}")]
    Format(#[from] std::fmt::Error),
}

/// The metrics of one gateway instance.
#[derive(Clone)]
#[allow(missing_docs, reason = "each field's help text is its documentation")]
pub struct Metrics {
    registry: Registry,
    exemplars: Exemplars,
    pub ready: IntGauge,
    pub lock_acquisition_failures: IntCounter,
    pub lock_contention: IntCounter,
    pub lock_takeovers: IntCounter,
    pub lock_wait_seconds: Histogram,
    pub lock_hold_seconds: Histogram,
    pub leases_collected: IntCounter,
    pub signals_received: IntCounterVec,
    pub signals_deduplicated: IntCounterVec,
    pub signals_rejected: IntCounterVec,
    pub signals_ignored: IntCounterVec,
    pub signals_parse_dropped: IntCounterVec,
    pub alerts_truncated: IntCounter,
    pub crds_created: IntCounterVec,
    pub crd_creation_errors: IntCounterVec,
    pub http_request_duration_seconds: HistogramVec,
    pub http_requests_in_flight: IntGauge,
    pub http_requests_overload: IntCounter,
    pub http_body_bytes: IntGauge,
    pub http_bounds_met: IntCounterVec,
    pub tls_certificate_expiry_timestamp_seconds: IntGauge,
    pub owner_resolution: IntCounterVec,
    pub kubernetes_requests: IntCounterVec,
    pub kubernetes_request_duration_seconds: HistogramVec,
    pub commit_batch_size: Histogram,
    pub counts_taken_back: IntCounter,
    pub counts_indeterminate: IntCounterVec,
    pub projections: IntCounterVec,
    pub registers_folded: IntCounter,
    pub counters_collected: IntCounter,
    pub view_age_seconds: Gauge,
    pub view_objects: IntGauge,
    pub view_restarts: IntCounterVec,
    pub view_fallback_lists: IntCounter,
    pub fence_claims: IntCounter,
    pub fence_claims_cleared: IntCounter,
    pub blocked_by_deletion: IntCounter,
    pub twins_detected: IntCounter,
    pub history_rewound: IntCounter,
    pub other_version_traces: IntCounterVec,
    pub circuit_breaker_state: IntGaugeVec,
    pub audit_queue_depth: IntGauge,
    pub audit_events: IntCounterVec,
    pub remediation_events: IntCounterVec,
    pub trace_spans: IntCounterVec,
    pub auth_decisions: IntCounterVec,
    pub log_lines_lost: IntCounterVec,
    pub config_last_reload_successful: IntGauge,
    pub config_last_reload_success_timestamp_seconds: Gauge,
    pub build_info: IntGaugeVec,
}

/// Seconds, from a millisecond to half a minute: an API round trip sits in the lower, a deadline in the upper half.
const LATENCY_BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// The values of the label `reason` of `gateway_log_lines_lost_total`: whoever reads the log is too slow; a place in the code
/// repeats itself.
pub(crate) const LOST_LINES: [&str; 2] = ["slow_reader", "too_many"];

impl Metrics {
    /// Metrics in a fresh registry, all at zero.
    ///
    /// # Errors
    /// If two metrics have the same name, which a test excludes.
    pub fn new() -> Result<Self, Error> {
        let r = Register(Registry::new());
        let metrics = Self {
            ready: r
                .gauge("gateway_ready", "Whether this gateway is ready for signals: 1 if /readyz says so, else 0")?,
            lock_acquisition_failures: r.counter(
                "gateway_lock_acquisition_failures_total",
                "Total number of failed distributed lock acquisitions",
            )?,
            lock_contention: r.counter(
                "gateway_lock_contention_total",
                "Total number of lock acquisitions that found the lease held by another replica",
            )?,
            lock_takeovers: r.counter("gateway_lock_takeovers_total", "Total number of expired leases taken over")?,
            lock_wait_seconds: r.histogram(
                "gateway_lock_wait_seconds",
                "Time a new signal waited for its lock, acquired or not",
                &LATENCY_BUCKETS,
            )?,
            lock_hold_seconds: r.histogram(
                "gateway_lock_hold_seconds",
                "Time from a lock's acquisition to its release",
                &LATENCY_BUCKETS,
            )?,
            leases_collected: r.counter(
                "gateway_leases_collected_total",
                "Total number of abandoned leases deleted by the collector",
            )?,
            signals_received: r.counters(
                "gateway_signals_received_total",
                "Total number of signals received",
                &["source_type", "severity"],
            )?,
            signals_deduplicated: r.counters(
                "gateway_signals_deduplicated_total",
                "Total number of signals counted on an existing RemediationRequest",
                &["source_type"],
            )?,
            signals_rejected: r.counters(
                "gateway_signals_rejected_total",
                "Total number of signals rejected",
                &["reason"],
            )?,
            signals_ignored: r.counters(
                "gateway_signals_ignored_total",
                "Total number of valid alerts or events that never cause a RemediationRequest",
                &["reason"],
            )?,
            signals_parse_dropped: r.counters(
                "gateway_signals_parse_dropped_total",
                "Total number of alerts or events that were not valid",
                &["reason"],
            )?,
            alerts_truncated: r.counter(
                "gateway_alerts_truncated_total",
                "Total number of alerts that Alertmanager left out of its webhooks (truncatedAlerts)",
            )?,
            crds_created: r.counters(
                "gateway_crds_created_total",
                "Total number of RemediationRequests created",
                &["source_type", "status"],
            )?,
            crd_creation_errors: r.counters(
                "gateway_crd_creation_errors_total",
                "Total number of signals for which no RemediationRequest could be created or counted on",
                &["error_type"],
            )?,
            http_request_duration_seconds: r.histograms(
                "gateway_http_request_duration_seconds",
                "Duration of HTTP requests",
                &["endpoint", "method", "status"],
            )?,
            http_requests_in_flight: r.gauge("gateway_http_requests_in_flight", "HTTP requests in flight")?,
            http_requests_overload: r.counter(
                "gateway_http_requests_overload_total",
                "Total number of HTTP requests answered 503 because too many were in flight",
            )?,
            http_body_bytes: r
                .gauge("gateway_http_body_bytes", "Memory reserved for bodies being received or processed")?,
            http_bounds_met: r.counters(
                "gateway_http_bounds_met_total",
                "Total number of connections and bodies dropped or refused because a limit was reached",
                &["bound"],
            )?,
            tls_certificate_expiry_timestamp_seconds: r.gauge(
                "gateway_tls_certificate_expiry_timestamp_seconds",
                "When the first of the listener's certificates expires, in seconds since 1970; 0 without TLS",
            )?,
            owner_resolution: r.counters(
                "gateway_owner_resolution_total",
                "Total number of owner chains followed, by kind of the first object and by where the owner came from",
                &["kind", "outcome"],
            )?,
            kubernetes_requests: r.counters(
                "gateway_kubernetes_requests_total",
                "Total number of requests to the Kubernetes API",
                &["verb", "resource", "code"],
            )?,
            kubernetes_request_duration_seconds: r.histograms(
                "gateway_kubernetes_request_duration_seconds",
                "Duration of requests to the Kubernetes API",
                &["verb", "resource"],
            )?,
            commit_batch_size: r.histogram(
                "gateway_commit_batch_size",
                "Signals counted by one status patch",
                &BATCH_BUCKETS,
            )?,
            counts_taken_back: r.counter(
                "gateway_counts_taken_back_total",
                "Total number of batches undone because their RemediationRequest had ended",
            )?,
            counts_indeterminate: r.counters(
                "gateway_counts_indeterminate_total",
                "Total number of batches whose outcome is unknown: counted or not",
                &["cause"],
            )?,
            projections: r.counters(
                "gateway_projections_total",
                "Total number of times that a count was written into a status",
                &["outcome"],
            )?,
            registers_folded: r
                .counter("gateway_registers_folded_total", "Total number of registers of ended replicas folded")?,
            counters_collected: r.counter(
                "gateway_counters_collected_total",
                "Total number of counters removed after their RemediationRequest had ended",
            )?,
            view_age_seconds: r
                .float_gauge("gateway_view_age_seconds", "Age of the view of RemediationRequests at the last signal")?,
            view_objects: r.gauge("gateway_view_objects", "RemediationRequests in the view")?,
            view_restarts: r.counters(
                "gateway_view_restarts_total",
                "Total number of times the watch of RemediationRequests was restarted",
                &["reason"],
            )?,
            view_fallback_lists: r.counter(
                "gateway_view_fallback_lists_total",
                "Total number of signals for which the view was too old and the API was asked",
            )?,
            fence_claims: r.counter(
                "gateway_fence_claims_total",
                "Total number of claims and renewals of claims on a terminal RemediationRequest",
            )?,
            fence_claims_cleared: r.counter(
                "gateway_fence_claims_cleared_total",
                "Total number of abandoned claims cleared by the collector",
            )?,
            blocked_by_deletion: r.counter(
                "gateway_blocked_by_deletion_total",
                "Total number of signals refused because a predecessor's deletion did not finish in time",
            )?,
            twins_detected: r.counter(
                "gateway_twins_detected_total",
                "Total number of times a second active RemediationRequest of one fingerprint was seen",
            )?,
            history_rewound: r.counter(
                "gateway_history_rewound_total",
                "Total number of times the view was dropped because the API server's history went back",
            )?,
            other_version_traces: r.counters(
                "gateway_other_version_traces_total",
                "Total number of actions of another version of the gateway that this one saw",
                &["trace"],
            )?,
            circuit_breaker_state: r.gauges(
                "gateway_circuit_breaker_state",
                "State of a circuit breaker: 0 closed, 1 suspected, 2 open",
                &["name"],
            )?,
            audit_queue_depth: r.gauge("gateway_audit_queue_depth", "Audit events waiting to be sent")?,
            audit_events: r.counters(
                "gateway_audit_events_total",
                "Total number of audit events by outcome",
                &["outcome"],
            )?,
            remediation_events: r.counters(
                "gateway_remediation_events_total",
                "Total number of Kubernetes Events on RemediationRequests by outcome",
                &["outcome"],
            )?,
            trace_spans: r.counters(
                "gateway_trace_spans_total",
                "Total number of trace spans by outcome",
                &["outcome"],
            )?,
            auth_decisions: r.counters(
                "gateway_auth_decisions_total",
                "Total number of senders authenticated and authorised, by result",
                &["outcome"],
            )?,
            log_lines_lost: r.counters(
                "gateway_log_lines_lost_total",
                "Total number of log lines that were not written, because the reader was too slow or there were too many",
                &["reason"],
            )?,
            config_last_reload_successful: r.gauge(
                "gateway_config_last_reload_successful",
                "Whether the last configuration that was loaded was valid: 1 if so, else 0",
            )?,
            config_last_reload_success_timestamp_seconds: r.float_gauge(
                "gateway_config_last_reload_success_timestamp_seconds",
                "When a valid configuration was last loaded, in seconds since 1970",
            )?,
            build_info: r.gauges("gateway_build_info", "Version of this gateway; always 1", &["version"])?,
            registry: r.0,
            exemplars: Exemplars::default(),
        };
        // Exposed from the start: a rate over a counter that begins at 1 misses the first.
        for bound in ["bodies", "slow_body", "answers", "connections", "connections_of_peer"] {
            metrics.http_bounds_met.with_label_values(&[bound]);
        }
        metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        for reason in LOST_LINES {
            metrics.log_lines_lost.with_label_values(&[reason]);
        }
        Ok(metrics)
    }

    /// Adds what Linux tells of this process: memory, processor time, open files. For a gateway that has a process of
    /// its own; several in one would all tell the same.
    ///
    /// # Errors
    /// If they are there already.
    pub fn add_process(&self) -> Result<(), Error> {
        #[cfg(target_os = "linux")]
        self.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(())
    }

    /// At `now` a configuration was loaded and could be used.
    pub fn config_loaded(&self, now: Timestamp) {
        self.config_last_reload_successful.set(1);
        self.config_last_reload_success_timestamp_seconds.set(now.as_millisecond() as f64 / 1000.0);
    }

    /// A request to an endpoint by a method, answered a status, as `labels` name them, took `seconds`.
    pub fn http_request_took(&self, labels: [&str; 3], seconds: f64, exemplar: Option<Exemplar>) {
        let names = ["endpoint", "method", "status"];
        let name = "gateway_http_request_duration_seconds";
        self.took(name, &self.http_request_duration_seconds, (names, labels), seconds, exemplar);
    }

    /// A request to the Kubernetes API, with a verb and a resource, as `labels` name them, took `seconds`.
    pub fn kubernetes_request_took(&self, labels: [&str; 2], seconds: f64, exemplar: Option<Exemplar>) {
        let name = "gateway_kubernetes_request_duration_seconds";
        self.took(name, &self.kubernetes_request_duration_seconds, (["verb", "resource"], labels), seconds, exemplar);
    }

    fn took<const N: usize>(
        &self,
        name: &str,
        histogram: &HistogramVec,
        (names, values): ([&str; N], [&str; N]),
        seconds: f64,
        exemplar: Option<Exemplar>,
    ) {
        histogram.with_label_values(&values).observe(seconds);
        if let Some(exemplar) = exemplar {
            let labels: Vec<(&str, &str)> = names.into_iter().zip(values).collect();
            self.exemplars.note(name, &labels, &LATENCY_BUCKETS, seconds, exemplar);
        }
    }

    /// All metrics as OpenMetrics has them, with exemplars.
    ///
    /// # Errors
    /// If a metric cannot be written.
    pub fn render_openmetrics(&self) -> Result<String, Error> {
        Ok(openmetrics::write(&self.registry.gather(), &self.exemplars)?)
    }

    /// The text exposition format of all metrics.
    ///
    /// # Errors
    /// If a metric cannot be encoded.
    pub fn render(&self) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

struct Register(Registry);

impl Register {
    fn add<C: prometheus::core::Collector + Clone + 'static>(&self, metric: C) -> Result<C, Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.add(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.add(IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.add(Gauge::new(name, help)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, Error> {
        let opts = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
        self.add(HistogramVec::new(opts, labels)?)
    }
}

#[cfg(test)]
mod tests;
