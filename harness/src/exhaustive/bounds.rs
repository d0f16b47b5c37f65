//! Where a search ends although there is more.

use std::time::Duration;

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How often at most a schedule departs from the default order, in which what has waited longest goes on first:
    /// something else goes on, and what it overtakes then waits behind all that waits. Faults are free. `None`: any
    /// number.
    pub departures: Option<u32>,
    /// Runs at most; a search that needs more is not complete.
    pub runs_max: u64,
    /// Real time at most; a search that needs more is not complete.
    pub time_max: Duration,
    /// Threads that search. With one, the same case gives the same report.
    pub threads: usize,
    /// Whether choices that commute are tried in one order only.
    pub reduce: bool,
}

impl Default for Bounds {
    /// All schedules, in one thread.
    fn default() -> Self {
        Self { departures: None, runs_max: u64::MAX, time_max: Duration::MAX, threads: 1, reduce: true }
    }
}
