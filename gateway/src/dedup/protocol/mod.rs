//! What to do next: state machines without I/O, each of which owns its deadline and its backoff.
//!
//! A machine is told what time it is and what became of its last effect, and says what to do next. Every rule answers a
//! counterexample: see `docs/DD-GATEWAY-013.md`.

use jiff::Timestamp;

use crate::{
    context::{Context, Monotonic},
    kubernetes,
};

pub mod attempt;
pub mod count;
pub(super) mod decision;
pub mod lock;
pub(super) mod projection;

/// The time by both clocks of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, which may be wrong.
    pub wall: Timestamp,
    /// The monotonic clock.
    pub monotonic: Monotonic,
}

impl Now {
    /// The time of `context`.
    pub fn of(context: &Context) -> Self {
        Self { wall: context.now(), monotonic: context.monotonic() }
    }
}

/// What became of a request; of a read, `None` is a 404.
pub type Answer<T> = Result<T, kubernetes::Error>;
