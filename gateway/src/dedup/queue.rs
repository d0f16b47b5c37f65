//! Signals that wait for their fingerprint's worker: one worker per lease name, so that within a process "ours" never
//! means two at once.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use super::deduplicate::{Accepted, Error};
use crate::{
    context::Monotonic,
    remediation::{Fingerprint, LeaseName, Signal},
};

/// Lease names worked on at once at most.
const WORKERS_MAX: usize = 100_000;

/// A signal that waits for its answer.
pub(super) struct Pending {
    pub(super) signal: Arc<Signal>,
    pub(super) deadline: Monotonic,
    /// Writer and attempt, once it was tried to create its RemediationRequest: an answer that was lost is recognised.
    pub(super) tag: Option<String>,
    reply: oneshot::Sender<Result<Accepted, Error>>,
}

impl Pending {
    pub(super) fn new(signal: Signal, deadline: Monotonic) -> (Self, oneshot::Receiver<Result<Accepted, Error>>) {
        let (reply, answer) = oneshot::channel();
        (Self { signal: Arc::new(signal), deadline, tag: None, reply }, answer)
    }

    /// Answers; that nobody waits any more is no matter.
    pub(super) fn answer(self, result: Result<Accepted, Error>) {
        let _ = self.reply.send(result);
    }
}

#[derive(Default)]
struct Slot {
    pending: VecDeque<Pending>,
    arrived: Arc<Notify>,
}

/// The queues of all workers.
#[derive(Default)]
pub(super) struct Queues {
    slots: Mutex<BTreeMap<LeaseName, Slot>>,
}

/// Whether a worker must be started for what was just queued.
pub(super) enum Queued {
    /// One runs already.
    Running,
    /// None runs; start one that listens here.
    Start(Arc<Notify>),
}

impl Queues {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<LeaseName, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a signal; gives it back if there is no room.
    pub(super) fn push(&self, lease: &LeaseName, pending: Pending, max_queue: usize) -> Result<Queued, Pending> {
        let mut slots = self.slots();
        let is_full = slots.len() >= WORKERS_MAX;
        match slots.get_mut(lease) {
            Some(slot) if slot.pending.len() >= max_queue => Err(pending),
            Some(slot) => {
                slot.pending.push_back(pending);
                slot.arrived.notify_one();
                Ok(Queued::Running)
            }
            None if is_full => Err(pending),
            None => {
                let mut slot = Slot::default();
                slot.pending.push_back(pending);
                let arrived = Arc::clone(&slot.arrived);
                slots.insert(lease.clone(), slot);
                Ok(Queued::Start(arrived))
            }
        }
    }

    /// Shows the signal that has waited longest, tagged with `tag` if it is not yet.
    pub(super) fn head(&self, lease: &LeaseName, tag: impl FnOnce() -> String) -> Option<Head> {
        let mut slots = self.slots();
        let head = slots.get_mut(lease)?.pending.front_mut()?;
        let tag = head.tag.get_or_insert_with(tag).clone();
        Some(Head { signal: Arc::clone(&head.signal), deadline: head.deadline, tag })
    }

    /// Whose signal has waited longest.
    pub(super) fn next(&self, lease: &LeaseName) -> Option<Fingerprint> {
        let slots = self.slots();
        slots.get(lease)?.pending.front().map(|pending| pending.signal.fingerprint.clone())
    }

    /// Takes the signal that has waited longest.
    pub(super) fn pop(&self, lease: &LeaseName) -> Option<Pending> {
        self.slots().get_mut(lease)?.pending.pop_front()
    }

    /// Takes up to `max` signals for which `wanted` holds, in their order.
    pub(super) fn take(&self, lease: &LeaseName, max: usize, wanted: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(lease) else { return Vec::new() };
        let mut taken = Vec::new();
        let mut left = VecDeque::new();
        for pending in slot.pending.drain(..) {
            if taken.len() < max && wanted(&pending) { taken.push(pending) } else { left.push_back(pending) }
        }
        slot.pending = left;
        taken
    }

    /// Puts signals back to the front, in their order.
    pub(super) fn put_back(&self, lease: &LeaseName, batch: Vec<Pending>) {
        let mut slots = self.slots();
        let slot = slots.entry(lease.clone()).or_default();
        for pending in batch.into_iter().rev() {
            slot.pending.push_front(pending);
        }
    }

    /// Ends the worker of `lease` if nothing waits for it; tells whether it has ended.
    pub(super) fn close(&self, lease: &LeaseName) -> bool {
        let mut slots = self.slots();
        let idle = slots.get(lease).is_none_or(|slot| slot.pending.is_empty());
        if idle {
            slots.remove(lease);
        }
        idle
    }

    /// Drops the queue of `lease` with all that waits in it: nobody will answer.
    pub(super) fn abandon(&self, lease: &LeaseName) {
        self.slots().remove(lease);
    }

    /// Whether no worker runs.
    pub(super) fn is_idle(&self) -> bool {
        self.slots().is_empty()
    }

    /// Wakes all workers, so that those with nothing to do can end.
    pub(super) fn wake(&self) {
        for slot in self.slots().values() {
            slot.arrived.notify_one();
        }
    }
}

/// The signal that has waited longest, while it waits on.
pub(super) struct Head {
    pub(super) signal: Arc<Signal>,
    pub(super) deadline: Monotonic,
    pub(super) tag: String,
}
