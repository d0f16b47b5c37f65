//! `sim explore`: many seeds on all cores, or a share of them on each of many machines; what fails is made small and told
//! as a replay.

use std::{num::NonZero, ops::Range, path::PathBuf, thread, time::Duration};

use harness::{
    baselines::Protocol,
    explore::{Campaign, FaultProfile, Progress, campaign::Found},
    oracles::Violation,
};

use crate::{
    apart::PATIENCE,
    exhaustive::{
        self,
        options::{CaseArgs, Departures},
    },
    exit,
    explore::watch::Watched,
    explored::{self, Error, First, Outcome, Seeds},
    fault_profile, protocol,
    verdict::{self, Replay, expect_file, expect_folder},
};

mod merge;
mod watch;

/// Options of `sim explore`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Number of seeds, 1 or more
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Fault profile
    #[arg(long, default_value_t, value_parser = fault_profile::parser())]
    faults: FaultProfile,
    /// How the gateways keep RemediationRequests unique
    #[arg(long, default_value_t, value_parser = protocol::parser())]
    protocol: Protocol,
    /// Instead of seeds, try every order of events in small cases, within stated bounds
    #[arg(long, conflicts_with_all = ["seeds", "start", "faults", "keep_going", "shares", "index", "result"])]
    exhaustive: bool,
    #[command(flatten)]
    case: CaseArgs,
    /// Maximum departures from the default order, in which what waits longest goes first: a number, or `any`
    #[arg(long, requires = "exhaustive", default_value_t = DEPARTURES, value_name = "N")]
    departures: Departures,
    /// Time limit in minutes, 1 to 1440; what was not finished is reported
    #[arg(long, requires = "exhaustive", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// Parallel runs, 1 to 1024; one per core if absent
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Continue after a violation, and count the seeds that have one
    #[arg(long)]
    keep_going: bool,
    /// Explore one share of the seeds, of this many: 1 to 100000; other machines explore the others
    #[arg(long, requires = "index", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    shares: Option<u64>,
    /// Which share, from 0; an Indexed Job of Kubernetes sets the variable
    #[arg(long, requires = "shares", value_name = "N", env = "JOB_COMPLETION_INDEX")]
    index: Option<u64>,
    /// Directory for the timeline of a violation; a share writes none
    #[arg(long, value_name = "DIR", default_value = "target/explore")]
    out: PathBuf,
    /// Also write the result as JSON to this file
    #[arg(long, value_name = "FILE.json")]
    result: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Merge the results of shares, and check that they form one complete exploration
    #[command(after_help = exit::MERGE)]
    Merge(merge::Args),
}

/// Within a minute or two.
const DEPARTURES: Departures = Departures::Most(2);

/// Explores; returns the exit code.
pub(crate) fn run(args: Args) -> Result<u8, Error> {
    let Args { command, seeds, start, faults, protocol, exhaustive, case, departures, minutes, jobs, .. } = args;
    let Args { keep_going, shares, index, out, result, json, .. } = args;
    if let Some(Command::Merge(args)) = command {
        return merge::run(args);
    }
    if shares.is_none() {
        expect_folder(&out)?;
    }
    if exhaustive {
        let time_max = Duration::from_secs(minutes * 60);
        let (case, out) = (&case, &out);
        return exhaustive::run(&exhaustive::Search { protocol, case, departures, time_max, jobs, out, json });
    }
    let whole = Seeds { start, end: start.checked_add(seeds).ok_or(Error::Range { start, seeds })? };
    let share = share(whole, shares.zip(index))?;
    if let Some(path) = &result {
        expect_file(path)?;
    }
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = jobs.map_or(cores, usize::from);
    let campaign =
        Campaign { seeds: share.start..share.end, profile: faults, protocol, jobs, stop_at_first: !keep_going };
    if !json {
        eprintln!("exploring {share} of {faults} faults under {protocol}, {jobs} at once");
    }
    let watched = watch::run(&campaign, json, PATIENCE);
    let found = watched.progress.found();
    let outcome = outcome(&campaign, whole, &watched, &found);
    let text = serde_json::to_string(&outcome)?;
    if let Some(path) = &result {
        verdict::write(path, &format!("{text}\n"))?;
    }
    if json {
        println!("{text}");
    } else {
        // What did not end is not looked into below.
        outcome.print(shares.is_some() || !watched.given_up.is_empty());
    }
    let Some((seed, violation)) = found.seeds.first_key_value() else { return Ok(exit::OK) };
    // Whoever explores shares, in pods that end, replays what was found elsewhere. What does not end cannot be made small.
    if shares.is_none() && !watched.given_up.contains(seed) {
        let command = explored::replay(*seed, faults, protocol);
        let replay = Replay { seed: Some(*seed), faults: Some(faults), protocol, command, quiet: json };
        replay.report_smallest(&harness::explore::draw::draw(*seed, faults), violation, &out)?;
    }
    Ok(explored::exit_code(found.oracles.keys().copied()))
}

/// The seeds of one share, given its index and how many there are; without, all seeds.
fn share(whole: Seeds, share: Option<(u64, u64)>) -> Result<Seeds, Error> {
    let Some((shares, index)) = share else { return Ok(whole) };
    if index >= shares {
        return Err(Error::Index { index, shares });
    }
    if shares > whole.count() {
        return Err(Error::Shares { shares, seeds: whole.count() });
    }
    Ok(whole.share(index, shares))
}

fn outcome(campaign: &Campaign, whole: Seeds, Watched { progress, took, .. }: &Watched, found: &Found) -> Outcome {
    let Campaign { seeds: Range { start, .. }, profile, protocol, .. } = *campaign;
    let runs = Progress::count(&progress.runs);
    let seconds = took.as_secs_f64();
    let first = |(seed, violation): (&u64, &Violation)| First { seed: Some(*seed), oracle: violation.oracle.into() };
    let explored = Seeds { start, end: start + runs };
    Outcome {
        protocol: protocol.name(),
        faults: profile.name(),
        seeds: runs,
        violations: Progress::count(&progress.failed),
        twins: Progress::count(&progress.twins),
        first_violation: found.seeds.first_key_value().map(first),
        schedules_per_second: (runs as f64 / seconds.max(1e-6) * 10.0).round() / 10.0,
        requests: Progress::count(&progress.requests),
        exhaustive: None,
        campaign: Some(explored::Campaign::new(whole, explored, seconds, found, profile, protocol)),
        merged: None,
    }
}
