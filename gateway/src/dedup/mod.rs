//! One active RemediationRequest per fingerprint, every acknowledged signal counted exactly once.
//!
//! A signal is queued for the worker of its lease name ([`queue`], [`worker`]). The worker finds or creates its
//! RemediationRequest and then counts, with one patch, all that gathered in the meantime. What to do next is decided by
//! state machines without I/O, which drivers carry out:
//!
//! | decides | carries out | |
//! |---|---|---|
//! | [`decision`], [`attempt`] | [`find`] | find or create, by lock and fence |
//! | [`commit`] | [`count`] | count a batch exactly once |
//! | [`index`] | [`feed`] | what is known: the [`view`] |
//! | [`history`] | [`guard`] | whether that can be relied on |
//!
//! [`lock`] is the Lease per key, [`claims`] keep a predecessor while its successor is created, [`refusals`] remember what is
//! not admitted, [`collector`] clears what crashed replicas leave behind, within the [`bounds`], [`core`] is what all share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::watch;

use self::{
    core::Core,
    feed::Feed,
    guard::Guard,
    lock::{Holder, LockManager},
    queue::{Pending, Queued, Queues},
    shared::Shared,
    worker::Worker,
};
use crate::{
    config::{Config, Identity},
    context::{Context, Monotonic},
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::{LeaseName, Signal},
};

mod attempt;
pub mod bounds;
mod claims;
mod collector;
mod commit;
mod core;
mod count;
mod decision;
mod deduplicate;
mod feed;
mod find;
mod guard;
mod history;
mod index;
pub mod lock;
mod observed;
mod queue;
mod refusals;
mod releases;
mod shared;
mod view;
mod worker;

#[cfg(test)]
mod tests;

pub use decision::{Outlook, outlook};
pub use deduplicate::{Accepted, Deduplicate, Error, Outcome};

/// Gives a worker's queue up if the worker does not end as it should, so that the next signal starts another.
struct Slot<'a> {
    queues: &'a Queues,
    lease: &'a LeaseName,
    closed: bool,
}

impl Slot<'_> {
    /// The worker has closed its queue itself.
    fn closed(mut self) {
        self.closed = true;
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if !self.closed {
            self.queues.abandon(self.lease);
        }
    }
}

impl Deduplicate for Deduplicator {
    fn ingest(&self, signal: Signal, deadline: Monotonic) -> BoxFuture<'_, Result<Accepted, Error>> {
        self.ingest(signal, deadline).boxed()
    }

    fn start(&self) {
        self.start();
    }

    fn synced(&self) -> BoxFuture<'_, ()> {
        self.synced().boxed()
    }

    fn crd_outdated(&self) -> Option<watch::Receiver<bool>> {
        Some(self.crd_outdated())
    }

    fn history_doubtful(&self) -> Option<watch::Receiver<bool>> {
        Some(self.shared.core.view.doubt())
    }

    fn shut_down(&self, deadline: Monotonic) -> BoxFuture<'_, bool> {
        self.shut_down(deadline).boxed()
    }
}

/// The deduplication of one gateway instance; cheap to clone.
#[derive(Clone)]
pub struct Deduplicator {
    shared: Arc<Shared>,
}

impl Deduplicator {
    /// A deduplicator whose RemediationRequests and leases live in the pod's namespace. It accepts signals at once, but
    /// has to ask the API server about each until its view is synchronised: see [`Deduplicator::start`].
    pub fn new(
        context: Context,
        metrics: Metrics,
        kubernetes: Kubernetes,
        config: Config,
        identity: &Identity,
    ) -> Self {
        let Identity { pod_name, pod_namespace, pod_uid } = identity;
        let holder = Holder { identity: pod_name.clone(), pod_uid: pod_uid.clone() };
        let lock = LockManager::new(
            kubernetes.clone(),
            context.clone(),
            metrics.clone(),
            pod_namespace,
            holder,
            config.lock.clone(),
        );
        let core = Core::new(context, metrics, kubernetes, config, pod_namespace, lock, pod_name);
        let shared = Shared { core: Arc::new(core), queues: Queues::default(), draining: AtomicBool::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// Starts the tasks that feed the view and collect what crashed replicas left behind.
    pub fn start(&self) {
        let core = &self.shared.core;
        let feed = || Feed {
            view: core.view.clone(),
            api: core.objects.clone(),
            kubernetes: core.kubernetes.clone(),
            context: core.context.clone(),
            metrics: core.metrics.clone(),
            config: core.config.view.clone(),
        };
        core.context.spawn(feed().run());
        core.context.spawn(feed().probe());
        core.context.spawn(collector::run(Arc::clone(core)));
        let Core { view, objects: api, kubernetes, context, .. } = &**core;
        let (view, api) = (view.clone(), api.clone());
        let guard = Guard { view, api, kubernetes: kubernetes.clone(), context: context.clone() };
        context.spawn(guard.run());
    }

    /// Makes `signal` durable: creates its RemediationRequest or counts it on the active one, until `deadline` at most.
    ///
    /// # Errors
    /// See [`Error`]; the signal may have been counted all the same, but is not acknowledged.
    pub async fn ingest(&self, signal: Signal, deadline: Monotonic) -> Result<Accepted, Error> {
        let Shared { core, queues, .. } = &*self.shared;
        if self.shared.is_draining() {
            return Err(busy("this replica is shutting down"));
        }
        let lease = LeaseName::of(&signal.fingerprint);
        let (pending, answer) = Pending::new(signal, deadline);
        match queues.push(&lease, pending, core.config.commit.max_queue) {
            Ok(Queued::Running) => {}
            Ok(Queued::Start(arrived)) => {
                let dedup = self.clone();
                core.context.spawn(async move {
                    let slot = Slot { queues: &dedup.shared.queues, lease: &lease, closed: false };
                    Worker::new(&dedup.shared, lease.clone(), arrived).run().await;
                    slot.closed();
                });
            }
            Err(_) => return Err(busy("too many signals of this resource are waiting")),
        }
        match core.context.timeout_at(deadline + ANSWER_GRACE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::Kubernetes("the signal's worker ended before it answered".to_owned())),
            Err(_) => Err(Error::Deadline),
        }
    }

    /// Waits until the view is synchronised.
    pub async fn synced(&self) {
        self.shared.core.view.synced().await;
    }

    /// Whether the CRD in the cluster was last seen to lack a field that exactly-once counting needs.
    pub fn crd_outdated(&self) -> watch::Receiver<bool> {
        self.shared.core.outdated_crd.subscribe()
    }

    /// Takes no more signals, lets those under way finish, releases all locks and claims; until `deadline` at most. Tells whether
    /// everything was finished.
    pub async fn shut_down(&self, deadline: Monotonic) -> bool {
        let Shared { core, queues, draining } = &*self.shared;
        draining.store(true, Ordering::Release);
        loop {
            queues.wake();
            if queues.is_idle() {
                core.lock.release_all();
                if core.lock.is_idle() && core.releases.is_idle() {
                    return true;
                }
            }
            if core.context.monotonic() >= deadline {
                return false;
            }
            core.context.sleep(DRAIN_POLL).await;
        }
    }
}

/// A worker keeps to a signal's deadline by itself and then says what kept it; only one that is busy with another
/// signal of a later deadline is not waited for any longer.
const ANSWER_GRACE: Duration = Duration::from_millis(100);
/// Between two looks at whether a shutdown is done.
const DRAIN_POLL: Duration = Duration::from_millis(5);

fn busy(reason: &'static str) -> Error {
    Error::Busy { reason, retry_after: Duration::from_secs(1) }
}
