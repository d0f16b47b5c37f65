//! One attempt to find or create the RemediationRequest of a signal, by lock and fence.
//!
//! Given what became of its last effect, [`Attempt::step`] says what to do next: one request, one look at the view, one try
//! for the lock, one wait, or the result. It owns the signal's deadline, that of each decision, and the pauses. Every rule
//! answers a counterexample: see "The fence" in `docs/DD-GATEWAY-013.md`.

use std::{sync::Arc, time::Duration};

use super::{
    Now,
    decision::{Plan, Verdict, decide},
    lock::Acquisition,
};
use crate::{
    config::{self, Config},
    context::Monotonic,
    kubernetes::Error,
    remediation::{Author, Fingerprint, Record},
};

mod vocabulary;

pub use vocabulary::{Effect, Event, Failure, Found, Known, Past, Snapshot};

/// Effects that may follow each other without a pause: more than any sound course of events takes.
const HASTE_MAX: u32 = 12;

/// How the wait for the lock ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lock {
    /// Else another holds it, and the time to wait for it is over: the fence alone must do.
    is_ours: bool,
    waited: Duration,
}

/// The state of an attempt.
#[derive(Debug)]
pub struct Attempt {
    fingerprint: Fingerprint,
    /// As the annotation of what it creates tells.
    author: Author,
    began: Monotonic,
    /// Of the signal.
    deadline: Monotonic,
    /// From here on a decision made on the newest read must not be acted on.
    expires: Monotonic,
    attempt_timeout: Duration,
    limits: config::Lock,
    /// Before the next try for the lock.
    backoff: Duration,
    /// Effects since the last wait.
    haste: u32,
    /// What comes after the pause under way.
    paused: Option<Effect>,
    lock: Option<Lock>,
    /// What is known beyond the view.
    past: Past,
    /// The plan being carried out, with the predecessor as last seen.
    plan: Option<Plan>,
    /// Whether the plan's predecessor carries our claim.
    claimed: bool,
    /// The predecessor as this attempt has claimed it, where nobody had before: no create but this attempt's own can rely
    /// on that claim.
    claimed_first: Option<Arc<Record>>,
    claims: u32,
    /// What a create was sent for.
    sent: Option<String>,
    /// It waits for the predecessor, whose deletion has begun, to go.
    blocked: bool,
    /// Why the claim that was tried last is not admitted.
    unclaimable: Option<Error>,
}

impl Attempt {
    /// An attempt of `author`, which knows `past` beyond the view, of a signal that is given up at `deadline`.
    pub fn new(
        fingerprint: Fingerprint,
        author: Author,
        past: Past,
        config: &Config,
        (began, deadline): (Monotonic, Monotonic),
    ) -> Self {
        Self {
            fingerprint,
            author,
            began,
            deadline,
            expires: began,
            attempt_timeout: config.view.attempt_timeout,
            backoff: config.lock.initial_backoff,
            limits: config.lock.clone(),
            haste: 0,
            paused: None,
            lock: None,
            past,
            plan: None,
            claimed: false,
            claimed_first: None,
            claims: 0,
            sent: None,
            blocked: false,
            unclaimable: None,
        }
    }

    /// The next effect after `event`.
    pub fn step(&mut self, event: Event, now: Now) -> Effect {
        match self.paused.take() {
            Some(effect) => self.send(effect, now),
            None => {
                let effect = self.next(event, now);
                self.admit(effect, now)
            }
        }
    }

    /// Until when a request of the present decision may be under way.
    pub(in crate::dedup) fn send_until(&self) -> Monotonic {
        self.expires.min(self.deadline)
    }

    /// How many claims were sent.
    pub(in crate::dedup) const fn claims(&self) -> u32 {
        self.claims
    }

    /// Whether the lock was acquired.
    pub(in crate::dedup) fn is_locked(&self) -> bool {
        self.lock.is_some_and(|lock| lock.is_ours)
    }

    /// For how long the lock was waited for, once that is over.
    pub(in crate::dedup) fn waited_for_lock(&self) -> Option<Duration> {
        self.lock.map(|lock| lock.waited)
    }

    fn next(&mut self, event: Event, now: Now) -> Effect {
        match event {
            Event::Begin | Event::Waited => self.begin(),
            Event::Read(Snapshot { records, listed }) => {
                let has_gone = records.iter().any(|record| Some(&record.uid) == self.past.gone.as_ref());
                if has_gone && !listed {
                    return self.read(Known::Changed);
                }
                // A 404 is believed only if a consistent read agrees: one that still has the object refutes it.
                self.past.gone.take_if(|_| has_gone);
                self.decide(&records, now)
            }
            Event::Lock(acquisition) => self.tried_lock(acquisition, now),
            // A collector may remove the claim that stands there; or somebody's policy takes finalizers away.
            Event::Claimed(Ok(predecessor))
                if !predecessor.is_claimed()
                    || self.predecessor().is_some_and(|before| before.version == predecessor.version) =>
            {
                let message = format!("the claim of {} was answered, but not made", predecessor.name);
                Effect::Done(Err(Failure::Failed(Error::Unexpected(message))))
            }
            Event::Claimed(Ok(predecessor)) => self.create_after(predecessor),
            Event::Claimed(Err(Error::Conflict(_))) => self.get_predecessor(),
            // A terminating object admits no new finalizer; or somebody's policy does not.
            Event::Claimed(Err(error @ Error::Invalid(_))) => {
                self.unclaimable = Some(error);
                self.get_predecessor()
            }
            Event::Claimed(Err(Error::NotFound(_))) | Event::Got(Ok(None)) => self.read(Known::Changed),
            Event::Created(Ok(record)) => self.created(record),
            Event::Created(Err(Error::AlreadyExists(_))) => match &self.plan {
                Some(plan) => Effect::Get(plan.name.clone()),
                None => self.begin(),
            },
            // Of the quota, which others write, too: it was not created.
            Event::Created(Err(Error::Conflict(_))) => self.begin(),
            Event::Refused { error, in_doubt } => {
                let claimed = self.claimed_first.take().filter(|_| !in_doubt);
                Effect::Done(Err(Failure::Refused { error, claimed }))
            }
            Event::Got(Ok(Some(record))) => self.inspect(record, now),
            // The time of the decision may be over although the signal's is not: then decide again.
            Event::Claimed(Err(Error::Deadline))
            | Event::Created(Err(Error::Deadline))
            | Event::Got(Err(Error::Deadline))
                if now.monotonic < self.deadline =>
            {
                self.begin()
            }
            Event::Claimed(Err(error)) | Event::Created(Err(error)) | Event::Got(Err(error)) => {
                Effect::Done(Err(Failure::Failed(error)))
            }
        }
    }

    /// Ends the attempt in time, and keeps answers that contradict each other, or somebody who writes all the time, from
    /// making it ask without end.
    fn admit(&mut self, effect: Effect, now: Now) -> Effect {
        match effect {
            Effect::Done(_) => return effect,
            _ if now.monotonic >= self.deadline => return Effect::Done(Err(Failure::Late { blocked: self.blocked })),
            Effect::AwaitLock { .. } => self.haste = 0,
            Effect::AwaitDeletion(_) => (self.haste, self.blocked) = (0, true),
            _ => self.haste += 1,
        }
        let Some(over) = self.haste.checked_sub(HASTE_MAX) else { return self.send(effect, now) };
        self.paused = Some(effect);
        let config::Lock { initial_backoff, max_backoff, .. } = self.limits;
        Effect::Pause(initial_backoff.saturating_mul(1 << over.min(16)).min(max_backoff))
    }

    fn send(&mut self, effect: Effect, now: Now) -> Effect {
        match &effect {
            Effect::Read(_) => self.expires = now.monotonic + self.attempt_timeout,
            Effect::Claim(_) | Effect::Create(_) | Effect::Get(_) if now.monotonic >= self.send_until() => {
                let read = self.begin();
                return self.admit(read, now);
            }
            Effect::Claim(_) => {
                self.claims += 1;
                (self.claimed_first, self.unclaimable) = (None, None);
            }
            Effect::Create(_) => self.blocked = false,
            _ => {}
        }
        effect
    }

    fn tried_lock(&mut self, acquisition: Acquisition, now: Now) -> Effect {
        let waited = now.monotonic.since(self.began);
        let is_ours = acquisition == Acquisition::Acquired;
        if is_ours || waited >= self.limits.wait_timeout {
            self.lock = Some(Lock { is_ours, waited });
            // The view may have moved while the lock was waited for.
            return self.begin();
        }
        let backoff = self.backoff;
        self.backoff = (backoff * 2).min(self.limits.max_backoff);
        Effect::AwaitLock { backoff, left: self.limits.wait_timeout - waited }
    }

    fn begin(&mut self) -> Effect {
        self.read(Known::UpTo(self.past.floor))
    }

    /// Forgets the plan: it is as old as the view it was made on.
    fn read(&mut self, known: Known) -> Effect {
        self.plan = None;
        self.claimed = false;
        Effect::Read(known)
    }

    fn decide(&mut self, records: &[Arc<Record>], now: Now) -> Effect {
        if let Some(record) = records.iter().find(|record| self.is_ours(record)) {
            return Effect::Done(Ok(Found::Created { record: Arc::clone(record), claimed: None }));
        }
        if records.iter().any(|record| self.may_be_ours(record)) {
            return Effect::Done(Ok(Found::InDoubt { claimed: None }));
        }
        match decide(&self.fingerprint, records, now.wall) {
            Verdict::Duplicate(record) => Effect::Done(Ok(Found::Duplicate { record, claimed: None })),
            Verdict::Create(_) if self.lock.is_none() => Effect::Lock,
            Verdict::Create(plan) => self.carry_out(plan, now),
        }
    }

    fn carry_out(&mut self, plan: Plan, now: Now) -> Effect {
        let name = plan.name.clone();
        let predecessor = plan.predecessor.clone();
        self.plan = Some(plan);
        self.claimed = false;
        match predecessor {
            Some(predecessor) if !is_claimable(&predecessor) => {
                Effect::AwaitDeletion(self.deadline.since(now.monotonic).min(self.limits.max_backoff))
            }
            Some(predecessor) => Effect::Claim(predecessor),
            None => self.create(name),
        }
    }

    /// The plan's.
    fn predecessor(&self) -> Option<&Arc<Record>> {
        self.plan.as_ref()?.predecessor.as_ref()
    }

    fn create_after(&mut self, predecessor: Arc<Record>) -> Effect {
        let Some(plan) = &mut self.plan else { return self.begin() };
        let was_claimed = plan.predecessor.as_ref().is_some_and(|seen| seen.is_claimed());
        self.claimed_first = (!was_claimed).then(|| Arc::clone(&predecessor));
        plan.predecessor = Some(predecessor);
        (self.claimed, self.blocked) = (true, false);
        let name = plan.name.clone();
        self.create(name)
    }

    fn get_predecessor(&mut self) -> Effect {
        match self.predecessor() {
            Some(predecessor) => Effect::Get(predecessor.name.to_string()),
            None => self.begin(),
        }
    }

    fn created(&mut self, record: Arc<Record>) -> Effect {
        let claimed = self.claimed_predecessor();
        Effect::Done(Ok(Found::Created { record, claimed }))
    }

    /// The predecessor in the version that this attempt's own claim made.
    fn claimed_predecessor(&self) -> Option<Arc<Record>> {
        self.predecessor().filter(|_| self.claimed).cloned()
    }

    /// Looks at what a 409 or 422 was about: the predecessor after a claim, the object of the derived name after a create.
    ///
    /// Nothing of this makes the decision younger: it goes on under the same deadline, or begins again.
    fn inspect(&mut self, record: Arc<Record>, now: Now) -> Effect {
        let Some(plan) = self.plan.clone() else { return self.begin() };
        if record.fingerprint != self.fingerprint {
            return Effect::Done(Ok(Found::NameTaken(record.name.to_string())));
        }
        if self.is_ours(&record) {
            return self.created(record);
        }
        if self.may_be_ours(&record) {
            return Effect::Done(Ok(Found::InDoubt { claimed: self.claimed_predecessor() }));
        }
        let is_predecessor = plan.predecessor.as_ref().is_some_and(|p| p.uid == record.uid);
        let unclaimable = self.unclaimable.take().filter(|_| is_predecessor && is_claimable(&record));
        let may_suppress = plan.after_newest || !is_predecessor;
        if record.is_active() || may_suppress && record.counts_signals(now.wall) {
            let claimed = self.claimed_predecessor().filter(|predecessor| predecessor.uid != record.uid);
            return Effect::Done(Ok(Found::Duplicate { record, claimed }));
        }
        if let Some(error) = unclaimable {
            return Effect::Done(Err(Failure::Unclaimable(error)));
        }
        if is_predecessor || record.terminating {
            return self.carry_out(Plan::after(&self.fingerprint, Some(record), may_suppress), now);
        }
        self.past.floor = self.past.floor.max(record.version);
        self.begin()
    }

    fn create(&mut self, name: String) -> Effect {
        self.sent = Some(name.clone());
        Effect::Create(name)
    }

    /// Whether this attempt's own create may have made it: somebody dropped the annotation that tells. Then it may stand for
    /// the signal already.
    fn may_be_ours(&self, record: &Record) -> bool {
        record.created_by.is_none() && self.sent.as_deref() == Some(&*record.name)
    }

    fn is_ours(&self, record: &Record) -> bool {
        record.created_by == Some(self.author)
    }
}

/// Whether it admits a claim: one whose deletion has begun admits no new finalizer, and a claim that is renewed adds none.
fn is_claimable(record: &Record) -> bool {
    !record.terminating || record.is_claimed()
}
