//! The phase of a connection, which its service and its stream share.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

/// The first head of a connection, or one of which a part is there, is awaited.
const HEAD: u8 = 0;
/// A request is being processed; its handler has a deadline.
const REQUEST: u8 = 1;
/// The answer is given to hyper, and being written.
const ANSWER: u8 = 2;
/// The answer is written, and no byte of another head is there.
const IDLE: u8 = 3;
/// A body is being read.
const BODY: u8 = 4;
/// The answer, or one before it, waits for the client to read what was written before.
const UNREAD: u8 = 5;

/// The request is refused, and its answer held back for a moment.
const REFUSED: u8 = 6;

/// Numbers the changes of all connections of a listener, so that it can be told who has been idle for longest.
#[derive(Clone, Default)]
pub(super) struct Sequence(Arc<AtomicU64>);

/// What a connection is at.
#[derive(Clone)]
pub(in crate::http) struct Phase(Arc<State>);

struct State {
    phase: AtomicU8,
    /// When that changed to one in which the client is awaited.
    since: AtomicU64,
    /// Bytes of the body of the request under way; [`UNKNOWN`] if that is not announced.
    body_bytes: AtomicU64,
    /// Of answers that are not written yet: requests may have been pipelined.
    answers: Mutex<Vec<OwnedSemaphorePermit>>,
    sequence: Sequence,
}

const UNKNOWN: u64 = u64::MAX;

impl Phase {
    pub(super) fn new(sequence: &Sequence) -> Self {
        let since = AtomicU64::new(sequence.0.fetch_add(1, Ordering::Relaxed));
        Self(Arc::new(State {
            phase: AtomicU8::new(HEAD),
            since,
            body_bytes: AtomicU64::new(0),
            answers: Mutex::default(),
            sequence: sequence.clone(),
        }))
    }

    /// A request has come, with a body of `bytes` if that is announced.
    pub(super) fn begun(&self, bytes: Option<u64>) {
        self.0.body_bytes.store(bytes.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.request();
    }

    /// How many bytes the body of the request under way has, if that was announced.
    pub(super) fn body_bytes(&self) -> Option<u64> {
        Some(self.0.body_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes != UNKNOWN)
    }

    /// The request is worked on.
    pub(in crate::http) fn request(&self) {
        self.0.phase.store(REQUEST, Ordering::Relaxed);
    }

    /// Its body is awaited.
    pub(in crate::http) fn body(&self) {
        self.open_to_others(BODY);
    }

    /// It is refused, and the answer held back: others may have the connection's place.
    pub(in crate::http) fn refused(&self) {
        self.open_to_others(REFUSED);
    }

    pub(super) fn answer(&self) {
        self.0.phase.store(ANSWER, Ordering::Relaxed);
    }

    /// Holds `memory` until all answers are written.
    pub(in crate::http) fn keep(&self, memory: OwnedSemaphorePermit) {
        self.0.answers.lock().push(memory);
    }

    /// The answer is written; `more` if a part of the next head is here.
    pub(super) fn answered(&self, more: bool) {
        self.0.answers.lock().clear();
        let next = if more { HEAD } else { IDLE };
        self.pass(ANSWER, next);
        self.pass(UNREAD, next);
    }

    /// The client does not take more of the answer for now.
    pub(super) fn unread(&self) {
        self.pass(ANSWER, UNREAD);
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        self.pass(IDLE, HEAD);
    }

    pub(super) fn is_answer(&self) -> bool {
        self.is(ANSWER) || self.is(UNREAD)
    }

    pub(super) fn is_unread(&self) -> bool {
        self.is(UNREAD)
    }

    pub(super) fn awaits_head(&self) -> bool {
        self.is(HEAD)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.is(IDLE)
    }

    /// The order in which connections make room, the least first; none while the client waits for us.
    pub(super) fn eviction_order(&self) -> Option<(u8, u64)> {
        let rank = match self.0.phase.load(Ordering::Relaxed) {
            REFUSED => 0,
            IDLE => 1,
            HEAD => 2,
            BODY => 3,
            UNREAD => 4,
            _ => return None,
        };
        Some((rank, self.0.since.load(Ordering::Relaxed)))
    }

    fn is(&self, phase: u8) -> bool {
        self.0.phase.load(Ordering::Relaxed) == phase
    }

    fn pass(&self, from: u8, to: u8) {
        if self.0.phase.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.stamp();
        }
    }

    /// From now on, in `phase`, others may have the connection's place.
    fn open_to_others(&self, phase: u8) {
        self.stamp();
        self.0.phase.store(phase, Ordering::Relaxed);
    }

    fn stamp(&self) {
        self.0.since.store(self.0.sequence.0.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_request_is_refused_makes_room_before_the_idle_and_these_before_the_slow() {
        let sequence = Sequence::default();
        let phases: Vec<Phase> = (0..5).map(|_| Phase::new(&sequence)).collect();
        let [slow_head, idle, unread, body, refused] = &phases[..] else { unreachable!() };
        for phase in [idle, unread] {
            phase.begun(None);
            phase.answer();
        }
        idle.answered(false);
        unread.unread();
        body.begun(None);
        body.body();
        refused.begun(None);
        assert_eq!(refused.eviction_order(), None, "it is worked for");
        refused.refused();
        let mut ordered = [unread, body, slow_head, idle, refused];
        ordered.sort_by_key(|phase| phase.eviction_order().unwrap());
        let expected = [refused, idle, slow_head, body, unread];
        assert!(ordered.iter().zip(expected).all(|(one, other)| Arc::ptr_eq(&one.0, &other.0)));
    }
}
