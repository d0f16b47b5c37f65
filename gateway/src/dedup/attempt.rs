//! One attempt to find or create the RemediationRequest of a signal: a state machine without I/O.
//!
//! Given what was observed last, [`Attempt::step`] says what to do next: one request, one look at the view, one try for
//! the lock, or the result. [`super::find`] does it and reports back. Every rule answers a counterexample: see "The
//! fence" in `docs/DD-GATEWAY-013.md`.

use std::sync::Arc;

use jiff::Timestamp;

use super::decision::{Plan, Verdict, decide};
use crate::remediation::{Fingerprint, Record, ResourceVersion};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Read what is known of the fingerprint, from a view (or, failing that, a consistent list) that is fresh and has
    /// come as far as [`Known`] says. The attempt's deadline counts from this read.
    Read(Known),
    /// Try to acquire the lock, unless patience is over.
    Lock,
    /// Wait for a change of the view, or for the backoff between two tries for the lock.
    AwaitLock,
    /// Wait for the predecessor, whose deletion has begun, to go.
    AwaitDeletion,
    /// Claim this version of the predecessor: one patch that adds the finalizer and tells who claims.
    Claim(Arc<Record>),
    /// Create the RemediationRequest of this name.
    Create(String),
    /// Read the object of this name.
    Get(String),
    /// The result.
    Done(Found),
}

/// How far a view must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// To this version, which an answer has shown.
    UpTo(ResourceVersion),
    /// So far that it says something else of the fingerprint than the last read: that was outdated.
    Changed,
}

/// What an attempt found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This attempt created it; the predecessor that it claimed for it is to be let go.
    Created { record: Arc<Record>, claimed: Option<Arc<Record>> },
    /// The signal is a duplicate of it; the predecessor that this attempt claimed before another created it is to be
    /// let go.
    Duplicate { record: Arc<Record>, claimed: Option<Arc<Record>> },
    /// There is one, and it cannot be known whether this attempt created it; the predecessor that it claimed is to be let go.
    InDoubt { claimed: Option<Arc<Record>> },
    /// An object of another fingerprint has the derived name.
    NameTaken(String),
}

/// What was observed of the last action.
#[derive(Clone, Debug)]
pub(super) enum Observation {
    /// Nothing yet, or the attempt's deadline is over: begin again.
    Begin,
    /// All objects of the fingerprint, as a view has them.
    Snapshot(Vec<Arc<Record>>),
    /// All objects of the fingerprint, by a consistent list.
    Listed(Vec<Arc<Record>>),
    /// The lock is ours.
    Locked,
    /// Another holds the lock.
    Contended,
    /// Another holds the lock, and patience is over: the fence alone must do.
    Impatient,
    /// The wait is over.
    Waited,
    /// The claim is written; the predecessor's new version.
    Claimed(Arc<Record>),
    /// 409 to the claim: the predecessor has a newer version.
    ClaimConflict,
    /// 404 to the claim.
    ClaimNotFound,
    /// 422 to the claim: a terminating object admits no new finalizer.
    ClaimRefused,
    /// 201.
    Created(Arc<Record>),
    /// 409 AlreadyExists.
    Exists,
    /// Answer to [`Action::Get`].
    Got(Option<Arc<Record>>),
}

/// What answers have shown of a fingerprint beyond the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// The newest version of an object of it: a decision needs a view that has come so far.
    pub(super) floor: ResourceVersion,
    /// The uid of an object that was answered 404: a decision needs a view that no longer has it, or a consistent list.
    pub(super) gone: Option<String>,
}

/// The state of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    fingerprint: Fingerprint,
    /// Writer and attempt, as in the annotation of what it creates.
    tag: String,
    /// The lock was acquired, or patience is over.
    may_create: bool,
    /// What is known beyond the view.
    past: Past,
    /// The plan being carried out, with the predecessor as last seen.
    plan: Option<Plan>,
    /// Whether the plan's predecessor carries our claim.
    claimed: bool,
    /// What a create was sent for.
    sent: Option<String>,
}

impl Attempt {
    /// An attempt by `tag`, which knows `past` beyond the view.
    pub(super) fn new(fingerprint: Fingerprint, tag: String, past: Past) -> Self {
        Self { fingerprint, tag, may_create: false, past, plan: None, claimed: false, sent: None }
    }

    /// The next action after `observation`, at `now` on the wall clock.
    pub(super) fn step(&mut self, observation: Observation, now: Timestamp) -> Action {
        match observation {
            Observation::Begin | Observation::Waited => self.begin(Known::UpTo(self.past.floor)),
            Observation::Snapshot(records) if self.has_gone(&records) => self.begin(Known::Changed),
            Observation::Snapshot(records) => self.decide(&records, now),
            Observation::Listed(records) => {
                // A 404 is believed only if a consistent read agrees: one that still has the object refutes it.
                if self.has_gone(&records) {
                    self.past.gone = None;
                }
                self.decide(&records, now)
            }
            Observation::Locked | Observation::Impatient => {
                self.may_create = true;
                // The view may have moved while the lock was waited for.
                self.begin(Known::UpTo(self.past.floor))
            }
            Observation::Contended => Action::AwaitLock,
            Observation::Claimed(record) => self.create_after(record),
            Observation::ClaimConflict => match self.predecessor() {
                Some(predecessor) => Action::Get(predecessor.name.clone()),
                None => self.begin(Known::UpTo(self.past.floor)),
            },
            Observation::ClaimNotFound => self.begin(Known::Changed),
            Observation::ClaimRefused => Action::AwaitDeletion,
            Observation::Created(record) => self.created(record),
            Observation::Exists => match &self.plan {
                Some(plan) => Action::Get(plan.name.clone()),
                None => self.begin(Known::UpTo(self.past.floor)),
            },
            Observation::Got(None) => self.begin(Known::Changed),
            Observation::Got(Some(record)) => self.inspect(record, now),
        }
    }

    /// Forgets the plan: it is as old as the view it was made on.
    fn begin(&mut self, known: Known) -> Action {
        self.plan = None;
        self.claimed = false;
        Action::Read(known)
    }

    /// Whether these still have what is known to be gone.
    fn has_gone(&self, records: &[Arc<Record>]) -> bool {
        records.iter().any(|record| Some(&record.uid) == self.past.gone.as_ref())
    }

    fn decide(&mut self, records: &[Arc<Record>], now: Timestamp) -> Action {
        if let Some(record) = records.iter().find(|record| self.is_ours(record)) {
            return Action::Done(Found::Created { record: Arc::clone(record), claimed: None });
        }
        if records.iter().any(|record| self.may_be_ours(record)) {
            return Action::Done(Found::InDoubt { claimed: None });
        }
        match decide(&self.fingerprint, records, now) {
            Verdict::Duplicate(record) => Action::Done(Found::Duplicate { record, claimed: None }),
            Verdict::Create(_) if !self.may_create => Action::Lock,
            Verdict::Create(plan) => self.carry_out(plan),
        }
    }

    fn carry_out(&mut self, plan: Plan) -> Action {
        let name = plan.name.clone();
        let predecessor = plan.predecessor.clone();
        self.plan = Some(plan);
        self.claimed = false;
        match predecessor {
            // Its deletion has begun and nobody claimed it before: it cannot be claimed any more.
            Some(predecessor) if predecessor.terminating && !predecessor.is_claimed() => Action::AwaitDeletion,
            Some(predecessor) => Action::Claim(predecessor),
            None => self.create(name),
        }
    }

    fn create_after(&mut self, predecessor: Arc<Record>) -> Action {
        let Some(plan) = &mut self.plan else { return self.begin(Known::UpTo(self.past.floor)) };
        plan.predecessor = Some(predecessor);
        self.claimed = true;
        let name = plan.name.clone();
        self.create(name)
    }

    fn created(&mut self, record: Arc<Record>) -> Action {
        let claimed = self.claimed_predecessor();
        Action::Done(Found::Created { record, claimed })
    }

    /// The predecessor in the version that this attempt's own claim made.
    fn claimed_predecessor(&self) -> Option<Arc<Record>> {
        self.plan.as_ref()?.predecessor.clone().filter(|_| self.claimed)
    }

    /// Looks at what a 409 was about: the predecessor after a claim, the object of the derived name after a create.
    ///
    /// Nothing of this makes the decision younger: it goes on under the same deadline, or begins again.
    fn inspect(&mut self, record: Arc<Record>, now: Timestamp) -> Action {
        let Some(plan) = self.plan.clone() else { return self.begin(Known::UpTo(self.past.floor)) };
        if record.fingerprint != self.fingerprint {
            return Action::Done(Found::NameTaken(record.name.clone()));
        }
        if self.is_ours(&record) {
            return self.created(record);
        }
        if self.may_be_ours(&record) {
            return Action::Done(Found::InDoubt { claimed: self.claimed_predecessor() });
        }
        let is_predecessor = plan.predecessor.as_ref().is_some_and(|p| p.uid == record.uid);
        let may_suppress = plan.after_newest || !is_predecessor;
        if record.is_active() || may_suppress && record.counts_signals(now) {
            let claimed = self.claimed_predecessor().filter(|predecessor| predecessor.uid != record.uid);
            return Action::Done(Found::Duplicate { record, claimed });
        }
        if is_predecessor || record.terminating {
            return self.carry_out(Plan::after(&self.fingerprint, Some(record), may_suppress));
        }
        self.past.floor = self.past.floor.max(record.version);
        self.begin(Known::UpTo(self.past.floor))
    }

    fn predecessor(&self) -> Option<&Arc<Record>> {
        self.plan.as_ref()?.predecessor.as_ref()
    }

    fn create(&mut self, name: String) -> Action {
        self.sent = Some(name.clone());
        Action::Create(name)
    }

    /// Whether this attempt's own create may have made it: somebody dropped the annotation that tells. Then it may stand for
    /// the signal already.
    fn may_be_ours(&self, record: &Record) -> bool {
        record.created_by.is_none() && self.sent.as_ref() == Some(&record.name)
    }

    fn is_ours(&self, record: &Record) -> bool {
        record.created_by.as_deref() == Some(self.tag.as_str())
    }
}
