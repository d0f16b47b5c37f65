//! When, since the run began.

use harness::trace::Event;

/// Microseconds since the run began.
pub(in crate::timeline) type Micros = u64;

/// When it happened.
pub(in crate::timeline) fn micros(event: &Event) -> Micros {
    u64::try_from(event.at.as_micros()).unwrap_or(u64::MAX)
}
