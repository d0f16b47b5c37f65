//! `sim replay`: one run, told as a timeline.

use std::{
    io::{Write, stdout},
    path::{Path, PathBuf},
};

use clap::ArgGroup;
use harness::{
    baselines::Protocol,
    exhaustive::{Case, Choice, NoChoice},
    explore::{FaultProfile, Scenario, draw::draw},
    oracles::Violation,
};

use crate::{
    apart::{PATIENCE, not_ended},
    exhaustive::options::CaseArgs,
    exit,
    fault_profile::{self, options},
    protocol,
    schedule::{self, Told},
    verdict::{self, Replay},
};

/// Options of `sim replay`.
#[derive(clap::Args)]
#[command(group(ArgGroup::new("source").required(true).args(["seed", "scenario", "schedule"])))]
pub(crate) struct Args {
    /// Seed that `explore` reported
    #[arg(long)]
    seed: Option<u64>,
    /// Scenario written by `explore` or a property test
    #[arg(long, value_name = "FILE.json")]
    scenario: Option<PathBuf>,
    /// Schedule found by `explore --exhaustive`, with the options that it reported
    #[arg(long, value_name = "CHOICES", requires = "exhaustive", conflicts_with = "faults")]
    schedule: Option<String>,
    /// The schedule belongs to a small case
    #[arg(long, requires = "schedule")]
    exhaustive: bool,
    #[command(flatten)]
    case: CaseArgs,
    /// Fault profile that the seed was explored with
    #[arg(long, default_value_t, value_parser = fault_profile::parser())]
    faults: FaultProfile,
    /// How the gateways keep RemediationRequests unique
    #[arg(long, default_value_t, value_parser = protocol::parser())]
    protocol: Protocol,
    /// Write the timeline as a page to this file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print the violations as JSON instead of the timeline
    #[arg(long)]
    json: bool,
}

/// Why a run could not be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("--scenario {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("--scenario {path}: {source}; a scenario is what `sim explore` writes as scenario.json")]
    Parse { path: String, source: serde_json::Error },
    #[error("cannot print the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Verdict(#[from] verdict::Error),
    #[error("--schedule: {0}")]
    Choice(#[from] NoChoice),
    #[error(transparent)]
    Schedule(#[from] schedule::Error),
}

/// What is said of a scenario that does not end.
const ENDLESS: &str = "There is no timeline of it: see with a debugger where it turns, or take signals and faults out of it, as a \
    file for --scenario, until it ends.";

/// Replays; returns the exit code.
pub(crate) fn run(args: Args) -> Result<u8, Error> {
    let Args { seed, scenario, schedule, exhaustive: _, case, faults, protocol, report: page, json } = args;
    if let Some(schedule) = schedule {
        return told(&case.case(protocol), &schedule, page.as_deref(), json);
    }
    let (scenario, command) = match (&scenario, seed) {
        (Some(path), _) => {
            let command = format!("cargo run --release -p sim -- replay --scenario {}", path.display());
            (read(path)?, command + &options(FaultProfile::default(), protocol))
        }
        (None, seed) => {
            let seed = seed.unwrap_or_default();
            let command = format!("cargo run --release -p sim -- replay --seed {seed}");
            (draw(seed, faults), command + &options(faults, protocol))
        }
    };
    let replay = Replay { seed, faults: seed.map(|_| faults), protocol, command, quiet: json };
    let Some(report) = replay.trace(&scenario) else {
        let endless = [Violation { oracle: "liveness", version: None, message: not_ended(PATIENCE) }];
        let text = if json { serde_json::to_string(&endless)? } else { format!("FAIL  {}\n\n{ENDLESS}", endless[0]) };
        return Ok(show(&text, &endless));
    };
    if let Some(path) = page {
        verdict::write(&path, &replay.html(&scenario, &report))?;
    }
    let text = if json { serde_json::to_string(&report.violations)? } else { replay.text(&scenario, &report) };
    Ok(show(&text, &report.violations))
}

/// Replays a schedule of a small case.
fn told(case: &Case, schedule: &str, page: Option<&Path>, json: bool) -> Result<u8, Error> {
    let choices = schedule.split(',').map(str::parse).collect::<Result<Vec<Choice>, _>>()?;
    let told = Told::new(case, &choices)?;
    if let Some(path) = page {
        verdict::write(path, &told.html())?;
    }
    let text = if json { serde_json::to_string(told.violations())? } else { told.text() };
    Ok(show(&text, told.violations()))
}

/// Prints `text`; returns the exit code.
fn show(text: &str, violations: &[Violation]) -> u8 {
    // Whoever reads may have read enough.
    let _ = writeln!(stdout(), "{text}");
    match violations.first() {
        None => exit::OK,
        Some(_) if violations.iter().all(|violation| violation.oracle == "liveness") => exit::LIVENESS,
        Some(_) => exit::VIOLATION,
    }
}

fn read(path: &PathBuf) -> Result<Scenario, Error> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: name(), source })?;
    serde_json::from_str(&text).map_err(|source| Error::Parse { path: name(), source })
}
