//! What every worker of one gateway instance shares: the API, the view, the lock, the writer's identity.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::task::TaskTracker;

use super::{
    bounds::refusal_forgotten_within,
    deduplicate::Error,
    history::Asked,
    lock::LockManager,
    protocol::{
        Answer,
        attempt::{Known, Snapshot},
        count::WRITES_MAX,
    },
    refusals::Refusals,
    registers::Registers,
    store::{LIST, Store, list_version},
    versions::Versions,
    view::{Subscription, View, readable},
};
use crate::{
    config::Config,
    context::{Context, Monotonic},
    kubernetes::{self, Kubernetes, Operation},
    metrics::Metrics,
    remediation::{BootId, Fingerprint, Record},
};

/// See the module's documentation.
pub(super) struct Core {
    pub(super) context: Context,
    pub(super) metrics: Metrics,
    pub(super) config: Config,
    pub(super) namespace: String,
    pub(super) view: View,
    pub(super) versions: Versions,
    pub(super) lock: LockManager,
    /// Claims being released in the background: a shutdown waits for them.
    pub(super) releases: TaskTracker,
    /// Creates that were refused.
    pub(super) refusals: Refusals,
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
        let boot = BootId::new(context.random());
        let writer = format!("{pod_name}/{boot}");
        let versions = Versions::new(metrics.clone());
        Self {
            view: View::new(metrics.clone(), versions.clone()),
            versions,
            releases: TaskTracker::new(),
            refusals: Refusals::new(context.clone(), refusal_forgotten_within(&config)),
            namespace: namespace.to_owned(),
            attempts: AtomicU64::new(1),
            sequences: AtomicU64::new(1),
            store: Store::new(kubernetes, namespace, boot),
            registers: Registers::default(),
            context,
            metrics,
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

    /// What is known of what `subscription` listens to, from a view that is fresh and has come as far as `known`, or from one
    /// consistent list by field selector: never from a full one.
    pub(super) async fn read(
        &self,
        subscription: &mut Subscription,
        known: Known,
        deadline: Monotonic,
    ) -> Result<Snapshot, Error> {
        if self.view.is_doubtful() {
            return Err(doubtful());
        }
        let time = self.config.view.catch_up.min(deadline.since(self.context.monotonic()));
        let caught_up = match known {
            Known::UpTo(version) if self.view.version() >= Some(version) => true,
            Known::UpTo(version) => self.view.reached(&self.context, version, time).await,
            Known::Changed => subscription.changed(&self.context, time).await,
        };
        let now = self.context.monotonic();
        let age = self.view.age(now);
        self.metrics.view_age_seconds.set(age.map_or(-1.0, |age| age.as_secs_f64()));
        let fresh = age.is_some_and(|age| age < self.config.view.freshness);
        let snapshot = match self.view.snapshot(&subscription.fingerprint) {
            Some(snapshot) if caught_up && fresh => snapshot,
            _ => self.list(&subscription.fingerprint, deadline).await?,
        };
        subscription.has_read(&snapshot);
        Ok(snapshot)
    }

    async fn list(&self, fingerprint: &Fingerprint, deadline: Monotonic) -> Result<Snapshot, Error> {
        self.metrics.view_fallback_lists.inc();
        let asked = self.view.asked(fingerprint);
        let list = self.store.list(&format!("spec.signalFingerprint={fingerprint}"), deadline).await;
        let list = list.and_then(|list| Ok((list_version(&list.metadata)?, list.items)));
        let (version, items) = list.map_err(|error| failed(LIST, &error))?;
        let records: Vec<Arc<Record>> = items.into_iter().filter_map(readable).map(Arc::new).collect();
        if !self.view.agrees_with_list(&asked, version, &records) {
            return Err(doubtful());
        }
        Ok(Snapshot { records, listed: true })
    }

    /// Fails if what was known in `epoch` does not hold any more, or nothing may be created.
    pub(super) fn still(&self, epoch: u64) -> Result<(), Error> {
        if self.view.is_trusted(epoch) { Ok(()) } else { Err(doubtful()) }
    }

    /// Notes what a write, sent at `before`, has made of an object; fails if that does not go with the view.
    pub(super) fn written(&self, asked: &Asked, before: Monotonic, answer: &Answer<Arc<Record>>) -> Result<(), Error> {
        let Ok(record) = answer else { return Ok(()) };
        if !self.view.agrees(asked, record) {
            return Err(doubtful());
        }
        self.view.mark(record.version, before);
        Ok(())
    }
}

/// What a signal's failure is put down to: the request to the API server, and what that said. It is logged with the signal.
pub(super) fn failed(Operation { verb, resource }: Operation, error: &kubernetes::Error) -> Error {
    match Error::from(error) {
        Error::Kubernetes(said) => Error::Kubernetes(format!("{verb} {resource}: {said}")),
        other => other,
    }
}

/// What is known of history, or the API server's lists, cannot be relied on at the moment.
pub(super) fn doubtful() -> Error {
    Error::Busy {
        reason: "the history of RemediationRequests went back, or the API servers contradict etcd",
        retry_after: Duration::from_secs(5),
    }
}
