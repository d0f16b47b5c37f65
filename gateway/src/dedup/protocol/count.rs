//! Counting one batch of signals on the counter of a RemediationRequest, exactly once.
//!
//! The register of this boot is written with a test of its old value, and the RemediationRequest read at the same time. If
//! that still counts signals, those of the batch are acknowledged; if it has ended, they are taken back and go elsewhere.
//! A write without an answer is settled by a read of the counter: the values of a register never come twice, so that of
//! two writes that test the same value at most one takes effect.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Answer, Now};
use crate::{
    config::Retry,
    kubernetes::Error,
    remediation::{BootId, Counter, Record, Register},
};

mod vocabulary;

pub use vocabulary::{Batch, Cause, Effect, Event, Outcome, Own, WRITES_MAX, Write};

/// A write that is refused so often as one that would not apply, or of what is not there, never will.
const REJECTIONS_MAX: u32 = 3;

/// What was last seen of the RemediationRequest, after the signals had arrived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Look {
    Unknown,
    /// It counts signals.
    Counts(Arc<Record>),
    /// It does not (any more), or did not when the batch was taken back; `None` if it is gone.
    Ended(Option<Arc<Record>>),
}

/// Whether the batch is in the register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Added {
    No,
    /// A write is unanswered that tests this register: it may take effect.
    Perhaps {
        tested: Own,
    },
    Yes(Counter),
}

/// The state of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Count {
    target: Arc<Record>,
    boot: BootId,
    batch: Batch,
    retry: Retry,
    own: Own,
    /// What was counted before the counter, as a consistent read has shown since it was found that there is none.
    base: Option<u64>,
    look: Look,
    added: Added,
    /// The write under way: adds the batch, or takes it back once it is withdrawn.
    sent: Option<Register>,
    next_sequence: u64,
    /// The first sequence under which the batch was withdrawn.
    withdrawn_from: Option<u64>,
    doubts: u32,
    pauses: u32,
    rejections: u32,
}

impl Count {
    /// A batch to be counted on `target`, of whose counter `own` is known or guessed.
    pub fn new(target: Arc<Record>, boot: BootId, own: Own, batch: Batch, retry: Retry) -> Self {
        let next_sequence = batch.first_sequence;
        Self {
            target,
            boot,
            batch,
            retry,
            own,
            base: None,
            look: Look::Unknown,
            added: Added::No,
            sent: None,
            next_sequence,
            withdrawn_from: None,
            doubts: 0,
            pauses: 0,
            rejections: 0,
        }
    }

    /// What is known of the own register by now.
    pub const fn own(&self) -> Own {
        self.own
    }

    /// The next effect after `event`.
    pub fn step(&mut self, event: Event, now: Now) -> Effect {
        let settled = match (self.sent.take(), event) {
            (_, Event::Begin | Event::Slept) => None,
            (Some(sent), Event::Written { counter, object }) => {
                let went_back = object.and_then(|answer| self.looked(answer.ok()?, now));
                went_back.or_else(|| self.written(sent, counter))
            }
            (_, Event::Counter(Ok(counter))) => self.read(counter),
            (_, Event::Object(Ok(object))) => self.looked(object, now),
            (_, Event::Counter(Err(error)) | Event::Object(Err(error))) => self.unanswered(&error),
            (None, Event::Written { .. }) => Some(Next::End(Outcome::Indeterminate(Cause::NoAnswer))),
        };
        match settled {
            None => self.next(now),
            Some(Next::Sleep(pause, _)) if now.monotonic + pause < self.batch.deadline => Effect::Sleep(pause),
            Some(Next::Sleep(_, error)) => {
                let outcome = self.refused(error);
                self.end(outcome)
            }
            Some(Next::End(outcome)) => self.end(outcome),
        }
    }

    fn end(&mut self, outcome: Outcome) -> Effect {
        if matches!(outcome, Outcome::Indeterminate(_)) {
            self.own = Own::Unknown;
        }
        Effect::Done(outcome)
    }

    /// What to do, given all that is known.
    fn next(&mut self, now: Now) -> Effect {
        if let (Added::Yes(counter), Look::Counts(record)) = (&self.added, &self.look) {
            let (record, counter) = (Arc::clone(record), counter.clone());
            return self.end(Outcome::Counted { record, counter });
        }
        if now.monotonic >= self.batch.deadline {
            let is_clean = self.added == Added::No;
            return self.end(if is_clean { Outcome::Late } else { Outcome::Indeterminate(Cause::Late) });
        }
        match (&self.look, &self.added) {
            (Look::Ended(newest), Added::No) => {
                let newest = newest.clone();
                self.end(Outcome::TargetClosed { newest, taken_back: false })
            }
            // It may have been in a counter that has gone with the object.
            (Look::Ended(None), Added::Perhaps { .. }) if self.own == Own::NoCounter => {
                self.end(Outcome::Indeterminate(Cause::Tampered))
            }
            (Look::Ended(_), _) => self.withdraw(),
            (_, Added::Yes(_)) => Effect::ReadObject,
            (_, Added::No | Added::Perhaps { .. }) => self.add(),
        }
    }

    fn add(&mut self) -> Effect {
        let old = match self.own {
            Own::Unknown => return Effect::ReadCounter,
            Own::NoCounter => {
                let Look::Counts(record) = &self.look else { return Effect::ReadObject };
                self.base.get_or_insert(record.occurrences());
                None
            }
            Own::Known(register) => register,
        };
        let count = old.map_or(0, |old| old.count).saturating_add(self.batch.size);
        let newest = old.map_or(self.batch.newest, |old| old.newest.max(self.batch.newest));
        let look = self.look == Look::Unknown;
        self.write(old, count, newest, look)
    }

    /// Writes the register without the batch, under a new sequence: what is in it is taken back, and what is still under way
    /// cannot take effect any more.
    fn withdraw(&mut self) -> Effect {
        let old = match self.own {
            Own::Unknown => return Effect::ReadCounter,
            Own::NoCounter => {
                if let Look::Ended(Some(record)) = &self.look {
                    self.base.get_or_insert(record.occurrences());
                }
                None
            }
            Own::Known(register) => register,
        };
        let in_it = if matches!(self.added, Added::Yes(_)) { self.batch.size } else { 0 };
        let count = old.map_or(0, |old| old.count).saturating_sub(in_it);
        let newest = old.map_or(self.batch.newest, |old| old.newest);
        self.withdrawn_from.get_or_insert(self.next_sequence);
        self.write(old, count, newest, false)
    }

    fn write(&mut self, old: Option<Register>, count: u64, newest: Timestamp, look: bool) -> Effect {
        let sequence = self.next_sequence;
        if sequence >= self.batch.first_sequence + WRITES_MAX {
            return self.end(Outcome::Indeterminate(Cause::NoAnswer));
        }
        self.next_sequence += 1;
        let new = Register { count, sequence, newest };
        self.sent = Some(new);
        let create = (self.own == Own::NoCounter).then(|| self.base.unwrap_or(1));
        Effect::Write { write: Write { create, old, new }, look }
    }

    /// Takes over what a consistent read says of the object.
    fn looked(&mut self, object: Option<Arc<Record>>, now: Now) -> Option<Next> {
        self.doubts = 0;
        let same = object.filter(|record| record.uid == self.target.uid);
        if same.as_ref().is_some_and(|record| record.version < self.target.version) {
            return Some(Next::End(Outcome::Indeterminate(Cause::WentBack)));
        }
        self.look = match same {
            // What was taken back once is not added any more: the two could not be told apart.
            Some(record) if self.withdrawn_from.is_none() && record.counts_signals(now.wall) => Look::Counts(record),
            ended => Look::Ended(ended),
        };
        None
    }

    fn written(&mut self, sent: Register, answer: Answer<Counter>) -> Option<Next> {
        let error = match answer {
            Ok(counter) => return self.applied(sent, counter),
            Err(error) => error,
        };
        match &error {
            // With whose register, a write will tell.
            Error::AlreadyExists(_) => {
                self.own = Own::Known(None);
                None
            }
            Error::NotFound(_) => self.missing().or_else(|| self.rejected(error)),
            Error::Invalid(_) => {
                self.own = Own::Unknown;
                self.rejected(error)
            }
            // The server gave up repeating it.
            Error::Conflict(message) => {
                let error = Error::Throttled { message: message.clone(), retry_after: Duration::from_secs(1) };
                Some(Next::Sleep(self.backoff(), error))
            }
            error => {
                if error.is_ambiguous() {
                    if self.withdrawn_from.is_none() {
                        self.added = Added::Perhaps { tested: self.own };
                    }
                    self.own = Own::Unknown;
                }
                self.unanswered(error)
            }
        }
    }

    fn applied(&mut self, sent: Register, counter: Counter) -> Option<Next> {
        self.doubts = 0;
        let register = counter.registers.get(&self.boot).copied();
        self.own = Own::Known(register);
        if register != Some(sent) {
            // The answer is not of what was written.
            return Some(Next::End(Outcome::Indeterminate(Cause::Tampered)));
        }
        if self.withdrawn_from.is_some() {
            return Some(self.withdrawn());
        }
        self.added = Added::Yes(counter);
        None
    }

    fn withdrawn(&self) -> Next {
        let newest = match &self.look {
            Look::Ended(newest) => newest.clone(),
            _ => None,
        };
        Next::End(Outcome::TargetClosed { newest, taken_back: true })
    }

    /// Takes over what a consistent read says of the counter.
    fn read(&mut self, counter: Option<Counter>) -> Option<Next> {
        self.doubts = 0;
        let Some(counter) = counter else { return self.missing() };
        let register = counter.registers.get(&self.boot).copied();
        let sequence = register.map(|register| register.sequence);
        self.own = Own::Known(register);
        if self.withdrawn_from.is_some() && sequence >= self.withdrawn_from {
            return Some(self.withdrawn());
        }
        let has_batch = sequence >= Some(self.batch.first_sequence);
        match (&self.added, has_batch) {
            (_, true) => self.added = Added::Yes(counter),
            (Added::No, false) => {}
            // It tested a register that is not there any more, and may have been in one that was.
            (Added::Perhaps { tested: Own::Known(Some(_)) }, false) if register.is_none() => {
                return Some(Next::End(Outcome::Indeterminate(Cause::Tampered)));
            }
            // It had no effect yet, and may have one once the register is as it was.
            (Added::Perhaps { .. }, false) => {}
            (Added::Yes(_), false) => return Some(Next::End(Outcome::Indeterminate(Cause::Tampered))),
        }
        None
    }

    /// There is no counter. One that had the register has gone: with its object, or by another hand.
    fn missing(&mut self) -> Option<Next> {
        match self.added {
            Added::Yes(_) | Added::Perhaps { tested: Own::Known(Some(_)) } => {
                return Some(Next::End(Outcome::Indeterminate(Cause::Tampered)));
            }
            // What was counted before it begins must be read, from now on.
            Added::No => (self.base, self.look) = (None, Look::Unknown),
            // It had no effect if the object is still there: a counter goes with its object.
            Added::Perhaps { tested } => {
                self.look = Look::Unknown;
                self.base = self.base.filter(|_| tested == Own::NoCounter);
            }
        }
        self.own = Own::NoCounter;
        None
    }

    /// Tries again, a bounded number of times.
    fn rejected(&mut self, error: Error) -> Option<Next> {
        self.rejections += 1;
        (self.rejections >= REJECTIONS_MAX).then(|| Next::End(self.refused(error)))
    }

    fn backoff(&mut self) -> Duration {
        let Retry { initial_backoff, max_backoff, .. } = self.retry;
        let backoff = initial_backoff.saturating_mul(2_u32.saturating_pow(self.pauses));
        self.pauses = self.pauses.saturating_add(1);
        backoff.min(max_backoff)
    }

    fn refused(&self, error: Error) -> Outcome {
        let is_clean = self.added == Added::No;
        if is_clean { Outcome::Refused(error) } else { Outcome::Indeterminate(Cause::NoAnswer) }
    }

    /// Goes on after a request without an answer, a bounded number of times in a row.
    fn unanswered(&mut self, error: &Error) -> Option<Next> {
        if let Error::Throttled { retry_after, .. } = error {
            return Some(Next::Sleep(self.backoff().max(*retry_after), error.clone()));
        }
        self.doubts += 1;
        if !error.is_ambiguous() || self.doubts >= self.retry.max_attempts {
            return Some(Next::End(self.refused(error.clone())));
        }
        Some(Next::Sleep(self.backoff(), error.clone()))
    }
}

/// What follows from an answer at once, if not the next request.
enum Next {
    /// Wait, and go on unless there is no time for that: because of this.
    Sleep(Duration, Error),
    End(Outcome),
}
