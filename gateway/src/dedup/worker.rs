//! The worker of one lease name: finds or creates the RemediationRequest, then counts what has gathered, in turns.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{
    attempt::{Found, Past},
    collector,
    count::{self, Counter},
    decision::is_older_twin,
    deduplicate::{Accepted, Error, Outcome},
    find::Finder,
    queue::{Head, Pending},
    shared::Shared,
};
use crate::{
    context::Monotonic,
    remediation::{Fingerprint, LeaseName, Record},
};

/// A worker with nothing to do remembers what it knows for this long.
const IDLE: Duration = Duration::from_secs(5);

pub(super) struct Worker<'a> {
    shared: &'a Shared,
    lease: LeaseName,
    arrived: Arc<Notify>,
    counter: Counter<'a>,
    /// What this worker knows beyond the view.
    known: Option<Known>,
    /// Further signals gather until then.
    next_commit: Monotonic,
}

/// The newest version of a RemediationRequest that an answer has shown.
struct Known {
    fingerprint: Fingerprint,
    /// Of the view: when that is dropped, this is.
    epoch: u64,
    record: Option<Arc<Record>>,
    past: Past,
    /// Its first status is not written yet.
    fresh: bool,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared, lease: LeaseName, arrived: Arc<Notify>) -> Self {
        let counter = Counter::new(&shared.core);
        Self { shared, lease, arrived, counter, known: None, next_commit: Monotonic::default() }
    }

    /// Works until nothing has come for a while.
    pub(super) async fn run(mut self) {
        loop {
            while let Some(fingerprint) = self.shared.queues.next(&self.lease) {
                self.serve(&fingerprint).await;
            }
            let is_over = self.shared.is_draining() || self.idle().await;
            if is_over && self.shared.queues.close(&self.lease) {
                return;
            }
        }
    }

    /// Waits for the next signal; tells whether none came.
    async fn idle(&self) -> bool {
        let context = &self.shared.core.context;
        context.timeout(IDLE, self.arrived.notified()).await.is_err()
    }

    /// One turn: find the RemediationRequest, then count on it.
    async fn serve(&mut self, fingerprint: &Fingerprint) {
        // Before the look at what is known: what others write meanwhile is seen.
        self.shared.core.context.sleep_until(self.next_commit).await;
        let epoch = self.shared.core.view.epoch();
        if self.known.as_ref().is_none_or(|known| known.fingerprint != *fingerprint || known.epoch != epoch) {
            let fingerprint = fingerprint.clone();
            self.known = Some(Known { fingerprint, epoch, record: None, past: Past::default(), fresh: false });
        }
        let target = match self.target() {
            Some(target) => target,
            None => {
                let core = &self.shared.core;
                let Some(head) = self.shared.queues.head(&self.lease, || core.next_tag()) else { return };
                match self.find(&head).await {
                    Ok(target) => target,
                    Err(error) => return self.fail_waiting(fingerprint, &error),
                }
            }
        };
        self.commit(fingerprint, target).await;
    }

    /// What is known to count signals now, the newer of the view's and this worker's knowledge.
    fn target(&mut self) -> Option<Arc<Record>> {
        let core = &self.shared.core;
        let known = self.known.as_mut()?;
        let record = known.record.take()?;
        let all = core.view.of(&record.fingerprint);
        let viewed = all.iter().find(|other| other.uid == record.uid);
        // A view that knows the object knows how its predecessors ended: who is active beside it is a twin.
        if viewed.is_some() && all.iter().any(|other| is_older_twin(other, &record)) {
            known.past.floor = known.past.floor.max(record.version);
            return None;
        }
        let newest = match viewed {
            Some(viewed) if viewed.version > record.version => Arc::clone(viewed),
            Some(_) => record,
            None if core.view.version() >= Some(record.version) => return None,
            None => record,
        };
        known.past.floor = known.past.floor.max(newest.version);
        newest.counts_signals(core.context.now()).then_some(newest)
    }

    /// Finds or creates the RemediationRequest of the signal that has waited longest.
    async fn find(&mut self, head: &Head) -> Result<Arc<Record>, Error> {
        let core = &self.shared.core;
        let past = self.known.as_ref().map(|known| known.past.clone()).unwrap_or_default();
        let finder = Finder::new(core, &head.signal, &self.lease, &head.tag, head.deadline);
        match finder.run(past).await? {
            Found::Duplicate { record, claimed } => {
                self.let_go(claimed);
                // It exists after all: a consistent list has refuted the 404.
                if let Some(Known { past, .. }) = &mut self.known {
                    past.gone.take_if(|gone| *gone == record.uid);
                }
                Ok(record)
            }
            Found::NameTaken(name) => {
                tracing::error!(%name, "an object of another fingerprint has the derived name");
                Err(Error::Kubernetes(format!("the name {name} is taken")))
            }
            Found::Created { record, claimed } => {
                if let Some(known) = &mut self.known {
                    known.fresh = true;
                    known.past.floor = known.past.floor.max(record.version);
                }
                self.let_go(claimed);
                self.answer_created(&record);
                Ok(record)
            }
        }
    }

    fn let_go(&self, claimed: Option<Arc<Record>>) {
        if let Some(predecessor) = claimed {
            collector::let_go(Arc::clone(&self.shared.core), predecessor);
        }
    }

    fn answer_created(&self, record: &Record) {
        let Some(creator) = self.shared.queues.pop(&self.lease) else { return };
        let received = creator.signal.received_time;
        let source = creator.signal.source.as_str();
        let core = &self.shared.core;
        core.metrics.crds_created.with_label_values(&[source, "created"]).inc();
        tracing::info!(name = record.name, fingerprint = %record.fingerprint, "RemediationRequest created");
        let accepted = self.accepted(record, Outcome::Created, 1, received, received);
        creator.answer(Ok(accepted));
    }

    fn accepted(
        &self,
        record: &Record,
        outcome: Outcome,
        occurrence_count: i32,
        first_occurrence: Timestamp,
        last_occurrence: Timestamp,
    ) -> Accepted {
        let namespace = self.shared.core.namespace.clone();
        let (name, uid) = (record.name.clone(), Some(record.uid.clone()));
        Accepted { outcome, name, namespace, uid, occurrence_count, first_occurrence, last_occurrence }
    }

    /// Counts on `target` what has gathered by now, or writes its first status.
    async fn commit(&mut self, fingerprint: &Fingerprint, target: Arc<Record>) {
        let core = &self.shared.core;
        let of_it = |pending: &Pending| pending.signal.fingerprint == *fingerprint;
        let batch = self.shared.queues.take(&self.lease, core.config.commit.max_batch, of_it);
        let fresh = self.known.as_mut().is_some_and(|known| std::mem::take(&mut known.fresh));
        if batch.is_empty() && !fresh {
            return self.remember(target);
        }
        let now = core.context.monotonic();
        let timeout = core.config.server.kubernetes_request_timeout;
        let deadline = batch.iter().map(|pending| pending.deadline).max().unwrap_or(now + timeout);
        let received = batch.iter().map(|pending| pending.signal.received_time).max();
        let last_seen = received.unwrap_or_else(|| core.context.now());
        let uid = target.uid.clone();
        match self.counter.count(target, batch.len(), last_seen, deadline).await {
            Ok(count::Outcome::Counted { record, before }) => {
                self.answer_counted(batch, &record, before);
                self.remember(record);
                self.next_commit = core.context.monotonic() + self.counter.linger();
            }
            Ok(count::Outcome::Elsewhere(newest)) => {
                self.shared.queues.put_back(&self.lease, batch);
                if let Some(Known { past, .. }) = &mut self.known {
                    match newest {
                        Some(newest) => past.floor = past.floor.max(newest.version),
                        None => past.gone = Some(uid),
                    }
                }
            }
            Err(error) => self.fail(batch, &error),
        }
    }

    fn remember(&mut self, record: Arc<Record>) {
        if let Some(known) = &mut self.known {
            known.past.floor = known.past.floor.max(record.version);
            known.record = Some(record);
        }
    }

    fn answer_counted(&self, batch: Vec<Pending>, record: &Record, before: i32) {
        let metrics = &self.shared.core.metrics;
        let counted = record.counted.as_ref();
        let mut occurrence = before;
        for pending in batch {
            occurrence = occurrence.saturating_add(1);
            let received = pending.signal.received_time;
            let first = counted.and_then(|c| c.first_seen).unwrap_or(received);
            let last = counted.and_then(|c| c.last_seen).unwrap_or(received);
            metrics.signals_deduplicated.with_label_values(&[pending.signal.source.as_str()]).inc();
            pending.answer(Ok(self.accepted(record, Outcome::Deduplicated, occurrence, first, last)));
        }
    }

    /// A failure of the API fails all that wait: each for itself would only find out the same. A deadline fails those
    /// whose own has come.
    fn fail_waiting(&self, fingerprint: &Fingerprint, error: &Error) {
        let now = self.shared.core.context.monotonic();
        let everyone = matches!(error, Error::Kubernetes(_) | Error::Refused { .. });
        // The one that has waited longest was tried: it must not be tried again and again.
        let tried = self.shared.queues.pop(&self.lease);
        let hit = |p: &Pending| p.signal.fingerprint == *fingerprint && (everyone || p.deadline <= now);
        let failed = self.shared.queues.take(&self.lease, usize::MAX, hit);
        self.fail(tried.into_iter().chain(failed).collect(), error);
    }

    fn fail(&self, batch: Vec<Pending>, error: &Error) {
        let kind = match error {
            Error::Kubernetes(_) => "kubernetes_api",
            Error::Busy { .. } => "busy",
            Error::Refused { .. } => "refused",
            Error::Deadline => "deadline",
        };
        let failures = self.shared.core.metrics.crd_creation_errors.with_label_values(&[kind]);
        for pending in batch {
            failures.inc();
            pending.answer(Err(error.clone()));
        }
    }
}
