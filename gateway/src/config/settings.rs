//! The keys and their types.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{duration, signals::Signals};

/// The gateway's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Listeners and their limits.
    pub server: Server,
    /// The audit service.
    pub datastorage: DataStorage,
    /// How Kubernetes API calls are repeated.
    pub processing: Processing,
    /// The lease per fingerprint.
    pub lock: Lock,
    /// The watch-fed view of RemediationRequests.
    pub view: View,
    /// Counting of signals in batches.
    pub commit: Commit,
    /// How alerts and events are read.
    pub signal: Signals,
    /// Which resources are processed.
    pub scope: Scope,
    /// Who may send signals.
    pub auth: Auth,
    /// Kubernetes Events on RemediationRequests.
    pub events: Events,
    /// Where spans are exported to, and how many are sampled.
    pub tracing: Tracing,
    /// Level and format of the log on standard output.
    pub logging: Logging,
}

/// Listeners and their limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Server {
    /// Where signals are received.
    pub listen_addr: SocketAddr,
    /// Where `/healthz`, `/livez` and `/readyz` are served.
    pub health_addr: SocketAddr,
    /// Where `/metrics` is served.
    pub metrics_addr: SocketAddr,
    /// Requests worked on at once; up to as many wait for a place, for `max_queue_wait` at most, before 503.
    pub max_concurrent_requests: usize,
    /// How long a request waits for a place.
    #[serde(with = "duration")]
    pub max_queue_wait: Duration,
    /// Bytes of all bodies that are received or worked on; what does not fit waits for `max_queue_wait` at most, before 503.
    pub max_buffered_bytes: usize,
    /// Open connections of the signal listener, less if the process may not open as many files; when there are so many, the
    /// one that has been idle for longest makes room, or else one whose client is slow.
    pub max_connections: usize,
    /// Of them from one address (an IPv6 network of 64 bits); when there are so many, one of its own makes room.
    pub max_connections_per_peer: usize,
    /// For reading a request's head, and again for its body.
    #[serde(with = "duration")]
    pub read_timeout: Duration,
    /// From a request's head to the last byte of its answer.
    #[serde(with = "duration")]
    pub write_timeout: Duration,
    /// For an idle kept-alive connection.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// For all that one signal asks of the Kubernetes API, and for each request of it.
    #[serde(with = "duration")]
    pub kubernetes_request_timeout: Duration,
    /// Bytes of a request's body; one more is answered 413.
    pub max_body_bytes: usize,
    /// How long a shutdown waits for requests under way.
    #[serde(with = "duration")]
    pub drain_timeout: Duration,
    /// TLS on `listen_addr`, none if absent.
    pub tls: Option<Tls>,
}

/// TLS on the signal listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the certificate chain.
    pub cert_file: PathBuf,
    /// PEM file of the private key.
    pub key_file: PathBuf,
    /// PEM file of the authorities that client certificates must come from; no client certificate is asked for if absent.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

/// The audit service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DataStorage {
    /// Base address, without the path; no audit events are sent if absent.
    pub url: Option<url::Url>,
    /// For one batch to be accepted.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Buffering and batching.
    pub buffer: Buffer,
}

/// Buffering and batching of audit events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Buffer {
    /// Events held in memory; further ones are dropped and counted.
    pub buffer_size: usize,
    /// Events per batch at most.
    pub batch_size: usize,
    /// The longest an event waits for its batch to fill.
    #[serde(with = "duration")]
    pub flush_interval: Duration,
    /// How often a failed batch is sent again.
    pub max_retries: u32,
}

/// How Kubernetes API calls are repeated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Processing {
    /// For answers 429, 503 and 504 of the Kubernetes API, within the signal's deadline.
    pub retry: Retry,
}

/// A bounded exponential backoff.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retry {
    /// Tries in all, the first one included; a 429, which has no effect, is waited out and is none.
    pub max_attempts: u32,
    /// Before the second try.
    #[serde(with = "duration")]
    pub initial_backoff: Duration,
    /// Between two tries at most, before jitter.
    #[serde(with = "duration")]
    pub max_backoff: Duration,
}

/// The lease per fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lock {
    /// `leaseDurationSeconds`: whole seconds.
    #[serde(with = "duration")]
    pub duration: Duration,
    /// How long a signal waits for another replica's lock before it goes on without: the fence keeps that safe.
    #[serde(with = "duration")]
    pub wait_timeout: Duration,
    /// Between two tries at first; doubles.
    #[serde(with = "duration")]
    pub initial_backoff: Duration,
    /// Between two tries at most, before jitter.
    #[serde(with = "duration")]
    pub max_backoff: Duration,
    /// For a release with all its retries, apart from any request's deadline.
    #[serde(with = "duration")]
    pub release_timeout: Duration,
    /// Between two sweeps of the collector, before jitter.
    #[serde(with = "duration")]
    pub collect_interval: Duration,
}

/// The watch-fed view of RemediationRequests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct View {
    /// A view older than this decides nothing.
    #[serde(with = "duration")]
    pub freshness: Duration,
    /// Between two background consistent reads that prove the view's age.
    #[serde(with = "duration")]
    pub probe_interval: Duration,
    /// How long a decision waits for the view to reach a known resourceVersion before it asks the API.
    #[serde(with = "duration")]
    pub catch_up: Duration,
    /// `timeoutSeconds` of a watch: whole seconds.
    #[serde(with = "duration")]
    pub watch_timeout: Duration,
    /// From a decision to its last request: at the end of it a new decision is needed.
    #[serde(with = "duration")]
    pub attempt_timeout: Duration,
}

/// Counting of signals in batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Commit {
    /// Signals counted by one write at most.
    pub max_batch: usize,
    /// Signals of one fingerprint that wait at most; further ones are answered 503.
    pub max_queue: usize,
    /// From the beginning of one batch to that of the next at least; further signals gather meanwhile.
    #[serde(with = "duration")]
    pub min_linger: Duration,
}

/// Which resources are processed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scope {
    /// Only resources with the label `kubernaut.ai/managed=true`, on themselves or on their namespace.
    pub require_managed_label: bool,
    /// How long labels and owners are believed.
    #[serde(with = "duration")]
    pub cache_ttl: Duration,
    /// How long it is believed that an object does not exist.
    #[serde(with = "duration")]
    pub negative_cache_ttl: Duration,
    /// Objects remembered at most.
    pub cache_size: usize,
}

/// Who may send signals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Auth {
    /// How senders are authenticated.
    pub mode: AuthMode,
    /// How long a token that was accepted is believed; a revoked one stops working within it.
    #[serde(with = "duration")]
    pub cache_ttl: Duration,
    /// How long a token that was refused is not asked about again.
    #[serde(with = "duration")]
    pub negative_cache_ttl: Duration,
    /// Tokens remembered at most.
    pub cache_size: usize,
    /// Tokens that nothing is known of and that are reviewed in a second, and as many again of those that were accepted
    /// before; further ones are answered 503.
    pub max_reviews_per_second: u32,
}

/// How senders are authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuthMode {
    /// Bearer tokens, by TokenReview and SubjectAccessReview.
    #[default]
    Kubernetes,
    /// Anyone who can connect: for a trusted network.
    None,
}

/// Kubernetes Events on RemediationRequests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Events {
    /// Whether one is written on each that is created.
    pub enabled: bool,
}

/// Distributed traces, sent by OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tracing {
    /// Base address of an OpenTelemetry collector; `/v1/traces` is added. Nothing is traced if absent.
    pub endpoint: Option<url::Url>,
    /// Sent with each request to it, such as `authorization`.
    pub headers: BTreeMap<String, String>,
    /// Of the traces that begin at this gateway, the part that is recorded, 0 to 1; senders decide on those that they begin.
    pub sampling_ratio: f64,
    /// For one batch to be accepted, retries included; then it is lost.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// PEM file of the authorities that the collector's certificate must come from; those of the system if absent.
    pub ca_file: Option<PathBuf>,
    /// Spans held in memory; further ones are dropped and counted.
    pub queue_size: usize,
}

/// Level and format of the log on standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Logging {
    /// A `tracing` filter, such as `info` or `gateway=debug,kube=warn`.
    pub level: String,
    /// One JSON object per line, or text for people.
    pub format: LogFormat,
}

/// How a log line is written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Text for people.
    Human,
}
