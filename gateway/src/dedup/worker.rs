//! The worker of one fingerprint: finds or creates its RemediationRequest, counts on it what has gathered, and brings its
//! status up afterwards.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tracing::Instrument as _;

use self::pace::Pace;
use super::{
    claims,
    core::Core,
    deduplicate::{Accepted, Error, Outcome},
    driver,
    inbox::{Inbox, Pending},
    protocol::{
        attempt::{Found, Past},
        count::Cause,
        decision::is_older_twin,
        projection::{Counted, Due, Projection},
    },
};
use crate::remediation::{Fingerprint, LeaseName, Record, TargetResource};

mod counting;
mod pace;
mod status;

/// A worker with nothing to do remembers what it knows for this long.
const IDLE: Duration = Duration::from_secs(5);

pub(super) struct Worker {
    core: Arc<Core>,
    fingerprint: Fingerprint,
    lease: LeaseName,
    inbox: Inbox,
    /// Out of the inbox, not yet answered; a batch at most.
    waiting: VecDeque<Box<Pending>>,
    /// Of the view: when that is dropped, so is what this worker knows.
    epoch: u64,
    /// The newest version of its RemediationRequest that an answer has shown.
    known: Option<Arc<Record>>,
    /// What answers have shown beyond the view.
    past: Past,
    projection: Projection,
    /// Held by the projection under way, if there is one.
    projecting: Arc<()>,
    pace: Pace,
}

impl Worker {
    pub(super) fn new(core: Arc<Core>, fingerprint: Fingerprint, inbox: Inbox) -> Self {
        Self {
            lease: LeaseName::of(&fingerprint),
            core,
            fingerprint,
            inbox,
            waiting: VecDeque::new(),
            epoch: 0,
            known: None,
            past: Past::default(),
            projection: Projection::default(),
            projecting: Arc::new(()),
            pace: Pace::default(),
        }
    }

    /// Works until nothing has come for a while.
    pub(super) async fn run(mut self) {
        loop {
            self.gather();
            if !self.waiting.is_empty() {
                // What it takes to serve is given back: most workers wait, and there are many.
                self.serve().boxed().await;
            }
            let now = self.core.context.monotonic();
            let is_over = self.core.is_draining() && self.inbox.is_empty() && self.waiting.is_empty();
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
            if self.wait().await && self.core.inboxes.close(&self.fingerprint, &self.inbox) {
                return;
            }
        }
    }

    /// Takes out of the inbox what fits into a batch.
    fn gather(&mut self) {
        while self.waiting.len() < self.core.config.commit.max_batch {
            let Ok(pending) = self.inbox.try_recv() else { return };
            self.waiting.push_back(pending);
        }
    }

    /// Waits for the next signal, or until a projection is due, or for long enough; tells whether nothing is left to do.
    async fn wait(&mut self) -> bool {
        let context = &self.core.context;
        let due = self.projection.due();
        let until = due.unwrap_or_else(|| context.monotonic() + IDLE);
        match context.timeout_at(until, self.inbox.recv()).await {
            Ok(Some(pending)) => {
                self.waiting.push_back(pending);
                false
            }
            // No more will come, or none has.
            Ok(None) | Err(_) => due.is_none(),
        }
    }

    /// One turn: find the RemediationRequest, then count on it.
    async fn serve(&mut self) {
        // Before the look at what is known: what others write meanwhile is seen.
        self.core.context.sleep_until(self.pace.next_batch()).await;
        let epoch = self.core.view.epoch();
        if self.epoch != epoch {
            (self.epoch, self.known, self.past) = (epoch, None, Past::default());
            self.projection = Projection::default();
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
        let core = &self.core;
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
        // One that is active comes before one that only suppresses signals, also where it came later.
        let is_active_beside = |other: &Arc<Record>| other.uid != newest.uid && other.is_active();
        if viewed.is_some() && !newest.is_active() && all.iter().any(is_active_beside) {
            return None;
        }
        newest.counts_signals(core.context.now()).then_some(newest)
    }

    /// Finds or creates the RemediationRequest of the signal that has waited longest, and answers that if it created it.
    async fn find(&mut self) -> Result<Option<Arc<Record>>, Error> {
        let core = &self.core;
        let Some(head) = self.waiting.front_mut() else { return Ok(None) };
        let tag = head.tag.get_or_insert_with(|| core.next_tag()).clone();
        let (signal, deadline, span) = (Arc::clone(&head.signal), head.deadline, head.span.clone());
        let finding = driver::find(core, &signal, &self.lease, &tag, self.past.clone(), deadline);
        match head.scope.clone().within(finding.instrument(span.clone())).await? {
            Found::Duplicate { record, claimed } => {
                span.in_scope(|| self.release_claim(claimed));
                // It exists after all: a consistent list has refuted the 404.
                self.past.gone.take_if(|gone| *gone == record.uid);
                Ok(Some(record))
            }
            Found::InDoubt { claimed } => {
                span.in_scope(|| self.release_claim(claimed));
                core.metrics.counts_indeterminate.with_label_values(&[Cause::Tampered.as_str()]).inc();
                Err(Error::busy("it is not known whether the signal was counted: an annotation was removed", 1))
            }
            Found::NameTaken(name) => {
                span.in_scope(|| tracing::error!(%name, "an object of another fingerprint has the derived name"));
                Err(Error::Kubernetes(format!("the name {name} is taken")))
            }
            Found::Created { record, claimed } => {
                self.past.floor = self.past.floor.max(record.version);
                span.in_scope(|| self.release_claim(claimed));
                self.answer_created(&record);
                Ok(Some(record))
            }
        }
    }

    /// Answers the signal that has waited longest: it created `record`.
    fn answer_created(&mut self, record: &Arc<Record>) {
        let Some(creator) = self.waiting.pop_front() else { return };
        self.pace.got_on();
        let received = creator.signal.received_time;
        let core = &self.core;
        core.metrics.crds_created.with_label_values(&[creator.signal.source.as_str(), "created"]).inc();
        let (alert, TargetResource { kind, name, namespace, .. }) = (&creator.signal.name, &creator.signal.target);
        creator.span.in_scope(|| {
            tracing::info!(
                name = record.name,
                fingerprint = %record.fingerprint,
                alert,
                namespace,
                resource = format!("{kind}/{name}"),
                "RemediationRequest created"
            );
        });
        let (now, counted) =
            (core.context.monotonic(), Counted { total: 1, first_seen: received, last_seen: received });
        creator.answer(Ok(self.accepted(record, Outcome::Created, counted)));
        // The first status tells of it, at once unless more is being counted.
        self.note(Due { record: Arc::clone(record), counted, known: now }, now);
    }

    /// What the signal is answered that is the last of those `counted` on `record`.
    fn accepted(&self, record: &Record, outcome: Outcome, counted: Counted) -> Accepted {
        let Counted { total, first_seen: first_occurrence, last_seen: last_occurrence } = counted;
        let namespace = self.core.namespace.clone();
        let (name, uid) = (record.name.to_string(), Some(record.uid.to_string()));
        let occurrence_count = i32::try_from(total).unwrap_or(i32::MAX);
        Accepted { outcome, name, namespace, uid, occurrence_count, first_occurrence, last_occurrence }
    }

    fn release_claim(&self, claimed: Option<Arc<Record>>) {
        if let Some(predecessor) = claimed {
            self.core.lock.in_background(claims::release(Arc::clone(&self.core), predecessor));
        }
    }

    /// A failure of the API fails all that wait: each for itself would only find out the same. A refusal may be about what one of
    /// them says. A deadline fails those whose own has come.
    fn fail_waiting(&mut self, error: &Error) {
        let now = self.core.context.monotonic();
        let everyone = matches!(error, Error::Kubernetes(_));
        if everyone {
            while let Ok(pending) = self.inbox.try_recv() {
                self.waiting.push_back(pending);
            }
        }
        // The one that has waited longest was tried: it must not be tried again and again.
        let tried = self.waiting.pop_front();
        let (failed, left): (VecDeque<_>, VecDeque<_>) =
            self.waiting.drain(..).partition(|pending| everyone || pending.deadline <= now);
        self.waiting = left;
        fail(tried.into_iter().chain(failed), error);
    }
}

fn fail(batch: impl IntoIterator<Item = Box<Pending>>, error: &Error) {
    for pending in batch {
        pending.answer(Err(error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F: Future>(_: impl FnOnce(Worker) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_worker_that_waits_takes_less_than_a_kilobyte() {
        let bytes = size_of_future(Worker::run);
        assert!(bytes < 1024, "{bytes} bytes");
    }
}
