//! What holds for keys that the operator did not set.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use super::{
    matchers::Matchers,
    settings::{
        Auth, AuthMode, Buffer, Commit, DataStorage, Events, Lock, LogFormat, Logging, Retry, Scope, Server, Tracing,
        View,
    },
    signals::{Cluster, Signals},
};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen_addr: ([0, 0, 0, 0], 8080).into(),
            health_addr: ([0, 0, 0, 0], 8081).into(),
            metrics_addr: ([0, 0, 0, 0], 9090).into(),
            max_concurrent_requests: 100,
            max_queue_wait: secs(1),
            max_buffered_bytes: 32 * 1024 * 1024,
            max_connections: 2048,
            max_connections_per_peer: 512,
            read_timeout: secs(30),
            write_timeout: secs(30),
            idle_timeout: secs(120),
            kubernetes_request_timeout: secs(15),
            max_body_bytes: 1024 * 1024,
            drain_timeout: secs(20),
            tls: None,
        }
    }
}

impl Default for DataStorage {
    fn default() -> Self {
        Self { url: None, timeout: secs(10), buffer: Buffer::default() }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self { buffer_size: 10_000, batch_size: 100, flush_interval: secs(1), max_retries: 3 }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 3, initial_backoff: millis(100), max_backoff: secs(5) }
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            duration: secs(30),
            wait_timeout: millis(500),
            initial_backoff: millis(5),
            max_backoff: secs(1),
            release_timeout: secs(10),
            collect_interval: secs(60),
        }
    }
}

impl Default for View {
    fn default() -> Self {
        Self {
            freshness: secs(90),
            probe_interval: secs(30),
            catch_up: secs(1),
            watch_timeout: secs(40),
            attempt_timeout: secs(10),
        }
    }
}

impl Default for Commit {
    fn default() -> Self {
        Self { max_batch: 1000, max_queue: 1000, min_linger: millis(2) }
    }
}

/// What monitoring sends about itself, and never about a resource. Compiled once: a pattern costs more than all the rest of
/// a configuration, and simulations make one for each gateway.
static HEARTBEATS: LazyLock<Vec<Matchers>> = LazyLock::new(|| {
    let texts = [r#"severity="none""#, r#"alertname=~"Watchdog|InfoInhibitor|DeadMansSwitch""#];
    texts.iter().filter_map(|text| text.parse().ok()).collect()
});

impl Default for Signals {
    fn default() -> Self {
        Self {
            targets: BTreeMap::new(),
            exporters: Vec::new(),
            cluster: Cluster::default(),
            ignore: HEARTBEATS.clone(),
            node_by_instance: false,
            max_payload_bytes: 64 * 1024,
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self { name: String::new(), label: "cluster".to_owned() }
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self { require_managed_label: true, cache_ttl: secs(300), negative_cache_ttl: secs(30), cache_size: 10_000 }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            mode: AuthMode::default(),
            cache_ttl: secs(60),
            negative_cache_ttl: secs(10),
            cache_size: 1000,
            max_reviews_per_second: 20,
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Tracing {
    fn default() -> Self {
        let (endpoint, ca_file, headers) = (None, None, BTreeMap::new());
        Self { endpoint, headers, sampling_ratio: 1.0, timeout: secs(10), ca_file, queue_size: 4096 }
    }
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::default() }
    }
}
