//! What every worker of one gateway instance shares: the API, the view, the lock, the writer's identity.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::task::TaskTracker;

use super::{
    bounds::refusal_forgotten_within, inbox::Inboxes, lock::LockManager, protocol::count::WRITES_MAX,
    refusals::Refusals, registers::Registers, store::Store, versions::Versions, view::View,
};
use crate::{
    config::{Config, Identity},
    context::Context,
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::BootId,
};

/// See the module's documentation.
pub(super) struct Core {
    pub(super) context: Context,
    pub(super) metrics: Metrics,
    pub(super) config: Config,
    pub(super) namespace: String,
    pub(super) view: View,
    pub(super) versions: Arc<Versions>,
    pub(super) lock: LockManager,
    /// Creates that were refused.
    pub(super) refusals: Refusals,
    /// `<pod>/<boot id>`.
    pub(super) writer: String,
    pub(super) store: Store,
    pub(super) registers: Registers,
    pub(super) inboxes: Inboxes,
    /// Workers, and what they started: awaited at shutdown. Closed once no more signals are taken.
    pub(super) tasks: TaskTracker,
    attempts: AtomicU64,
    sequences: AtomicU64,
}

impl Core {
    pub(super) fn new(
        context: Context,
        metrics: Metrics,
        kubernetes: Kubernetes,
        config: Config,
        identity: &Identity,
    ) -> Self {
        let boot = BootId::new(context.random());
        let writer = format!("{}/{boot}", identity.pod_name);
        let (api, namespace) = (kubernetes.clone(), &identity.pod_namespace);
        let lock = LockManager::new(api, context.clone(), metrics.clone(), identity, config.lock.clone());
        let versions = Arc::new(Versions::new(metrics.clone()));
        Self {
            view: View::new(metrics.clone(), Arc::clone(&versions)),
            versions,
            refusals: Refusals::new(context.clone(), refusal_forgotten_within(&config)),
            namespace: namespace.clone(),
            attempts: AtomicU64::new(1),
            sequences: AtomicU64::new(1),
            store: Store::new(kubernetes, namespace, boot),
            registers: Registers::default(),
            inboxes: Inboxes::default(),
            tasks: TaskTracker::new(),
            context,
            metrics,
            config,
            lock,
            writer,
        }
    }

    /// Whether no more signals are taken.
    pub(super) fn is_draining(&self) -> bool {
        self.tasks.is_closed()
    }

    /// Takes no more signals: workers end when they have answered those that wait.
    pub(super) fn drain(&self) {
        self.tasks.close();
        self.inboxes.shut();
    }

    /// Starts a task that a shutdown waits for.
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        self.context.spawn(self.tasks.track_future(task));
    }

    /// A tag that no other attempt of any process has.
    pub(super) fn next_tag(&self) -> String {
        format!("{}/{}", self.writer, self.attempts.fetch_add(1, Ordering::Relaxed))
    }

    /// The first of [`WRITES_MAX`] sequence numbers that no other batch of this boot has.
    pub(super) fn next_sequences(&self) -> u64 {
        self.sequences.fetch_add(WRITES_MAX, Ordering::Relaxed)
    }
}
