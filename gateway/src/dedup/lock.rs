//! The lock: a Lease per key, acquired and released by any replica.
//!
//! The lock makes it cheap that one replica creates a RemediationRequest; it cannot make it true, because a holder may
//! wake up after its lease has expired. The fence does that. What follows from a lease that is there is decided in
//! [`super::protocol::lock`].

use std::{ops::ControlFlow, sync::Arc};

use kube::api::Preconditions;
use parking_lot::{Mutex, MutexGuard};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::{
    protocol::{Answer, Now, lock::Locks},
    store::leases::Leases,
};
use crate::{
    config::{self, Identity},
    context::{Context, Monotonic},
    kubernetes::{Error, Kubernetes},
    metrics::Metrics,
    remediation::LeaseName,
};

pub use super::protocol::lock::Acquisition;

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
    /// Releases in the background, of claims too.
    releases: TaskTracker,
}

impl LockManager {
    /// Locks are leases in the namespace of the pod of `identity`, which holds them.
    pub fn new(
        kubernetes: Kubernetes,
        context: Context,
        metrics: Metrics,
        identity: &Identity,
        config: config::Lock,
    ) -> Self {
        let locks = Mutex::new(Locks::new(identity.clone(), config.clone()));
        let leases = Leases::new(kubernetes, &identity.pod_namespace);
        let releases = TaskTracker::new();
        Self { shared: Arc::new(Shared { leases, context, metrics, config, locks, releases }) }
    }

    fn locks(&self) -> MutexGuard<'_, Locks> {
        self.shared.locks.lock()
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
        self.locks().begun(name);
        let under_way = Acquiring(self, name);
        let mut in_doubt = false;
        let outcome = self.try_acquire(name, deadline, &mut in_doubt).await;
        drop(under_way);
        let Shared { metrics, .. } = &*self.shared;
        match &outcome {
            Ok((Acquisition::Acquired, None)) => {}
            Ok((Acquisition::Acquired, Some(from))) => {
                metrics.lock_takeovers.inc();
                tracing::info!(lease = %name, from, "expired lease taken over");
            }
            Ok((Acquisition::Contended, _)) => metrics.lock_contention.inc(),
            Err(error) => {
                metrics.lock_acquisition_failures.inc();
                tracing::error!(lease = %name, %error, hint = hint(error), "lock acquisition failed");
            }
        }
        if in_doubt && !matches!(outcome, Ok((Acquisition::Acquired, _))) {
            // What was held before may be what was replaced without an answer.
            self.give_up(name);
            self.look_in_background(name);
        }
        outcome.map(|(acquisition, _)| acquisition)
    }

    /// Sends three requests at most. Notes whether a write is `in_doubt`, if only the first of its tries. With the lock comes whom
    /// it was taken over from, if it had expired in the hands of another.
    async fn try_acquire(
        &self,
        name: &LeaseName,
        deadline: Monotonic,
        in_doubt: &mut bool,
    ) -> Answer<(Acquisition, Option<String>)> {
        let Shared { leases, context, .. } = &*self.shared;
        // A create would only meet a conflict, and this would be asked all the same.
        let ask_first = self.locks().was_there(name, Now::of(context));
        if !ask_first && self.create(name, deadline, in_doubt).await? {
            return Ok((Acquisition::Acquired, None));
        }
        let Some(lease) = leases.get(name, deadline).await? else {
            self.locks().forget(name);
            let is_ours = self.create(name, deadline, in_doubt).await?;
            return Ok((if is_ours { Acquisition::Acquired } else { Acquisition::Contended }, None));
        };
        let judgement = self.locks().judge(name, &lease, Now::of(context));
        let (desired, from) = match judgement {
            ControlFlow::Break(decided) => return Ok((decided, None)),
            ControlFlow::Continue(desired) => desired,
        };
        match leases.replace(name, &desired, deadline, in_doubt).await {
            Err(Error::Conflict(_) | Error::NotFound(_)) => Ok((Acquisition::Contended, None)),
            replaced => {
                self.locks().hold(name, replaced?, Now::of(context));
                Ok((Acquisition::Acquired, from))
            }
        }
    }

    /// Creates the lease `name`; false if somebody else was faster.
    async fn create(&self, name: &LeaseName, deadline: Monotonic, in_doubt: &mut bool) -> Answer<bool> {
        let Shared { leases, context, .. } = &*self.shared;
        let desired = self.locks().desired(name, None, Now::of(context));
        match leases.create(&desired, deadline, in_doubt).await {
            // Or the quota is written by others at the same time.
            Err(Error::AlreadyExists(_) | Error::Conflict(_)) => Ok(false),
            created => {
                self.locks().hold(name, created?, Now::of(context));
                Ok(true)
            }
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

    /// Runs `release`, of a lock or a claim, off the critical path: a shutdown waits for it.
    pub(super) fn in_background(&self, release: impl Future<Output = ()> + Send + 'static) {
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

    async fn release_until(&self, name: &LeaseName, held: Option<Preconditions>, deadline: Monotonic) -> Answer<()> {
        let Shared { context, config, .. } = &*self.shared;
        let mut backoff = config.initial_backoff;
        loop {
            let Err(error) = self.release_once(name, held.clone(), deadline).await else { return Ok(()) };
            if context.monotonic() + backoff >= deadline {
                return Err(error);
            }
            context.sleep(context.jitter(backoff / 2, backoff)).await;
            backoff = (backoff * 2).min(config.max_backoff);
        }
    }

    /// Deletes the lease in the version that was `held`. Without one it is a lease that this process does not know to hold: of an
    /// incarnation before a restart, or of a create whose answer was lost.
    async fn release_once(&self, name: &LeaseName, held: Option<Preconditions>, deadline: Monotonic) -> Answer<()> {
        let Shared { leases, .. } = &*self.shared;
        let version = match held {
            Some(version) => version,
            None => {
                let Some(lease) = leases.get(name, deadline).await? else { return Ok(()) };
                let Some(version) = self.locks().unheard(name, lease)? else { return Ok(()) };
                version
            }
        };
        match leases.delete(name.as_str(), version, deadline).await {
            // That it is gone, or another's by now, is success.
            Err(Error::NotFound(_) | Error::Conflict(_)) => Ok(()),
            deleted => deleted,
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
struct Acquiring<'a>(&'a LockManager, &'a LeaseName);

impl Drop for Acquiring<'_> {
    fn drop(&mut self) {
        self.0.locks().ended(self.1);
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
