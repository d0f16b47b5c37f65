//! Searches with more and more departures: the first counterexample has the fewest.
#![allow(clippy::disallowed_methods, reason = "searches may take so long in real time")]

use std::time::Instant;

use super::{
    bounds::Bounds,
    case::Case,
    report::Report,
    search::{Progress, explore},
};

/// Searches `case` with 0, 1, … departures up to those of `bounds`, within its total time, until a schedule violates
/// something or none is left; without a bound on departures, once. Reports the widest search that finished, and the one
/// that did not.
pub fn deepen(case: &Case, bounds: Bounds, progress: &Progress) -> Report {
    let Some(most) = bounds.departures else { return explore(case, bounds, progress) };
    let began = Instant::now();
    let within = |departures: u32| {
        let time_max = bounds.time_max.saturating_sub(began.elapsed());
        explore(case, Bounds { departures: Some(departures), time_max, ..bounds }, progress)
    };
    let mut widest = within(0);
    for departures in 1..=most {
        if widest.counterexample.is_some() || !widest.complete || !widest.cut {
            break;
        }
        let next = within(departures);
        if !next.complete && next.counterexample.is_none() {
            widest.beyond = Some((departures, next.runs));
            break;
        }
        widest = next;
    }
    widest
}
