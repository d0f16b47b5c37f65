//! The worker of one fingerprint: finds or creates its RemediationRequest, counts on it what has gathered, and brings its
//! status up afterwards.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    claims,
    deduplicate::{Accepted, Error, Outcome},
    driver,
    inbox::{Inbox, Pending},
    projector,
    protocol::{
        attempt::{Found, Past},
        count::{self, Batch, Cause, Count},
        decision::is_older_twin,
        projection::{Counted, DELAY, Projection},
    },
    shared::Shared,
};
use crate::{
    context::Monotonic,
    remediation::{Counter, Fingerprint, LeaseName, Record},
};

/// A worker with nothing to do remembers what it knows for this long.
const IDLE: Duration = Duration::from_secs(5);
/// A count that takes this long, and more than twice as long as the fastest, has waited for those of other replicas, and the API
/// server has tried it again after each of theirs. Whoever then pauses lets signals gather, so that fewer writes do for all:
/// otherwise the writes of a crowd keep each other slow, long after what slowed them first.
const CROWDED: Duration = Duration::from_millis(20);
/// Pause between two counts at most.
const PAUSE_MAX: Duration = Duration::from_millis(100);

pub(super) struct Worker {
    shared: Arc<Shared>,
    fingerprint: Fingerprint,
    lease: LeaseName,
    inbox: Inbox,
    /// Out of the inbox, not yet answered; a batch at most.
    waiting: VecDeque<Pending>,
    /// Of the view: when that is dropped, so is what this worker knows.
    epoch: u64,
    /// The newest version of its RemediationRequest that an answer has shown.
    known: Option<Arc<Record>>,
    /// What answers have shown beyond the view.
    past: Past,
    projection: Projection,
    /// Held by the projection under way, if there is one.
    projecting: Arc<()>,
    /// Further signals gather until then.
    next_batch: Monotonic,
    /// What a count takes at least: the way to the API server and back.
    fastest: Duration,
}

/// What ends a wait.
enum Woken {
    Arrived(Pending),
    Due,
    Over,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, fingerprint: Fingerprint, inbox: Inbox) -> Self {
        Self {
            lease: LeaseName::of(&fingerprint),
            shared,
            fingerprint,
            inbox,
            waiting: VecDeque::new(),
            epoch: 0,
            known: None,
            past: Past::default(),
            projection: Projection::default(),
            projecting: Arc::new(()),
            next_batch: Monotonic::default(),
            fastest: Duration::MAX,
        }
    }

    /// Works until nothing has come for a while.
    pub(super) async fn run(mut self) {
        loop {
            self.gather();
            if !self.waiting.is_empty() {
                self.serve().await;
            }
            let now = self.shared.core.context.monotonic();
            let is_over = self.shared.is_draining() && self.inbox.is_empty() && self.waiting.is_empty();
            if self.projection.due().is_some_and(|due| due <= now) {
                self.project(false);
            }
            // Twice at most: once for a look at whether another replica does it.
            while is_over && self.projection.due().is_some() {
                self.project(true);
            }
            if !self.waiting.is_empty() || !self.inbox.is_empty() {
                continue;
            }
            match self.wait().await {
                Woken::Arrived(pending) => self.waiting.push_back(pending),
                Woken::Due => {}
                Woken::Over if self.projection.due().is_none() && self.close() => return,
                Woken::Over => {}
            }
        }
    }

    /// Ends if nothing waits; tells whether it has ended.
    fn close(&self) -> bool {
        self.shared.inboxes.close(&self.fingerprint, &self.inbox)
    }

    /// Takes out of the inbox what fits into a batch.
    fn gather(&mut self) {
        while self.waiting.len() < self.shared.core.config.commit.max_batch {
            let Ok(pending) = self.inbox.try_recv() else { return };
            self.waiting.push_back(pending);
        }
    }

    /// Waits for the next signal, or until a projection is due, or for long enough.
    async fn wait(&mut self) -> Woken {
        let context = &self.shared.core.context;
        let idle_until = context.monotonic() + IDLE;
        let due = self.projection.due();
        let until = due.unwrap_or(idle_until);
        match context.timeout_at(until, self.inbox.recv()).await {
            Ok(Some(pending)) => Woken::Arrived(pending),
            // No more will come.
            Ok(None) => Woken::Over,
            Err(_) if due.is_some() => Woken::Due,
            Err(_) => Woken::Over,
        }
    }

    /// One turn: find the RemediationRequest, then count on it.
    async fn serve(&mut self) {
        // Before the look at what is known: what others write meanwhile is seen.
        self.shared.core.context.sleep_until(self.next_batch).await;
        let epoch = self.shared.core.view.epoch();
        if self.epoch != epoch {
            (self.epoch, self.known, self.past) = (epoch, None, Past::default());
        }
        let target = match self.target() {
            Some(target) => target,
            None => match self.find().await {
                Ok(Some(target)) => target,
                Ok(None) => return,
                Err(error) => return self.fail_waiting(&error),
            },
        };
        self.gather();
        if self.waiting.is_empty() {
            self.known = Some(target);
        } else {
            self.count(target).await;
        }
    }

    /// What is known to count signals now, the newer of the view's and this worker's knowledge.
    fn target(&mut self) -> Option<Arc<Record>> {
        let core = &self.shared.core;
        let record = self.known.take()?;
        let all = core.view.of(&self.fingerprint);
        let viewed = all.iter().find(|other| other.uid == record.uid);
        // A view that knows the object knows how its predecessors ended: who is active beside it is a twin.
        if viewed.is_some() && all.iter().any(|other| is_older_twin(other, &record)) {
            self.past.floor = self.past.floor.max(record.version);
            return None;
        }
        let newest = match viewed {
            Some(viewed) if viewed.version > record.version => Arc::clone(viewed),
            Some(_) => record,
            None if core.view.version() >= Some(record.version) => return None,
            None => record,
        };
        self.past.floor = self.past.floor.max(newest.version);
        newest.counts_signals(core.context.now()).then_some(newest)
    }

    /// Finds or creates the RemediationRequest of the signal that has waited longest, and answers that if it created it.
    async fn find(&mut self) -> Result<Option<Arc<Record>>, Error> {
        let core = &self.shared.core;
        let Some(head) = self.waiting.front_mut() else { return Ok(None) };
        let tag = head.tag.get_or_insert_with(|| core.next_tag()).clone();
        let (signal, deadline) = (Arc::clone(&head.signal), head.deadline);
        match driver::find(core, &signal, &self.lease, &tag, self.past.clone(), deadline).await? {
            Found::Duplicate { record, claimed } => {
                self.release_claim(claimed);
                // It exists after all: a consistent list has refuted the 404.
                self.past.gone.take_if(|gone| *gone == record.uid);
                Ok(Some(record))
            }
            Found::InDoubt { claimed } => {
                self.release_claim(claimed);
                core.metrics.counts_indeterminate.with_label_values(&[Cause::Tampered.as_str()]).inc();
                let reason = "it is not known whether the signal was counted: an annotation was removed";
                Err(Error::Busy { reason, retry_after: Duration::from_secs(1) })
            }
            Found::NameTaken(name) => {
                tracing::error!(%name, "an object of another fingerprint has the derived name");
                Err(Error::Kubernetes(format!("the name {name} is taken")))
            }
            Found::Created { record, claimed } => {
                self.past.floor = self.past.floor.max(record.version);
                self.release_claim(claimed);
                self.answer_created(&record);
                Ok(Some(record))
            }
        }
    }

    fn release_claim(&self, claimed: Option<Arc<Record>>) {
        if let Some(predecessor) = claimed {
            claims::release_in_background(&self.shared.core, predecessor);
        }
    }

    fn answer_created(&mut self, record: &Arc<Record>) {
        let Some(creator) = self.waiting.pop_front() else { return };
        let received = creator.signal.received_time;
        let core = &self.shared.core;
        core.metrics.crds_created.with_label_values(&[creator.signal.source.as_str(), "created"]).inc();
        tracing::info!(name = record.name, fingerprint = %record.fingerprint, "RemediationRequest created");
        let accepted = self.accepted(record, Outcome::Created, 1, received, received);
        creator.answer(Ok(accepted));
        // The first status tells of it, at once unless more is being counted.
        let now = core.context.monotonic();
        self.note(record, Counted { total: 1, first_seen: received, last_seen: received }, now);
    }

    fn accepted(
        &self,
        record: &Record,
        outcome: Outcome,
        occurrence: u64,
        first_occurrence: Timestamp,
        last_occurrence: Timestamp,
    ) -> Accepted {
        let namespace = self.shared.core.namespace.clone();
        let (name, uid) = (record.name.clone(), Some(record.uid.clone()));
        let occurrence_count = i32::try_from(occurrence).unwrap_or(i32::MAX);
        Accepted { outcome, name, namespace, uid, occurrence_count, first_occurrence, last_occurrence }
    }

    /// Counts on `target` what waits.
    async fn count(&mut self, target: Arc<Record>) {
        let core = &self.shared.core;
        let batch: Vec<Pending> = self.waiting.drain(..).collect();
        let now = core.context.monotonic();
        let size = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let newest = batch.iter().map(|pending| pending.signal.received_time).max();
        let Some(deadline) = batch.iter().map(|pending| pending.deadline).max() else { return };
        core.metrics.commit_batch_size.observe(size as f64);
        let own = core.registers.of(&target);
        let newest = newest.unwrap_or_else(|| core.context.now());
        let first_sequence = core.next_sequences();
        let mut machine = Count::new(
            Arc::clone(&target),
            core.store.boot().clone(),
            own,
            Batch { size, newest, deadline, first_sequence },
            core.config.processing.retry.clone(),
        );
        let outcome = driver::count(core, &mut machine, &target, deadline).await;
        core.registers.remember(&target.uid, machine.own());
        let took = core.context.monotonic().since(now);
        self.fastest = self.fastest.min(took);
        let crowded = took >= CROWDED;
        let pause = if crowded { took.saturating_sub(2 * self.fastest).min(PAUSE_MAX) } else { Duration::ZERO };
        self.next_batch = now + core.config.commit.min_linger.max(took + pause);
        match outcome {
            count::Outcome::Counted { record, counter } => self.counted(batch, record, &counter),
            count::Outcome::TargetClosed { newest, taken_back } => {
                if taken_back {
                    core.metrics.counts_taken_back.inc();
                }
                for pending in batch.into_iter().rev() {
                    self.waiting.push_front(pending);
                }
                match newest {
                    Some(newest) => self.past.floor = self.past.floor.max(newest.version),
                    None => self.past.gone = Some(target.uid.clone()),
                }
            }
            count::Outcome::Late => self.fail(batch, &Error::Deadline),
            count::Outcome::Refused(error) => {
                let error = core.refused(driver::COUNT, &error);
                self.fail(batch, &error);
            }
            count::Outcome::Indeterminate(cause) => {
                core.metrics.counts_indeterminate.with_label_values(&[cause.as_str()]).inc();
                if cause == Cause::Tampered {
                    tracing::error!(name = target.name, "the counter was changed or removed by another hand");
                }
                let reason = "the signal's count could not be settled in time";
                self.fail(batch, &Error::Busy { reason, retry_after: Duration::from_secs(1) });
            }
        }
    }

    fn counted(&mut self, batch: Vec<Pending>, record: Arc<Record>, counter: &Counter) {
        let core = &self.shared.core;
        let counted = Counted::of(counter, &record, core.context.now());
        let Counted { total, first_seen, last_seen } = counted;
        let mut occurrence = total.saturating_sub(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        for pending in batch {
            occurrence = occurrence.saturating_add(1);
            core.metrics.signals_deduplicated.with_label_values(&[pending.signal.source.as_str()]).inc();
            pending.answer(Ok(self.accepted(&record, Outcome::Deduplicated, occurrence, first_seen, last_seen)));
        }
        let soon = self.soon();
        self.note(&record, counted, soon);
        self.past.floor = self.past.floor.max(record.version);
        self.known = Some(record);
    }

    /// When a count of now is projected.
    fn soon(&self) -> Monotonic {
        let context = &self.shared.core.context;
        context.monotonic() + context.jitter(DELAY.0, DELAY.1)
    }

    /// Has `counted` projected at `due`. What was counted on another object is projected now.
    fn note(&mut self, record: &Arc<Record>, counted: Counted, due: Monotonic) {
        if let Some((other, counted)) = self.projection.counted(record, counted, due) {
            self.write_status(other, counted);
        }
    }

    /// Brings the status up if it is due; `at_once` if this worker ends.
    fn project(&mut self, at_once: bool) {
        let core = &self.shared.core;
        if self.projection.record().is_some_and(|record| core.view.knows_gone(record)) {
            return self.projection = Projection::default();
        }
        let again = self.soon();
        let is_under_way = Arc::strong_count(&self.projecting) > 1;
        if is_under_way && !at_once {
            return self.projection.postpone(again);
        }
        if let Some((record, counted)) = self.projection.take(|uid| core.view.by_uid(uid), again) {
            self.write_status(record, counted);
        }
    }

    fn write_status(&self, record: Arc<Record>, counted: Counted) {
        let (core, under_way) = (Arc::clone(&self.shared.core), Arc::clone(&self.projecting));
        self.shared.spawn(async move {
            projector::project(&core, record, counted).await;
            drop(under_way);
        });
    }

    /// A failure of the API fails all that wait: each for itself would only find out the same. A refusal may be about what one of
    /// them says. A deadline fails those whose own has come.
    fn fail_waiting(&mut self, error: &Error) {
        let now = self.shared.core.context.monotonic();
        let everyone = matches!(error, Error::Kubernetes(_));
        if everyone {
            while let Ok(pending) = self.inbox.try_recv() {
                self.waiting.push_back(pending);
            }
        }
        // The one that has waited longest was tried: it must not be tried again and again.
        let tried = self.waiting.pop_front();
        let (failed, left): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|pending| everyone || pending.deadline <= now);
        self.waiting = left.into();
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
