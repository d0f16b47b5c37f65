//! One active RemediationRequest per fingerprint, every acknowledged signal counted exactly once.
//!
//! A signal goes to the worker of its fingerprint ([`inbox`], [`worker`]). The worker finds or creates its
//! RemediationRequest and then counts, with one write of a register beside it, all that gathered in the meantime. What to do
//! next is decided by state machines without I/O ([`protocol`]), which [`driver`] carries out by the requests of [`store`]:
//!
//! | decides | carries out | |
//! |---|---|---|
//! | [`protocol::decision`], [`protocol::attempt`] | [`driver`] | find or create, by lock and fence |
//! | [`protocol::count`] | [`driver`] | count a batch exactly once, on the counter beside it |
//! | [`protocol::projection`] | [`projector`] | bring the status up to the counter, once in a while |
//! | [`index`] | [`feed`] | what is known: the [`view`] |
//! | [`history`] | [`guard`] | whether that can be relied on |
//! | [`versions`] | [`feed`], [`collector`] | whether another version of the gateway is at work |
//!
//! [`lock`] is the Lease per key, [`claims`] releases predecessors once their successor is created, [`refusals`] remembers what
//! is not admitted; [`collector`] and [`counters`] clear what crashed replicas leave behind, within the [`bounds`]; [`core`] is
//! what all share.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};

use self::{
    bounds::other_version_forgotten_after,
    core::Core,
    feed::Feed,
    guard::Guard,
    inbox::{Full, Pending},
    worker::Worker,
};
use crate::{
    config::{Config, Identity},
    context::{Context, Monotonic},
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::Signal,
};

pub mod bounds;
mod claims;
mod collector;
mod core;
mod counters;
mod deduplicate;
mod driver;
mod feed;
mod guard;
mod history;
mod inbox;
mod index;
pub mod lock;
mod observed;
mod projector;
pub mod protocol;
mod refusals;
mod registers;
mod store;
mod unchanged;
mod versions;
mod view;
mod worker;

#[cfg(test)]
mod tests;

pub use deduplicate::{Accepted, Deduplicate, Error, Obstacle, Outcome};
pub use protocol::decision::{Outlook, outlook};

/// The deduplication of one gateway instance; cheap to clone.
#[derive(Clone)]
pub struct Deduplicator {
    core: Arc<Core>,
}

impl Deduplicator {
    /// A deduplicator whose RemediationRequests and leases live in the pod's namespace. It accepts signals at once, but
    /// has to ask the API server about each until its view is synchronised: see [`Deduplicate::start`].
    pub fn new(
        context: Context,
        metrics: Metrics,
        kubernetes: Kubernetes,
        config: Config,
        identity: &Identity,
    ) -> Self {
        Self { core: Arc::new(Core::new(context, metrics, kubernetes, config, identity)) }
    }
}

impl Deduplicate for Deduplicator {
    fn ingest(&self, signal: Signal, deadline: Monotonic) -> BoxFuture<'_, Result<Accepted, Error>> {
        async move {
            let core = &self.core;
            // A shutdown that begins after the look waits for a worker that is yet to be started.
            let starting = core.tasks.token();
            if core.is_draining() {
                return Err(Error::busy("this replica is shutting down", 1));
            }
            if core.versions.is_beside() {
                return Err(Error::busy(TWO_VERSIONS, 1));
            }
            let fingerprint = signal.fingerprint.clone();
            let (pending, answer) = Pending::new(signal, deadline);
            match core.inboxes.send(pending, core.config.commit.max_queue) {
                Ok(None) => {}
                Ok(Some(inbox)) => core.spawn(Worker::new(Arc::clone(core), fingerprint, inbox).run()),
                Err(Full) => return Err(Error::busy("too many signals of this resource are waiting", 1)),
            }
            drop(starting);
            match core.context.timeout_at(deadline + ANSWER_GRACE, answer).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(Error::Kubernetes("the signal's worker ended before it answered".to_owned())),
                Err(_) => Err(Error::Deadline),
            }
        }
        .boxed()
    }

    /// Starts the tasks that feed the view and collect what crashed replicas left behind.
    fn start(&self) {
        let core = &self.core;
        core.context.spawn(Feed(Arc::clone(core)).run());
        core.context.spawn(Feed(Arc::clone(core)).probe());
        core.context.spawn(collector::run(Arc::clone(core)));
        core.context.spawn(Guard(Arc::clone(core)).run());
        let Core { versions, context, config, .. } = &**core;
        context.spawn(Arc::clone(versions).run(context.clone(), other_version_forgotten_after(config)));
    }

    /// Waits until the view is synchronised.
    fn synced(&self) -> BoxFuture<'_, ()> {
        self.core.view.synced().boxed()
    }

    fn obstacles(&self) -> Vec<Obstacle> {
        let Core { view, versions, .. } = &*self.core;
        vec![
            Obstacle {
                condition: "history",
                reason: "lists of the API servers contradict etcd, which was restored from a backup beneath them: restart \
                         the API servers",
                holds: view.doubt(),
            },
            Obstacle { condition: "versions", reason: TWO_VERSIONS, holds: versions.beside() },
        ]
    }

    /// Ends once all locks and claims are released, too.
    fn shut_down(&self, deadline: Monotonic) -> BoxFuture<'_, bool> {
        async move {
            let core = &self.core;
            core.drain();
            if core.context.timeout_at(deadline, core.tasks.wait()).await.is_err() {
                return false;
            }
            core.lock.release_all();
            while !core.lock.is_idle() {
                if core.context.monotonic() >= deadline {
                    return false;
                }
                core.context.sleep(DRAIN_POLL).await;
            }
            true
        }
        .boxed()
    }
}

/// Why nothing is counted while another version counts.
const TWO_VERSIONS: &str = "another version of the gateway is running in this namespace, and the two must not run side by side: stop one of them";
/// A worker keeps to a signal's deadline by itself and then says what kept it; only one that is busy with another
/// signal of a later deadline is not waited for any longer.
const ANSWER_GRACE: Duration = Duration::from_millis(100);
/// Between two looks at whether a shutdown is done.
const DRAIN_POLL: Duration = Duration::from_millis(5);
