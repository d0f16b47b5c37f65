//! What an exploration comes to, of seeds or of every order.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{schedule, verdict};

/// Why seeds could not be explored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the result cannot be printed as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Verdict(#[from] verdict::Error),
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    #[error("--start {start} --seeds {seeds}: beyond the last seed; use smaller ones")]
    Range { start: u64, seeds: u64 },
}

/// The result for programs. Its JSON is an interface: fields are added, never changed.
#[derive(Serialize)]
pub(crate) struct Outcome {
    pub(crate) protocol: &'static str,
    pub(crate) faults: &'static str,
    /// None are drawn in the exhaustive mode.
    pub(crate) seeds: u64,
    pub(crate) violations: u64,
    /// Seeds in which twins came to be and were detected, where that is what must hold.
    pub(crate) twins: u64,
    pub(crate) first_violation: Option<First>,
    pub(crate) schedules_per_second: f64,
    pub(crate) requests: u64,
    pub(crate) exhaustive: Option<Exhaustive>,
}

#[derive(Serialize)]
pub(crate) struct First {
    pub(crate) seed: Option<u64>,
    pub(crate) oracle: &'static str,
}

/// The part of the result that is the exhaustive mode's own.
#[derive(Serialize)]
pub(crate) struct Exhaustive {
    /// Orders run from their beginning.
    pub(crate) orders: u64,
    /// Different states.
    pub(crate) states: u64,
    /// Whether every order of every case was tried, with no bound in the way.
    pub(crate) complete: bool,
    pub(crate) cases: Vec<CaseResult>,
}

#[derive(Serialize)]
pub(crate) struct CaseResult {
    pub(crate) case: String,
    /// Departures from the default order at most; null: any number.
    pub(crate) departures: Option<u32>,
    /// Whether all orders within that bound were tried.
    pub(crate) complete_within_bound: bool,
    /// Whether there are no others.
    pub(crate) complete: bool,
    pub(crate) orders: u64,
    pub(crate) states: u64,
    pub(crate) ends: u64,
    pub(crate) choices: BTreeMap<&'static str, u64>,
    pub(crate) seconds: f64,
}
