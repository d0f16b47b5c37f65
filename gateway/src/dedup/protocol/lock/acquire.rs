//! One try to acquire a lock: three requests at most.

use k8s_openapi::api::coordination::v1::Lease;

use super::{super::Answer, Acquisition, Locks, Now, holder_of};
use crate::{kubernetes::Error, remediation::LeaseName};

/// What to do next.
#[derive(Debug)]
pub(in crate::dedup) enum Effect {
    /// Create this lease.
    Create(Lease),
    /// Get the lease.
    Get,
    /// Replace the lease in the version that this one carries.
    Replace(Lease),
    /// It is over.
    Done(Outcome),
}

/// What became of the last effect.
#[derive(Debug)]
pub(in crate::dedup) enum Event {
    Begin,
    Created(Answer<Lease>),
    Got(Answer<Option<Box<Lease>>>),
    Replaced(Answer<Lease>),
}

/// How it ended.
#[derive(Debug)]
pub(in crate::dedup) enum Outcome {
    /// The lock is ours; it was taken over from this holder, if it had expired in the hands of another.
    Acquired { from: Option<String> },
    /// Another holds it or was faster, unless a write was in doubt: it may be ours, too, then.
    Contended,
    /// The API server could not be asked. The lock may be ours if a write was in doubt.
    Failed(Error),
}

impl Outcome {
    /// As the one who asked for the lock sees it.
    pub(in crate::dedup) fn acquisition(self) -> Answer<Acquisition> {
        match self {
            Self::Acquired { .. } => Ok(Acquisition::Acquired),
            Self::Contended => Ok(Acquisition::Contended),
            Self::Failed(error) => Err(error),
        }
    }
}

/// The state of one try.
#[derive(Debug)]
pub(in crate::dedup) struct Acquire {
    name: LeaseName,
    /// Whether the lease was asked for: a conflict after that is somebody who was faster.
    asked: bool,
    /// Who held the expired lease that is being replaced, if it was another.
    from: Option<String>,
}

impl Acquire {
    /// A try for the lock `name`.
    pub(in crate::dedup) const fn new(name: LeaseName) -> Self {
        Self { name, asked: false, from: None }
    }

    /// The next effect after `event`.
    pub(in crate::dedup) fn step(&mut self, event: Event, locks: &mut Locks, now: Now) -> Effect {
        match event {
            Event::Begin => {
                // A lease of another was there a moment ago (at the try before this one): ask for it rather than for a conflict.
                let a_moment_ago = now.monotonic - 2 * locks.config.max_backoff;
                if locks.others.was_there(self.name.as_str(), a_moment_ago) {
                    return self.get();
                }
                Effect::Create(locks.desired(&self.name, None, now))
            }
            Event::Created(Err(Error::AlreadyExists(_))) if !self.asked => self.get(),
            Event::Created(Err(Error::AlreadyExists(_)))
            | Event::Replaced(Err(Error::Conflict(_) | Error::NotFound(_))) => CONTENDED,
            Event::Got(Ok(None)) => {
                locks.others.forget(self.name.as_str());
                Effect::Create(locks.desired(&self.name, None, now))
            }
            Event::Got(Ok(Some(lease))) => self.judge(&lease, locks, now),
            Event::Created(Ok(lease)) | Event::Replaced(Ok(lease)) => {
                locks.hold(&self.name, lease, now);
                Effect::Done(Outcome::Acquired { from: self.from.take() })
            }
            Event::Created(Err(error)) | Event::Replaced(Err(error)) | Event::Got(Err(error)) => {
                Effect::Done(Outcome::Failed(error))
            }
        }
    }

    fn get(&mut self) -> Effect {
        self.asked = true;
        Effect::Get
    }

    /// Decides on a lease that exists: ours, another's and valid, or to be taken over.
    fn judge(&mut self, lease: &Lease, locks: &mut Locks, now: Now) -> Effect {
        let ours = locks.is_ours(lease);
        if ours && locks.holds(&self.name, lease, now) {
            return Effect::Done(Outcome::Acquired { from: None });
        }
        let expired = locks.others.is_expired(lease, now, &locks.config);
        if !ours && !expired {
            return CONTENDED;
        }
        // Ours, but of an incarnation before a restart, expired, or about to be released: a new version makes it ours.
        self.from = (!ours).then(|| holder_of(lease).unwrap_or("nobody").to_owned());
        Effect::Replace(locks.desired(&self.name, Some(lease), now))
    }
}

const CONTENDED: Effect = Effect::Done(Outcome::Contended);
