//! What the API server, the writers and the network remember of one RemediationRequest.

use std::sync::Arc;

use gateway::{
    dedup::protocol::{
        Answer,
        count::{Count, Own, Write},
    },
    remediation::{Counter, Folded, Record, Register},
};

use super::bounds::Bounds;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Object {
    Counts,
    Ended,
    Gone,
}

/// What all writers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shared {
    pub(super) object: Object,
    /// `occurrenceCount` of its status; what is absent reads as one.
    pub(super) status: u64,
    /// The counter without its registers.
    pub(super) counter: Option<Kept>,
    /// What the fold under way tests of it.
    pub(super) folding: Option<Option<Folded>>,
    /// The projection under way: what it tests and what it writes.
    pub(super) projecting: Option<(u64, u64)>,
    /// Signals acknowledged as counted here.
    pub(super) acknowledged: u64,
    /// Whether signals were that arrived after the RemediationRequest had ended.
    pub(super) misplaced: bool,
    /// Signals that went elsewhere: counted there, and acknowledged.
    pub(super) elsewhere: u64,
    /// What the status did not say when somebody deleted the counter; less than none if it said what was taken back.
    pub(super) lost: i64,
    /// What had been counted when the counter was collected after its RemediationRequest.
    pub(super) collected: Option<u64>,
    pub(super) folds_left: u8,
    pub(super) projections_left: u8,
    pub(super) deletions_left: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    pub(super) base: u64,
    pub(super) folded: Option<Folded>,
}

/// One boot, with what the API server and the network hold of it: so that it does not matter which is which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Writer {
    /// Its register in the counter.
    pub(super) register: Option<Register>,
    /// Its register as the fold under way tests it, if it is in that.
    pub(super) folding: Option<Register>,
    /// Signals that are still to arrive.
    pub(super) left: u8,
    /// Writes sent so far.
    pub(super) writes: u8,
    /// What it remembers of its register between batches.
    pub(super) remembered: Option<Own>,
    pub(super) batch: Option<Batch>,
    /// Writes that nobody waits for any more.
    pub(super) stragglers: Vec<Write>,
}

/// A batch that is being counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    pub(super) machine: Count,
    pub(super) size: u8,
    /// Whether the RemediationRequest counted signals when they had arrived.
    pub(super) in_time: bool,
    pub(super) waits: Waits,
}

/// What the machine waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Waits {
    Counter,
    Object,
    Write {
        write: Write,
        look: Look,
    },
    /// The write is answered, the look that went with it is not.
    Look {
        answer: Answer<Counter>,
    },
}

/// The look that goes with a write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Look {
    None,
    UnderWay,
    Served(Option<Arc<Record>>),
}

impl Writer {
    pub(super) const fn new(signals: u8) -> Self {
        Self {
            register: None,
            folding: None,
            left: signals,
            writes: 0,
            remembered: None,
            batch: None,
            stragglers: Vec::new(),
        }
    }

    /// Whether nothing of it waits or is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.batch.is_none() && self.stragglers.is_empty()
    }

    /// Writes under way.
    pub(super) fn in_flight(&self) -> usize {
        let waited = self.batch.as_ref().is_some_and(|batch| matches!(batch.waits, Waits::Write { .. }));
        self.stragglers.len() + usize::from(waited)
    }
}

/// A state, taken apart.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) shared: Shared,
    pub(super) writers: Vec<Arc<Writer>>,
}

impl World {
    /// What the counter says, if there is one.
    pub(super) fn total(&self) -> Option<u64> {
        let Kept { base, folded } = self.shared.counter?;
        let registers: u64 =
            self.writers.iter().filter_map(|writer| writer.register).map(|register| register.count).sum();
        Some(base + folded.map_or(0, |folded| folded.count) + registers)
    }

    /// Signals counted here, without those `before`: what the counter says, or else the status;
    /// at least, and at most. What a RemediationRequest has counted that is gone, and its counter too, nobody can read: it
    /// may be anything from nothing on.
    fn counted(&self, before: u64) -> (i64, i64) {
        let Shared { object, status, counter, collected, lost, .. } = self.shared;
        let since_base = |total: u64| total - counter.map_or(0, |kept| kept.base);
        let total = self.total();
        let said = match (object, collected) {
            (Object::Gone, Some(collected)) => (before, collected + total.map_or(0, since_base)),
            // A counter that began when it had gone knows nothing of what was counted before.
            (Object::Gone, None) => {
                (total.unwrap_or(status), total.map_or(status, |total| total.max(before + since_base(total))))
            }
            _ => (total.unwrap_or(status), total.unwrap_or(status)),
        };
        let counted = |said: u64| said.cast_signed() - before.cast_signed();
        (counted(said.0) + lost.min(0), counted(said.1) + lost.max(0))
    }

    /// What must not be: a signal acknowledged but not counted, or counted more than once, or where it does not belong.
    pub(super) fn violation(&self, bounds: &Bounds) -> Option<String> {
        if self.shared.misplaced {
            return Some("WRONG, signals counted that arrived after the RemediationRequest had ended".to_owned());
        }
        let Shared { acknowledged, elsewhere, .. } = self.shared;
        let attempted: i64 = self.writers.iter().map(|writer| i64::from(bounds.signals - writer.left)).sum();
        let ((at_least, at_most), elsewhere) = (self.counted(bounds.before()), elsewhere.cast_signed());
        let is_right = acknowledged.cast_signed() <= at_most && at_least + elsewhere <= attempted;
        (!is_right).then(|| {
            format!("WRONG, acknowledged {acknowledged}, counted {at_least} to {at_most}, elsewhere {elsewhere}, attempted {attempted}")
        })
    }
}
