//! The gateway's machine, and what it is told.

use std::{sync::Arc, time::Duration};

use gateway::{
    config::Retry,
    context::Monotonic,
    dedup::protocol::{
        Now,
        count::{Batch, Count, Effect, Event, Own},
    },
    kubernetes::Error,
    remediation::{BootId, Counter, Phase, Record, Register, ResourceVersion},
};
use jiff::Timestamp;

use super::{
    super::blank::blank,
    state::{Object, Shared},
};

/// Batches end then. Until then no time passes.
const DEADLINE: Monotonic = Monotonic::from_start(Duration::from_secs(1));
/// Two in a row without an answer are given up; pauses make no difference where every delay is allowed.
const RETRY: Retry = Retry { max_attempts: 2, initial_backoff: Duration::ZERO, max_backoff: Duration::ZERO };

/// What is the same in all states.
pub(super) struct Fixtures {
    boot: BootId,
    /// Versions of the RemediationRequest, by whether it has ended and by what its status says.
    records: [Vec<Arc<Record>>; 2],
}

impl Fixtures {
    /// With statuses that say so much at most.
    pub(super) fn new(status_max: u64) -> Self {
        let versions = |phase| (0..=status_max).map(|status| Arc::new(record(phase, status))).collect();
        Self { boot: BootId::new(0), records: [versions(Phase::Active), versions(Phase::Terminal)] }
    }

    /// The RemediationRequest as it is read now; `None` if it is gone.
    pub(super) fn object(&self, shared: &Shared) -> Option<Arc<Record>> {
        let status = usize::try_from(shared.status).ok()?;
        let of_phase = match shared.object {
            Object::Counts => &self.records[0],
            Object::Ended => &self.records[1],
            Object::Gone => return None,
        };
        of_phase.get(status).map(Arc::clone)
    }

    /// The counter as it is read: the machine looks for its own register in it, and hands it on.
    pub(super) fn counter(&self, register: Option<Register>) -> Counter {
        let registers = register.into_iter().map(|register| (self.boot.clone(), register)).collect();
        Counter { version: ResourceVersion::default(), uid: String::new(), base: 1, folded: None, registers }
    }

    /// A machine that counts `size` signals, and its first effect.
    pub(super) fn begin(&self, own: Own, size: u8, first_sequence: u64) -> (Count, Effect) {
        let target = Arc::clone(&self.records[0][1]);
        let batch = Batch { size: size.into(), newest: Timestamp::UNIX_EPOCH, deadline: DEADLINE, first_sequence };
        let machine = Count::new(target, self.boot.clone(), own, batch, RETRY);
        advance(&machine, Event::Begin, false)
    }
}

/// What follows in `machine` from `event`, in time or `late`.
pub(super) fn advance(machine: &Count, event: Event, late: bool) -> (Count, Effect) {
    let mut machine = machine.clone();
    let monotonic = if late { DEADLINE } else { Monotonic::default() };
    let now = Now { wall: Timestamp::UNIX_EPOCH, monotonic };
    let mut effect = machine.step(event, now);
    // A pause is a delay before the next request, as any.
    while let Effect::Sleep(_) = effect {
        effect = machine.step(Event::Slept, now);
    }
    (machine, effect)
}

pub(super) const fn silence() -> Error {
    Error::Deadline
}

fn record(phase: Phase, status: u64) -> Record {
    let deduplication =
        gateway::remediation::Deduplication { occurrences: Some(status.cast_signed()), ..Default::default() };
    Record { phase, deduplication: Some(deduplication), ..blank() }
}
