//! `sim replay`: one run, told as a timeline.

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use harness::{
    controls::Protocol,
    explore::{Mix, Scenario, draw::draw},
};

use crate::{
    exit,
    mix::{self, options},
    protocol,
    verdict::{self, Story},
};

/// Options of `sim replay`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The seed that `explore` named
    #[arg(long, required_unless_present = "scenario", conflicts_with = "scenario")]
    seed: Option<u64>,
    /// A scenario that `explore` or a property test has written down
    #[arg(long, value_name = "FILE.json")]
    scenario: Option<PathBuf>,
    /// Which faults were drawn
    #[arg(long, default_value_t, value_parser = mix::parser())]
    faults: Mix,
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
    #[error("the result cannot be printed as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Verdict(#[from] verdict::Error),
}

/// Replays; returns the exit code.
pub(crate) fn run(args: Args) -> Result<u8, Error> {
    let Args { seed, scenario, faults, protocol, report: page, json } = args;
    let (scenario, command) = match (&scenario, seed) {
        (Some(path), _) => {
            let command = format!("cargo run --release -p sim -- replay --scenario {}", path.display());
            (read(path)?, command + &options(Mix::default(), protocol))
        }
        (None, seed) => {
            let seed = seed.unwrap_or_default();
            let command = format!("cargo run --release -p sim -- replay --seed {seed}");
            (draw(seed, faults), command + &options(faults, protocol))
        }
    };
    let story = Story { seed, faults: seed.map(|_| faults), protocol, command, quiet: json };
    let report = story.trace(&scenario);
    if let Some(path) = page {
        story.write(&path, &story.html(&scenario, &report))?;
    }
    let text = if json { serde_json::to_string(&report.violations)? } else { story.text(&scenario, &report) };
    // Whoever reads may have read enough.
    let _ = writeln!(stdout(), "{text}");
    let violations = &report.violations;
    Ok(match violations.first() {
        None => exit::OK,
        Some(_) if violations.iter().all(|violation| violation.oracle == "liveness") => exit::LIVENESS,
        Some(_) => exit::VIOLATION,
    })
}

fn read(path: &PathBuf) -> Result<Scenario, Error> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: name(), source })?;
    serde_json::from_str(&text).map_err(|source| Error::Parse { path: name(), source })
}
