//! The lock: a Lease per key, acquired and released by any replica.
//!
//! The lock makes it cheap that one replica creates a RemediationRequest; it cannot make it true, because a holder may
//! wake up after its lease has expired. The fence does that. What to do next is decided in [`super::protocol::lock`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::api::Preconditions;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::{
    protocol::{
        Now,
        lock::{
            Locks,
            acquire::{self, Acquire, Outcome},
            release::{self, Release},
        },
    },
    store::leases::Leases,
};
use crate::{
    config,
    context::{Context, Monotonic},
    kubernetes::{Error, Kubernetes},
    metrics::Metrics,
    remediation::LeaseName,
};

pub use super::protocol::lock::{Acquisition, Holder};

/// Acquires and releases locks of one namespace under one identity; cheap to clone.
#[derive(Clone)]
pub struct LockManager {
    shared: Arc<Shared>,
}

struct Shared {
    leases: Leases,
    context: Context,
    metrics: Metrics,
    config: config::Lock,
    locks: Mutex<Locks>,
    /// Releases in the background.
    releases: TaskTracker,
}

impl LockManager {
    /// Locks are leases in `namespace`.
    pub fn new(
        kubernetes: Kubernetes,
        context: Context,
        metrics: Metrics,
        namespace: &str,
        holder: Holder,
        config: config::Lock,
    ) -> Self {
        let locks = Mutex::new(Locks::new(holder, config.clone()));
        let leases = Leases::new(kubernetes, namespace);
        let releases = TaskTracker::new();
        Self { shared: Arc::new(Shared { leases, context, metrics, config, locks, releases }) }
    }

    fn locks(&self) -> MutexGuard<'_, Locks> {
        self.shared.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests for leases.
    pub(super) fn leases(&self) -> &Leases {
        &self.shared.leases
    }

    /// Tries once to acquire the lock `name`.
    ///
    /// # Errors
    /// If the API server could not be asked; that another holds the lock, or was faster, is no error. Each error is
    /// counted and logged once. The lease may have been created all the same: it is then released in the background.
    pub async fn acquire(&self, name: &LeaseName, deadline: Monotonic) -> Result<Acquisition, Error> {
        let under_way = Acquiring::begin(self, name);
        let mut in_doubt = false;
        let outcome = self.try_acquire(name, deadline, &mut in_doubt).await;
        drop(under_way);
        let Shared { metrics, .. } = &*self.shared;
        match &outcome {
            Outcome::Acquired { from: None } => {}
            Outcome::Acquired { from: Some(from) } => {
                metrics.lock_takeovers.inc();
                tracing::info!(lease = %name, from, "expired lease taken over");
            }
            Outcome::Contended => metrics.lock_contention.inc(),
            Outcome::Failed(error) => {
                metrics.lock_acquisition_failures.inc();
                tracing::error!(lease = %name, %error, hint = hint(error), "lock acquisition failed");
            }
        }
        if in_doubt && !matches!(outcome, Outcome::Acquired { .. }) {
            // What was held before may be what was replaced without an answer.
            self.give_up(name);
            self.look_in_background(name);
        }
        outcome.acquisition()
    }

    /// Notes whether a write is `in_doubt`, if only the first of its tries.
    async fn try_acquire(&self, name: &LeaseName, deadline: Monotonic, in_doubt: &mut bool) -> Outcome {
        use acquire::{Effect, Event};
        let Shared { leases, context, .. } = &*self.shared;
        let mut machine = Acquire::new(name.clone());
        let mut event = Event::Begin;
        loop {
            let effect = machine.step(event, &mut self.locks(), Now::of(context));
            event = match effect {
                Effect::Create(lease) => Event::Created(leases.create(&lease, deadline, in_doubt).await),
                Effect::Get => Event::Got(leases.get(name, deadline).await),
                Effect::Replace(lease) => Event::Replaced(leases.replace(name, &lease, deadline, in_doubt).await),
                Effect::Done(outcome) => return outcome,
            };
        }
    }

    /// Releases the lock `name`: deletes the lease if it is ours, in the version that is ours. That it is gone, or
    /// another's by now, is success.
    ///
    /// # Errors
    /// If the API server could not be asked, to the end of `deadline`.
    pub async fn release(&self, name: &LeaseName, deadline: Monotonic) -> Result<(), Error> {
        self.release_until(name, self.give_up(name), deadline).await
    }

    /// Releases the lock `name` off the critical path, with a time budget of its own.
    pub fn release_in_background(&self, name: &LeaseName) {
        let Some(held) = self.give_up(name) else { return self.look_in_background(name) };
        let (manager, name) = (self.clone(), name.clone());
        self.in_background(async move { manager.try_release(&name, Some(held)).await });
    }

    /// Deletes the lease `name` if it is ours although this process does not hold it. One task looks for it, however many
    /// acquisitions are in doubt: while the API server refuses connections, every one of them is.
    fn look_in_background(&self, name: &LeaseName) {
        if !self.locks().doubt(name) {
            return;
        }
        let (manager, name) = (self.clone(), name.clone());
        self.in_background(async move {
            let Shared { context, config, .. } = &*manager.shared;
            loop {
                manager.try_release(&name, None).await;
                if manager.locks().looked(&name) {
                    return;
                }
                context.sleep(context.jitter(config.initial_backoff / 2, config.initial_backoff)).await;
            }
        });
    }

    async fn try_release(&self, name: &LeaseName, held: Option<Preconditions>) {
        let deadline = self.shared.context.monotonic() + self.shared.config.release_timeout;
        if let Err(error) = self.release_until(name, held, deadline).await {
            tracing::warn!(lease = %name, %error, "a lease could not be released; the collector will delete it");
        }
    }

    fn in_background(&self, release: impl Future<Output = ()> + Send + 'static) {
        let release = self.shared.releases.track_future(release);
        self.shared.context.spawn(release.in_current_span());
    }

    /// From here on the lock `name` is not held any more; the version that was, if any.
    fn give_up(&self, name: &LeaseName) -> Option<Preconditions> {
        let Shared { context, metrics, .. } = &*self.shared;
        let (held, held_for) = self.locks().take(name, Now::of(context))?;
        metrics.lock_hold_seconds.observe(held_for.as_secs_f64());
        Some(held)
    }

    async fn release_until(
        &self,
        name: &LeaseName,
        held: Option<Preconditions>,
        deadline: Monotonic,
    ) -> Result<(), Error> {
        use release::{Effect, Event};
        let Shared { leases, context, config, .. } = &*self.shared;
        let mut machine = Release::new(name.clone(), held, config, deadline);
        let mut event = Event::Begin;
        loop {
            let effect = machine.step(event, &self.locks(), Now::of(context));
            event = match effect {
                Effect::Get => Event::Got(leases.get(name, deadline).await),
                Effect::Delete(version) => Event::Deleted(leases.delete(name.as_str(), version, deadline).await),
                Effect::Pause(pause) => {
                    context.sleep(context.jitter(pause / 2, pause)).await;
                    Event::Begin
                }
                Effect::Done(result) => return result,
            };
        }
    }

    /// Whether nothing is held and no release is under way.
    pub fn is_idle(&self) -> bool {
        self.locks().held().next().is_none() && self.shared.releases.is_empty()
    }

    /// Starts the release of everything held.
    pub fn release_all(&self) {
        let held: Vec<LeaseName> = self.locks().held().cloned().collect();
        for name in held {
            self.release_in_background(&name);
        }
    }
}

/// Notes that an acquisition is under way, until dropped.
struct Acquiring<'a> {
    manager: &'a LockManager,
    name: &'a LeaseName,
}

impl<'a> Acquiring<'a> {
    fn begin(manager: &'a LockManager, name: &'a LeaseName) -> Self {
        manager.locks().begun(name);
        Self { manager, name }
    }
}

impl Drop for Acquiring<'_> {
    fn drop(&mut self) {
        self.manager.locks().ended(self.name);
    }
}

fn hint(error: &Error) -> &'static str {
    match error {
        Error::Forbidden(_) => "the gateway's Role needs get, create, update, delete and list on leases",
        Error::Unreachable(_) | Error::Deadline => "is the Kubernetes API server up and reachable from this pod?",
        Error::NotFound(_) => "does the gateway's namespace exist?",
        _ => "see the Kubernetes API server's log",
    }
}
