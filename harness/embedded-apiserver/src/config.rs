//! How a server is set up.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// CustomResourceDefinitions that are there from the start.
    pub crds: Vec<Value>,
    /// The server's wall time at its creation; advances with tokio's time.
    pub epoch: Timestamp,
    /// How often etcd reports progress: what a consistent list waits for when the newest write was one of another
    /// resource. Zero: never waits.
    pub consistent_list_wait: Duration,
    /// Between the bookmarks of a watch.
    pub bookmark_interval: Duration,
    /// How far watches and lists from the cache are behind the store. Whole milliseconds.
    pub event_lag: Duration,
    /// Events kept per resource; watches from versions before them are answered 410.
    pub history: usize,
    /// Leases are in an etcd of their own, whose newest version is this at the start, as with kube-apiserver's
    /// `--etcd-servers-overrides=coordination.k8s.io/leases#…`: their resourceVersions are a sequence of their own and
    /// say nothing of other objects', and no other list waits for a write of a lease. None: one etcd for all.
    pub lease_store: Option<u64>,
    /// How long the garbage collector takes to notice. Whole milliseconds.
    pub collection_delay: Duration,
    /// Whether Role and Binding objects decide who may do what, from the start; else everybody may do everything. See
    /// `EmbeddedApi::enforce_rbac`.
    pub rbac: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            crds: Vec::new(),
            epoch: Timestamp::UNIX_EPOCH,
            consistent_list_wait: Duration::from_millis(100),
            bookmark_interval: Duration::from_secs(60),
            event_lag: Duration::ZERO,
            history: 10_000,
            lease_store: None,
            collection_delay: Duration::from_millis(50),
            rbac: false,
        }
    }
}
