//! What every worker of one gateway instance shares: the API, the view, the lock, the writer's identity.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kube::{Api, Client, api::ListParams};
use tokio_util::task::TaskTracker;

use super::{
    attempt::Known,
    bounds::claim_cleared_within,
    deduplicate::Error,
    feed::list_version,
    history::Asked,
    lock::LockManager,
    protocol::count::{Patience, WRITES_MAX},
    refusals::Refusals,
    registers::Registers,
    store::Store,
    versions::Versions,
    view::{Snapshot, Subscription, View, readable},
};
use crate::{
    config::Config,
    context::{Context, Monotonic},
    kubernetes::{self, Kubernetes, Operation},
    metrics::Metrics,
    remediation::{BootId, Fingerprint, Projected, Record, RemediationRequest, ResourceVersion},
};

const LIST: Operation = Operation { verb: "list", resource: "remediationrequests" };

/// See the module's documentation.
pub(super) struct Core {
    pub(super) context: Context,
    pub(super) metrics: Metrics,
    pub(super) kubernetes: Kubernetes,
    pub(super) config: Config,
    pub(super) namespace: String,
    pub(super) view: View,
    pub(super) versions: Versions,
    pub(super) lock: LockManager,
    /// Claims being released in the background: a shutdown waits for them.
    pub(super) releases: TaskTracker,
    /// Creates that were refused.
    pub(super) refusals: Refusals,
    /// RemediationRequests as they are read and patched.
    pub(super) objects: Api<Projected>,
    /// RemediationRequests as they are created.
    pub(super) requests: Api<RemediationRequest>,
    /// `<pod>/<boot id>`.
    pub(super) writer: String,
    pub(super) store: Store,
    pub(super) registers: Registers,
    attempts: AtomicU64,
    sequences: AtomicU64,
}

impl Core {
    pub(super) fn new(
        context: Context,
        metrics: Metrics,
        kubernetes: Kubernetes,
        config: Config,
        namespace: &str,
        lock: LockManager,
        pod_name: &str,
    ) -> Self {
        let client: Client = kubernetes.client();
        let boot = BootId::new(context.random());
        let writer = format!("{pod_name}/{boot}");
        let versions = Versions::new(metrics.clone());
        Self {
            view: View::new(metrics.clone(), versions.clone()),
            versions,
            releases: TaskTracker::new(),
            refusals: Refusals::new(context.clone(), claim_cleared_within(&config)),
            objects: Api::namespaced(client.clone(), namespace),
            requests: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            attempts: AtomicU64::new(1),
            sequences: AtomicU64::new(1),
            store: Store::new(kubernetes.clone(), namespace, boot),
            registers: Registers::default(),
            context,
            metrics,
            kubernetes,
            config,
            lock,
            writer,
        }
    }

    /// A tag that no other attempt of any process has.
    pub(super) fn next_tag(&self) -> String {
        format!("{}/{}", self.writer, self.attempts.fetch_add(1, Ordering::Relaxed))
    }

    /// The first of [`WRITES_MAX`] sequence numbers that no other batch of this boot has.
    pub(super) fn next_sequences(&self) -> u64 {
        self.sequences.fetch_add(WRITES_MAX, Ordering::Relaxed)
    }

    /// How requests that count are tried again.
    pub(super) fn patience(&self) -> Patience {
        let retry = &self.config.processing.retry;
        Patience {
            doubts_max: retry.max_attempts,
            initial_backoff: retry.initial_backoff,
            max_backoff: retry.max_backoff,
        }
    }

    /// What is known of `fingerprint`, from a view that is fresh and has come as far as `known` (`seen` is what the last
    /// read said), or from one consistent list by field selector: never from a full one.
    pub(super) async fn read(
        &self,
        fingerprint: &Fingerprint,
        known: Known,
        seen: &[(String, ResourceVersion)],
        subscription: &Subscription,
        deadline: Monotonic,
    ) -> Result<Snapshot, Error> {
        if self.view.is_doubtful() {
            return Err(doubtful());
        }
        let patience = self.config.view.catch_up.min(deadline.since(self.context.monotonic()));
        let caught_up = match known {
            Known::UpTo(version) if self.view.version() >= Some(version) => true,
            Known::UpTo(version) => self.view.reached(&self.context, version, patience).await,
            Known::Changed => {
                let differs = || self.view.snapshot(fingerprint).is_some_and(|snapshot| snapshot.seen() != seen);
                subscription.changed(&self.context, patience, differs).await;
                differs()
            }
        };
        let now = self.context.monotonic();
        let age = self.view.age(now);
        self.metrics.view_age_seconds.set(age.map_or(-1.0, |age| age.as_secs_f64()));
        let fresh = age.is_some_and(|age| age < self.config.view.freshness);
        match self.view.snapshot(fingerprint) {
            Some(snapshot) if caught_up && fresh => Ok(snapshot),
            _ => self.list(fingerprint, deadline).await,
        }
    }

    async fn list(&self, fingerprint: &Fingerprint, deadline: Monotonic) -> Result<Snapshot, Error> {
        self.metrics.view_fallback_lists.inc();
        let asked = self.view.asked(fingerprint);
        let params = ListParams::default().fields(&format!("spec.signalFingerprint={fingerprint}"));
        let list = self.kubernetes.call(LIST, deadline, || self.objects.list(&params)).await;
        let list = list.map_err(|error| self.refused(LIST, &error))?;
        let version = list_version(list.metadata.resource_version.as_deref());
        let version = version.map_err(|error| self.refused(LIST, &error))?;
        let records: Vec<Arc<Record>> = list.items.into_iter().filter_map(readable).map(Arc::new).collect();
        if !self.view.agrees_with_list(&asked, version, &records) {
            return Err(doubtful());
        }
        Ok(Snapshot { records, listed: true })
    }

    /// Fails if what was known in `epoch` does not hold any more, or nothing may be created.
    pub(super) fn still(&self, epoch: u64) -> Result<(), Error> {
        if self.view.is_trusted(epoch) { Ok(()) } else { Err(doubtful()) }
    }

    /// As [`View::agrees`], for which the signal is refused.
    pub(super) fn agrees(&self, asked: &Asked, record: &Record) -> Result<(), Error> {
        if self.view.agrees(asked, record) { Ok(()) } else { Err(doubtful()) }
    }

    /// Logs what the API server said, and makes of it what a signal's sender is told.
    pub(super) fn refused(&self, operation: Operation, error: &kubernetes::Error) -> Error {
        let Operation { verb, resource } = operation;
        tracing::error!(verb, resource, %error, "a request to the Kubernetes API failed");
        Error::from(error)
    }
}

/// What is known of history, or the API server's lists, cannot be relied on at the moment.
pub(super) fn doubtful() -> Error {
    Error::Busy {
        reason: "the history of RemediationRequests went back, or the API servers contradict etcd",
        retry_after: Duration::from_secs(5),
    }
}
