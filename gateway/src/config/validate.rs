//! Ranges, and rules between keys.

use std::{net::SocketAddr, path::Path, time::Duration};

use http::{HeaderName, HeaderValue};
use url::Url;

use super::{
    error::{Error, Problem},
    order,
    origin::Files,
    problems::{HOUR, MILLISECOND, Problems, SECOND},
    secret::shown_address,
    settings::{Auth, Commit, Config, DataStorage, Retry, Scope, Server, Tracing},
    signals::{Signals, TargetKind},
};
use crate::rfc1123::{is_kind, is_label, is_subdomain};

/// An object in etcd is 1.5 MiB at most, and a body is copied into one; more only serves larger batches.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Enough for a few dozen small bodies at once.
const BUFFERED_BYTES_MIN: usize = 1024 * 1024;
/// More than any gateway needs: an upper bound against a digit too many.
const BUFFERED_BYTES_MAX: usize = 4 * 1024 * 1024 * 1024 - 1;
/// Each place costs a task, a buffer or an entry: an upper bound against a digit too many.
const COUNT_MAX: usize = 1_000_000;
/// A span takes about a kilobyte.
const SPANS_MAX: usize = 100_000;
/// Backoff doubles: further tries would only hold memory.
const TRIES_MAX: u32 = 10;
/// A revoked token must stop working soon.
const AUTH_TTL_MAX: Duration = Duration::from_secs(600);
/// An API server is hardly asked for more by all its clients together.
const REVIEWS_MAX: u32 = 10_000;
/// Each is looked at for each alert.
const RULES_MAX: usize = 100;
/// Shorter names of exporters would be found in the names of too many pods.
const EXPORTER_CHARS_MIN: usize = 3;
/// The payload is one part of an object of 1.5 MiB, and each of its quotes takes two bytes there.
const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// A cut payload shall still tell the alert.
const PAYLOAD_BYTES_MIN: usize = 1024;
/// Of `spec.clusterID`.
const CLUSTER_BYTES_MAX: usize = 253;

impl Config {
    /// Checks that the values are sensible, alone and together.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        let problems = self.problems(Files::Required);
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid(problems.into_iter().map(Problem::of_line).collect()))
    }

    /// What is wrong, one line each, which begins with the key.
    pub(super) fn problems(&self, files: Files) -> Vec<String> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let Self {
            server,
            datastorage,
            processing,
            lock,
            view,
            commit,
            signal,
            scope,
            auth,
            events: _,
            tracing,
            logging,
        } = self;
        check_server(p, server, files);
        check_addresses(p, server);
        check_datastorage(p, datastorage);
        check_retry(p, &processing.retry);
        order::check(p, lock, view, server);
        check_commit(p, commit);
        check_signals(p, signal);
        check_scope(p, scope);
        check_auth(p, auth);
        check_tracing(p, tracing, files);
        if let Err(error) = logging.filter() {
            p.require(false, || format!("logging.level: {error}"));
        }
        problems.all()
    }
}

fn check_server(p: &mut Problems, server: &Server, files: Files) {
    p.count("server.maxConcurrentRequests", server.max_concurrent_requests, COUNT_MAX);
    p.count("server.maxConnections", server.max_connections, COUNT_MAX);
    p.count("server.maxConnectionsPerPeer", server.max_connections_per_peer, COUNT_MAX);
    p.count("server.maxBodyBytes", server.max_body_bytes, BODY_BYTES_MAX);
    let (body, buffered) = (server.max_body_bytes, server.max_buffered_bytes);
    // Three eighths are kept for small bodies: the rest must hold a large one.
    let least = body.saturating_mul(2).max(BUFFERED_BYTES_MIN);
    p.require((least..=BUFFERED_BYTES_MAX).contains(&buffered), || {
        format!("server.maxBufferedBytes: {buffered} is not between {least} (twice server.maxBodyBytes) and {BUFFERED_BYTES_MAX}")
    });
    for (key, value) in [
        ("server.readTimeout", server.read_timeout),
        ("server.writeTimeout", server.write_timeout),
        ("server.idleTimeout", server.idle_timeout),
        ("server.kubernetesRequestTimeout", server.kubernetes_request_timeout),
    ] {
        p.time(key, value, (MILLISECOND, HOUR));
    }
    let kubernetes = ("server.kubernetesRequestTimeout", server.kubernetes_request_timeout);
    p.less(kubernetes, ("server.writeTimeout", server.write_timeout), ": a 504 could no longer be sent");
    p.less(
        ("server.maxQueueWait", server.max_queue_wait),
        kubernetes,
        ": no time would be left to process the request",
    );
    p.at_most(kubernetes, ("server.drainTimeout", server.drain_timeout), ": a shutdown would cut off requests");
    p.time("server.drainTimeout", server.drain_timeout, (MILLISECOND, HOUR));
    if let Some(tls) = server.tls.as_ref().filter(|_| files == Files::Required) {
        let client_ca = tls.client_ca_file.as_deref().map(|file| ("server.tls.clientCaFile", file));
        let files = [("server.tls.certFile", tls.cert_file.as_path()), ("server.tls.keyFile", tls.key_file.as_path())];
        for (key, file) in files.into_iter().chain(client_ca) {
            check_file(p, key, file);
        }
    }
}

fn check_file(p: &mut Problems, key: &str, file: &Path) {
    p.require(file.is_file(), || format!("{key}: there is no file `{}`", file.display()));
}

fn check_addresses(p: &mut Problems, server: &Server) {
    let addresses = [
        ("server.listenAddr", server.listen_addr),
        ("server.healthAddr", server.health_addr),
        ("server.metricsAddr", server.metrics_addr),
    ];
    for (i, (key, address)) in addresses.iter().enumerate() {
        for (other_key, other) in &addresses[..i] {
            p.require(!clash(*address, *other), || {
                format!("{key}: {address} is already used by {other_key} ({other})")
            });
        }
    }
}

/// Whether both cannot be listened on; the system picks a free port for 0.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_ip
}

fn check_datastorage(p: &mut Problems, datastorage: &DataStorage) {
    check_address(p, "datastorage.url", datastorage.url.as_ref());
    let buffer = &datastorage.buffer;
    p.time("datastorage.timeout", datastorage.timeout, (MILLISECOND, HOUR));
    p.count("datastorage.buffer.bufferSize", buffer.buffer_size, COUNT_MAX);
    p.count("datastorage.buffer.batchSize", buffer.batch_size, COUNT_MAX);
    p.time("datastorage.buffer.flushInterval", buffer.flush_interval, (MILLISECOND, HOUR));
    let (batch, size, retries) = (buffer.batch_size, buffer.buffer_size, buffer.max_retries);
    p.require(batch <= size, || {
        format!("datastorage.buffer.batchSize: {batch} is more than datastorage.buffer.bufferSize ({size})")
    });
    p.require(retries <= TRIES_MAX, || {
        format!("datastorage.buffer.maxRetries: {retries} is not between 0 and {TRIES_MAX}")
    });
}

fn check_address(p: &mut Problems, key: &str, url: Option<&Url>) {
    let Some(url) = url else { return };
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    p.require(usable, || format!("{key}: `{}` is not an http or https address", shown_address(url)));
    let plain = url.query().is_none() && url.fragment().is_none();
    p.require(plain, || format!("{key}: it must not have a query or a fragment"));
}

fn check_tracing(p: &mut Problems, tracing: &Tracing, files: Files) {
    let Tracing { endpoint, headers, sampling_ratio, timeout, ca_file, queue_size } = tracing;
    check_address(p, "tracing.endpoint", endpoint.as_ref());
    for (name, value) in headers {
        let usable = HeaderName::try_from(name.as_str()).is_ok() && HeaderValue::from_str(value).is_ok();
        // Its value is a secret.
        p.require(usable, || {
            format!("tracing.headers: `{name}` is not a valid header name, or its value is not valid")
        });
    }
    p.require((0.0..=1.0).contains(sampling_ratio), || {
        format!("tracing.samplingRatio: {sampling_ratio} is not between 0 and 1")
    });
    p.time("tracing.timeout", *timeout, (MILLISECOND, HOUR));
    p.count("tracing.queueSize", *queue_size, SPANS_MAX);
    if let Some(file) = ca_file.as_deref().filter(|_| files == Files::Required) {
        check_file(p, "tracing.caFile", file);
    }
}

fn check_retry(p: &mut Problems, retry: &Retry) {
    let tries = retry.max_attempts;
    p.require((1..=TRIES_MAX).contains(&tries), || {
        format!("processing.retry.maxAttempts: {tries} is not between 1 and {TRIES_MAX}")
    });
    p.time("processing.retry.initialBackoff", retry.initial_backoff, (MILLISECOND, HOUR));
    let initial = ("processing.retry.initialBackoff", retry.initial_backoff);
    p.at_most(initial, ("processing.retry.maxBackoff", retry.max_backoff), "");
}

fn check_commit(p: &mut Problems, commit: &Commit) {
    p.count("commit.maxBatch", commit.max_batch, COUNT_MAX);
    p.count("commit.maxQueue", commit.max_queue, COUNT_MAX);
    p.time("commit.minLinger", commit.min_linger, (Duration::ZERO, SECOND));
}

fn check_signals(p: &mut Problems, signals: &Signals) {
    let counts = [
        ("signal.targets", signals.targets.len()),
        ("signal.exporters", signals.exporters.len()),
        ("signal.ignore", signals.ignore.len()),
    ];
    for (key, count) in counts {
        p.require(count <= RULES_MAX, || format!("{key}: {count} entries, at most {RULES_MAX} are allowed"));
    }
    for (label, target) in &signals.targets {
        check_target(p, label, target);
    }
    for exporter in &signals.exporters {
        let usable = exporter.len() >= EXPORTER_CHARS_MIN && is_label(exporter);
        p.require(usable, || {
            format!("signal.exporters: `{exporter}` is not a valid name such as `kube-state-metrics`")
        });
    }
    let name = &signals.cluster.name;
    let usable = name.len() <= CLUSTER_BYTES_MAX && !name.chars().any(char::is_control);
    p.require(usable, || {
        format!("signal.cluster.name: at most {CLUSTER_BYTES_MAX} bytes without control characters are allowed")
    });
    p.require(!signals.cluster.label.is_empty(), || "signal.cluster.label: it must not be empty".to_owned());
    let bytes = signals.max_payload_bytes;
    p.require((PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&bytes), || {
        format!("signal.maxPayloadBytes: {bytes} is not between {PAYLOAD_BYTES_MIN} and {PAYLOAD_BYTES_MAX}")
    });
}

fn check_target(p: &mut Problems, label: &str, target: &TargetKind) {
    /// They tell where Prometheus measured, never what.
    const RESERVED: [&str; 6] = ["job", "service", "instance", "endpoint", "container", "namespace"];
    let key = format!("signal.targets.{label}");
    p.require(!label.is_empty(), || "signal.targets: a label must not be empty".to_owned());
    p.require(!RESERVED.contains(&label), || {
        format!("{key}: this label identifies the scraped target, not the resource")
    });
    p.require(!label.starts_with("exported_"), || {
        format!("{key}: omit `exported_` from the label; both spellings are read")
    });
    let TargetKind { group, version, kind, plural, namespaced: _ } = target;
    let usable = group.is_empty() || is_subdomain(group);
    p.require(usable, || format!("{key}.group: `{group}` is not a valid API group such as `kubevirt.io`"));
    p.require(is_label(version), || format!("{key}.version: `{version}` is not a valid API version such as `v1`"));
    p.require(is_kind(kind), || format!("{key}.kind: `{kind}` is not a valid kind such as `VirtualMachine`"));
    p.require(is_label(plural), || format!("{key}.plural: `{plural}` is not a valid plural such as `virtualmachines`"));
}

fn check_scope(p: &mut Problems, scope: &Scope) {
    p.count("scope.cacheSize", scope.cache_size, COUNT_MAX);
    p.time("scope.cacheTtl", scope.cache_ttl, (MILLISECOND, HOUR));
    p.time("scope.negativeCacheTtl", scope.negative_cache_ttl, (Duration::ZERO, HOUR));
}

fn check_auth(p: &mut Problems, auth: &Auth) {
    p.count("auth.cacheSize", auth.cache_size, COUNT_MAX);
    let reviews = auth.max_reviews_per_second;
    p.require((1..=REVIEWS_MAX).contains(&reviews), || {
        format!("auth.maxReviewsPerSecond: {reviews} is not between 1 and {REVIEWS_MAX}")
    });
    p.time("auth.cacheTtl", auth.cache_ttl, (Duration::ZERO, AUTH_TTL_MAX));
    p.time("auth.negativeCacheTtl", auth.negative_cache_ttl, (Duration::ZERO, AUTH_TTL_MAX));
}
