//! `sim explore merge`: the results of shares, joined; whatever keeps them from being one whole exploration is said.

use std::{
    io::{IsTerminal as _, stdin},
    path::PathBuf,
};

use crate::{
    exit,
    explored::{Error, exit_code, printable},
};

mod coverage;
mod inputs;
mod joined;
mod part;
mod problems;

use self::{joined::Merge, problems::Problems};

/// Options of `sim explore merge`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files with results of `--json` or `--result`, one per line, or folders of such files; standard input for `-` or if
    /// absent. Other lines, such as those of pod logs, are skipped
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Print the result as JSON; it can be merged with others
    #[arg(long)]
    json: bool,
}

/// Merges; returns the exit code.
pub(crate) fn run(args: Args) -> Result<u8, Error> {
    let Args { mut paths, json } = args;
    if paths.is_empty() {
        if stdin().is_terminal() {
            return Err(Error::NoInput);
        }
        paths.push("-".into());
    }
    let mut merge = Merge::default();
    let other = inputs::read(&paths, &mut merge);
    if let Some(first) = other.first {
        eprintln!("{} other lines were skipped, the first is: {first}", other.lines);
    }
    let Some(outcome) = merge.outcome() else { return Err(Error::NoResult(told(&merge.problems))) };
    if json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        outcome.print(true);
    }
    let complete = outcome.merged.iter().all(|merged| merged.problems.is_empty());
    let code = exit_code(outcome.campaign.iter().flat_map(|campaign| campaign.oracles.keys().map(String::as_str)));
    Ok(if code == exit::OK && !complete { exit::USAGE } else { code })
}

fn told(problems: &Problems) -> String {
    problems.told().iter().map(|problem| printable(problem)).collect::<Vec<_>>().join("\n  ")
}
