//! Counting one batch of signals on a RemediationRequest, exactly once: a state machine without I/O.
//!
//! A batch is frozen under one sequence until it is settled. Each patch carries the resourceVersion it was computed
//! from, so of two copies of a batch (a retry, and the straggler it repeats) at most one takes effect; whether one did is
//! read from `status.deduplication.writers` of any newer version.

use std::sync::Arc;

use jiff::Timestamp;

use crate::remediation::{Record, ResourceVersion, Writer};

/// Writers remembered in the status at most (contract: `maxItems`).
const WRITERS_MAX: usize = 32;
/// After so many conflicts a writer asks the others to let it go first: one that is farther from the API than they are
/// would never be fast enough.
const CONFLICTS_MAX: u32 = 4;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Send this patch of the status.
    Patch(Count),
    /// Read the object `name`, in a version newer than `than` if the view has one.
    Refresh { name: String, uid: String, than: ResourceVersion },
    /// Find the last state of the deleted object.
    Obituary { uid: String },
    /// Ask the other writers of the object `name` to let this one write next.
    AskForTurn { name: String },
    /// Let another writer write, for a while: until the view has the object in a version newer than `than` that nobody
    /// waits to write.
    GiveWay { uid: String, than: ResourceVersion },
    /// The batch is counted: `before` were counted on `record` before it.
    Counted { record: Arc<Record>, before: i32 },
    /// The batch is certainly not counted, and this object counts no signals (any more): find another.
    Elsewhere { newest: Option<Arc<Record>> },
    /// It cannot be known whether the batch is counted.
    Unsettled,
    /// The CRD does not keep `status.deduplication.writers`.
    FieldMissing,
}

/// A patch of the status: what `status.deduplication` becomes, if the object still has `version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) name: String,
    pub(super) version: ResourceVersion,
    pub(super) occurrences: i32,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    pub(super) writers: Vec<Writer>,
    /// Somebody's turn is over with it.
    pub(super) ends_turn: bool,
}

/// What was observed of the last action.
#[derive(Clone, Debug)]
pub(super) enum Observation {
    Begin,
    /// 200: the object's new version.
    Patched(Arc<Record>),
    /// 409: the object has a newer version.
    Conflict,
    /// 404.
    NotFound,
    /// No answer, or one after which the patch may have taken effect.
    Ambiguous,
    /// Answer to [`Action::Refresh`] or [`Action::AskForTurn`].
    Got(Option<Arc<Record>>),
    /// Way was given: the newest version that the view has, if it has one.
    GaveWay(Option<Arc<Record>>),
    /// Answer to [`Action::Obituary`]: the last state, if it could be learned.
    Remembered(Option<Arc<Record>>),
    /// A throttled request was waited for, or a turn could not be asked for: the newest version that the view has, if it has
    /// one.
    BackedOff(Option<Arc<Record>>),
}

/// The state of a batch.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    /// The newest version of the object that is known.
    target: Arc<Record>,
    writer: String,
    sequence: i64,
    /// Signals in the batch.
    size: i32,
    /// When the newest of them was received.
    last_seen: Timestamp,
    /// A patch was sent whose answer is not known.
    in_doubt: bool,
    conflicts: u32,
}

impl Commit {
    pub(super) fn new(target: Arc<Record>, writer: &str, sequence: i64, size: i32, last_seen: Timestamp) -> Self {
        Self { target, writer: writer.to_owned(), sequence, size, last_seen, in_doubt: false, conflicts: 0 }
    }

    /// The next action after `observation`, at `now` on the wall clock.
    pub(super) fn step(&mut self, observation: Observation, now: Timestamp) -> Action {
        match observation {
            Observation::Begin => self.give_way_or_patch(now),
            // Meanwhile others have written: a patch of the version known before the pause would only conflict.
            Observation::BackedOff(newest) => self.learn(newest).unwrap_or_else(|| self.give_way_or_patch(now)),
            Observation::GaveWay(newest) => self.learn(newest).unwrap_or_else(|| self.patch_or_leave(now)),
            Observation::Patched(record) if record.has_counted(&self.writer, self.sequence) => self.counted(record),
            Observation::Patched(_) => Action::FieldMissing,
            Observation::Conflict => self.refresh(),
            Observation::Ambiguous => {
                self.in_doubt = true;
                self.refresh()
            }
            Observation::NotFound | Observation::Got(None) => self.gone(),
            Observation::Got(Some(record)) if record.uid != self.target.uid => self.gone(),
            Observation::Got(Some(record)) => self.got(record, now),
            Observation::Remembered(Some(record)) if record.has_counted(&self.writer, self.sequence) => {
                self.counted(record)
            }
            Observation::Remembered(Some(_)) => Action::Elsewhere { newest: None },
            Observation::Remembered(None) => Action::Unsettled,
        }
    }

    fn refresh(&self) -> Action {
        Action::Refresh { name: self.target.name.clone(), uid: self.target.uid.clone(), than: self.target.version }
    }

    /// Takes a newer version over; the end of the batch if that counts it already.
    fn learn(&mut self, newest: Option<Arc<Record>>) -> Option<Action> {
        let newest = newest.filter(|newest| newest.version > self.target.version)?;
        // Before the phase: a batch that is counted is counted, whatever became of the object since.
        if newest.has_counted(&self.writer, self.sequence) {
            return Some(self.counted(newest));
        }
        // Newer, and without the batch: no straggler can take effect any more.
        self.in_doubt = false;
        self.target = newest;
        None
    }

    fn got(&mut self, record: Arc<Record>, now: Timestamp) -> Action {
        if record.version == self.target.version {
            // A straggler may still take effect, on this very version: send the same again.
            return self.patch_or_leave(now);
        }
        if let Some(counted) = self.learn(Some(record)) {
            return counted;
        }
        if !self.target.counts_signals(now) {
            return Action::Elsewhere { newest: Some(Arc::clone(&self.target)) };
        }
        self.conflicts += 1;
        self.try_again()
    }

    /// Whose turn it is after others were faster.
    fn try_again(&self) -> Action {
        match self.turn() {
            Some(turn) if turn == self.writer => Action::Patch(self.patch()),
            Some(_) => self.give_way(),
            None if self.conflicts.is_multiple_of(CONFLICTS_MAX) && self.target.counted.is_some() => {
                Action::AskForTurn { name: self.target.name.clone() }
            }
            // At once: of those who try at once, one gets on, and it lingers then.
            None => Action::Patch(self.patch()),
        }
    }

    fn turn(&self) -> Option<&str> {
        self.target.counted.as_ref()?.turn.as_deref()
    }

    fn is_anothers_turn(&self) -> bool {
        self.turn().is_some_and(|turn| turn != self.writer)
    }

    fn give_way(&self) -> Action {
        Action::GiveWay { uid: self.target.uid.clone(), than: self.target.version }
    }

    fn give_way_or_patch(&self, now: Timestamp) -> Action {
        if self.is_anothers_turn() && self.target.counts_signals(now) {
            self.give_way()
        } else {
            self.patch_or_leave(now)
        }
    }

    /// A batch in doubt goes on to the same object: only there can it be settled.
    fn patch_or_leave(&self, now: Timestamp) -> Action {
        if self.target.counts_signals(now) || self.in_doubt {
            Action::Patch(self.patch())
        } else {
            Action::Elsewhere { newest: Some(Arc::clone(&self.target)) }
        }
    }

    fn gone(&self) -> Action {
        if self.in_doubt {
            Action::Obituary { uid: self.target.uid.clone() }
        } else {
            Action::Elsewhere { newest: None }
        }
    }

    fn counted(&self, record: Arc<Record>) -> Action {
        // What others counted after the batch does not matter: ordinals are handed out from the end backwards.
        let before = record.occurrences().saturating_sub(self.size);
        Action::Counted { record, before }
    }

    fn patch(&self) -> Count {
        let counted = self.target.counted.as_ref();
        let first_seen = counted.and_then(|c| c.first_seen).or(self.target.created).unwrap_or(self.last_seen);
        let last_seen = counted.and_then(|c| c.last_seen).map_or(self.last_seen, |seen| seen.max(self.last_seen));
        let own = Writer { name: self.writer.clone(), sequence: self.sequence };
        let others = counted.map(|c| c.writers.as_slice()).unwrap_or_default();
        let others = others.iter().filter(|(name, _)| *name != self.writer);
        let others = others.map(|(name, sequence)| Writer { name: name.clone(), sequence: *sequence });
        Count {
            name: self.target.name.clone(),
            version: self.target.version,
            occurrences: self.target.occurrences().saturating_add(self.size),
            first_seen,
            last_seen,
            writers: std::iter::once(own).chain(others).take(WRITERS_MAX).collect(),
            ends_turn: self.turn().is_some(),
        }
    }
}
