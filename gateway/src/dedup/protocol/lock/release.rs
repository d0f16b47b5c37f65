//! Release of a lock: deletes a lease in exactly the version that is ours, and never another.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Preconditions;

use super::{super::Answer, Locks, Now, exactly};
use crate::{config, context::Monotonic, kubernetes::Error, remediation::LeaseName};

/// What to do next.
#[derive(Debug)]
pub(in crate::dedup) enum Effect {
    /// Get the lease.
    Get,
    /// Delete the lease in this version: by construction never one that another holds.
    Delete(Preconditions),
    /// Wait for between a half and the whole of this.
    Pause(Duration),
    /// It is released, or given up after this error.
    Done(Answer<()>),
}

/// What became of the last effect.
#[derive(Debug)]
pub(in crate::dedup) enum Event {
    /// Nothing has been sent yet, or a pause is over.
    Begin,
    Got(Answer<Option<Box<Lease>>>),
    Deleted(Answer<()>),
}

/// The state of one release.
#[derive(Debug)]
pub(in crate::dedup) struct Release {
    name: LeaseName,
    /// The version that was held. Without it the lease is one that this process does not know to hold: of an incarnation
    /// before a restart, or of a create whose answer was lost.
    held: Option<Preconditions>,
    deadline: Monotonic,
    backoff: Duration,
    max_backoff: Duration,
}

impl Release {
    /// A release of the lock `name`, of which `held` was given up, tried until `deadline`.
    pub(in crate::dedup) const fn new(
        name: LeaseName,
        held: Option<Preconditions>,
        config: &config::Lock,
        deadline: Monotonic,
    ) -> Self {
        Self { name, held, deadline, backoff: config.initial_backoff, max_backoff: config.max_backoff }
    }

    /// The next effect after `event`.
    pub(in crate::dedup) fn step(&mut self, event: Event, locks: &Locks, now: Now) -> Effect {
        match (event, &self.held) {
            (Event::Begin, Some(version)) => Effect::Delete(version.clone()),
            (Event::Begin, None) => Effect::Get,
            (Event::Got(Ok(Some(lease))), _) => self.found(lease, locks, now),
            // That it is gone, or another's by now, is success.
            (Event::Got(Ok(None)) | Event::Deleted(Ok(()) | Err(Error::NotFound(_) | Error::Conflict(_))), _) => {
                Effect::Done(Ok(()))
            }
            (Event::Got(Err(error)) | Event::Deleted(Err(error)), _) => self.again(error, now),
        }
    }

    fn found(&mut self, lease: Box<Lease>, locks: &Locks, now: Now) -> Effect {
        let acquired_again = locks.held.contains_key(&self.name);
        if acquired_again || !locks.is_ours(&lease) {
            return Effect::Done(Ok(()));
        }
        // The acquisition may have made this version its own without having heard of it yet.
        if locks.acquiring.contains_key(&self.name) {
            return self.again(Error::Deadline, now);
        }
        Effect::Delete(exactly(lease.metadata))
    }

    fn again(&mut self, error: Error, now: Now) -> Effect {
        let pause = self.backoff;
        if now.monotonic + pause >= self.deadline {
            return Effect::Done(Err(error));
        }
        self.backoff = (pause * 2).min(self.max_backoff);
        Effect::Pause(pause)
    }
}
