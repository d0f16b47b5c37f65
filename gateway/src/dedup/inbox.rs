//! Signals on their way to the worker of their fingerprint: each worker owns its inbox.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tracing::Span;

use super::deduplicate::{Accepted, Error};
use crate::{
    context::Monotonic,
    remediation::{Fingerprint, Signal},
    trace::Scope,
};

/// Workers at once at most.
pub(super) const WORKERS_MAX: usize = 100_000;

/// A signal that waits for its answer.
pub(super) struct Pending {
    pub(super) signal: Arc<Signal>,
    pub(super) deadline: Monotonic,
    /// That of its request: what is logged about it names that.
    pub(super) span: Span,
    /// Of its trace: requests are made in it.
    pub(super) scope: Scope,
    /// Writer and attempt, once it was tried to create its RemediationRequest: an answer that was lost is recognised.
    pub(super) tag: Option<String>,
    reply: oneshot::Sender<Result<Accepted, Error>>,
}

impl Pending {
    pub(super) fn new(signal: Signal, deadline: Monotonic) -> (Box<Self>, oneshot::Receiver<Result<Accepted, Error>>) {
        let (reply, answer) = oneshot::channel();
        let (span, scope) = (Span::current(), Scope::current());
        (Box::new(Self { signal: Arc::new(signal), deadline, span, scope, tag: None, reply }), answer)
    }

    /// Answers; that nobody waits any more is no matter.
    pub(super) fn answer(self, result: Result<Accepted, Error>) {
        let _ = self.reply.send(result);
    }
}

/// What a worker reads. It has room for dozens even while nothing waits: of boxes, each takes a pointer.
pub(super) type Inbox = mpsc::Receiver<Box<Pending>>;

/// The other ends of all workers' inboxes.
#[derive(Default)]
pub(super) struct Inboxes {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    senders: BTreeMap<Fingerprint, mpsc::Sender<Box<Pending>>>,
    /// No more signals are taken.
    is_shut: bool,
}

/// There is no room for a signal, or none is taken any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Inboxes {
    /// Sends a signal to its worker. If there is none, or it has ended as it should not, this is the inbox of another, to
    /// be started.
    pub(super) fn send(&self, pending: Box<Pending>, max_queue: usize) -> Result<Option<Inbox>, Full> {
        let State { senders, is_shut } = &mut *self.state.lock();
        if *is_shut {
            return Err(Full);
        }
        let fingerprint = pending.signal.fingerprint.clone();
        let pending = match senders.get(&fingerprint) {
            Some(sender) => match sender.try_send(pending) {
                Ok(()) => return Ok(None),
                Err(TrySendError::Full(_)) => return Err(Full),
                Err(TrySendError::Closed(pending)) => pending,
            },
            None if senders.len() >= WORKERS_MAX => return Err(Full),
            None => pending,
        };
        let (sender, inbox) = mpsc::channel(max_queue.max(1));
        sender.try_send(pending).map_err(|_| Full)?;
        senders.insert(fingerprint, sender);
        Ok(Some(inbox))
    }

    /// Ends the worker of `fingerprint` if nothing waits for it; tells whether it has ended.
    pub(super) fn close(&self, fingerprint: &Fingerprint, inbox: &Inbox) -> bool {
        let mut state = self.state.lock();
        let is_idle = inbox.is_empty();
        if is_idle {
            state.senders.remove(fingerprint);
        }
        is_idle
    }

    /// Takes no more signals: workers end when they have answered those that wait.
    pub(super) fn shut(&self) {
        let mut state = self.state.lock();
        state.is_shut = true;
        state.senders.clear();
    }
}
