//! What an exploration comes to, of seeds or of every order.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

use crate::{exit, schedule, verdict};

mod campaign;

pub(crate) use self::campaign::{Campaign, MESSAGE_MAX, Seeds, Violated, Violating, replay};

/// Why seeds could not be explored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot print the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Verdict(#[from] verdict::Error),
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
    #[error("--start {start} --seeds {seeds}: beyond the last seed; use smaller ones")]
    Range { start: u64, seeds: u64 },
    #[error("--index {index} --shares {shares}: indexes are 0 to {}; a Job needs as many completions as shares", shares - 1)]
    Index { index: u64, shares: u64 },
    #[error("--shares {shares} --seeds {seeds}: a share needs at least one seed; use fewer shares or more seeds")]
    Shares { shares: u64, seeds: u64 },
    #[error("no results: pass files or folders, or pipe them in, for example from `kubectl logs`")]
    NoInput,
    #[error("there is no usable result{}", if .0.is_empty() { String::new() } else { format!(":\n  {}", .0) })]
    NoResult(String),
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
    pub(crate) campaign: Option<Campaign>,
    pub(crate) merged: Option<Merged>,
}

/// Violations whose commands are printed.
const COMMANDS_SHOWN: usize = 10;

impl Outcome {
    /// Prints the result of an exploration of seeds for people; `commands`: with what runs the violating seeds again.
    pub(crate) fn print(&self, commands: bool) {
        let Self { protocol, faults, seeds, violations, twins, schedules_per_second, requests, merged, .. } = self;
        let Some(campaign) = &self.campaign else { return };
        let Campaign { whole, seconds, commit, oracles, violating, .. } = campaign;
        println!();
        if let Some(Merged { results, .. }) = merged {
            println!("  results                 {results}, of commit {commit}");
        }
        println!("  protocol                {protocol}");
        println!("  faults                  {faults}");
        if merged.is_some() || campaign.explored != [*whole] {
            println!("  seeds                   {seeds} explored, of {whole}");
        }
        let (together, each) = if merged.is_some() { (" in all", " each") } else { ("", "") };
        println!(
            "  schedules               {seeds} in {seconds:.1} s{together}, {schedules_per_second} per second{each}"
        );
        println!("  Kubernetes API requests {requests}");
        if *twins > 0 {
            println!("  seeds with twins        {twins}");
        }
        println!("  seeds with violations   {violations}");
        for (oracle, Violated { seeds, first }) in oracles {
            println!("    {oracle:<21} {seeds}, the first is seed {first}");
        }
        let shown = if commands { COMMANDS_SHOWN } else { 1 };
        for (place, Violating { seed, message, replay, .. }) in violating.iter().take(shown).enumerate() {
            println!("{}FAIL  seed {seed}: {}", if place == 0 { "\n" } else { "" }, printable(message));
            if commands {
                println!("      {replay}");
            }
        }
        let left = violations.saturating_sub(shown as u64);
        if commands && left > 0 {
            println!("      and {left} more");
        }
        let problems = merged.iter().flat_map(|merged| &merged.problems);
        problems.for_each(|problem| println!("\nINCOMPLETE  {}", printable(problem)));
        if violating.is_empty() && merged.as_ref().is_none_or(|merged| merged.problems.is_empty()) {
            println!("\nPASS  no violation");
        }
    }
}

/// `text` of elsewhere, without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

#[derive(Serialize)]
pub(crate) struct First {
    pub(crate) seed: Option<u64>,
    pub(crate) oracle: Cow<'static, str>,
}

/// The part of the result that is `merge`'s own.
#[derive(Serialize)]
pub(crate) struct Merged {
    pub(crate) results: usize,
    /// Why they are not one whole exploration; none if they are.
    pub(crate) problems: Vec<String>,
}

/// What the violated oracles come to.
pub(crate) fn exit_code<'a>(mut violated: impl Iterator<Item = &'a str>) -> u8 {
    match violated.next() {
        None => exit::OK,
        Some("liveness") if violated.all(|oracle| oracle == "liveness") => exit::LIVENESS,
        Some(_) => exit::VIOLATION,
    }
}

/// The part of the result that is the exhaustive mode's own.
#[derive(Serialize)]
pub(crate) struct Exhaustive {
    /// Orders run from their beginning.
    pub(crate) orders: u64,
    /// Distinct states, by their digests.
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
