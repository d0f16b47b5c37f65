//! A trace, while it is made.
#![allow(clippy::disallowed_methods, reason = "reads virtual time")]

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::{
    digest::Digest,
    event::{API, Event, Life, What},
};
use crate::oracles::Violation;

/// What a trace keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// No events: the run is not traced.
    #[default]
    Off,
    /// A hash of all events.
    Hash,
    /// The events too, up to a bound.
    Full,
}

/// Maximum events that a trace keeps. A run with more has failed long before.
const EVENTS_MAX: usize = 200_000;

/// The record of one run. Times are tokio's, counted from its creation: it is made where and when the run begins.
pub struct Trace {
    pub(super) mode: Mode,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    ended: bool,
    hash: Digest,
    events: Vec<Event>,
    count: u64,
    pub(super) requests: u64,
    pub(super) signals: u64,
    /// Violations already recorded.
    pub(super) violations: usize,
}

impl Trace {
    /// An empty trace that begins now.
    pub fn new(mode: Mode) -> Arc<Self> {
        Arc::new(Self { mode, began: Instant::now(), state: Mutex::default() })
    }

    /// What it keeps.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Records one event: `key` is all that tells it from others, `what` the part of that to be read.
    pub(super) fn record(&self, actor: &str, key: impl Hash, what: impl FnOnce() -> What) {
        if self.mode == Mode::Off {
            return;
        }
        let at_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut digest = Digest::default();
        (at_us, actor, key).hash(&mut digest);
        let digest = digest.finish();
        let mut state = self.state();
        if state.ended {
            return;
        }
        state.hash.write_u64(digest);
        let number = state.count;
        state.count += 1;
        if self.mode == Mode::Full {
            let what = what();
            let is_traffic = !matches!(what, What::Life(_) | What::Note(_) | What::Violation { .. });
            if !is_traffic || state.events.len() < EVENTS_MAX {
                let at = Duration::from_micros(at_us);
                state.events.push(Event { at, number, actor: actor.to_owned(), what, digest });
            }
        }
    }

    /// The life of the replica `name`, or of [`API`].
    pub fn life(&self, name: &str, life: Life) {
        self.record(name, ("life", life), || What::Life(life));
    }

    /// Anything that `actor` did, in words.
    pub fn note(&self, actor: &str, text: &str) {
        self.record(actor, ("note", text), || What::Note(text.to_owned()));
    }

    /// Something that does not hold. Those that [`Trace::observe`]d oracles find at a write come by themselves.
    pub fn violation(&self, violation: &Violation) {
        let Violation { oracle, version, message } = violation;
        let what = || What::Violation { oracle: (*oracle).to_owned(), version: *version, message: message.clone() };
        self.record(API, ("violation", oracle, version, message), what);
    }

    /// Ends the record with what was found at the end of the run: what comes later, when its tasks are dropped, is no part
    /// of it.
    pub fn end(&self, violations: &[Violation]) {
        for violation in violations.iter().filter(|violation| violation.version.is_none()) {
            self.violation(violation);
        }
        self.state().ended = true;
    }

    /// A hash of all events so far, the same for every mode but [`Mode::Off`].
    pub fn hash(&self) -> u64 {
        self.state().hash.finish()
    }

    /// How many events there were so far; none were counted when off.
    pub fn count(&self) -> u64 {
        self.state().count
    }

    /// The events so far, if they are kept: the first ones, and after those only events other than requests.
    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("mode", &self.mode).field("count", &self.count()).finish_non_exhaustive()
    }
}
