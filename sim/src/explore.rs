//! `sim explore`: many seeds on all cores; what fails is made small and told as a story.

use std::{
    num::NonZero,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use harness::{
    baselines::Protocol,
    explore::{Campaign, Mix, Progress, campaign::Found},
};

use crate::{
    exhaustive::{
        self,
        options::{CaseArgs, Departures},
    },
    exit,
    explored::{Error, First, Outcome},
    mix::{self, options},
    protocol,
    verdict::{Story, expect_folder},
};

/// Options of `sim explore`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many seeds, 1 or more
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Which faults are drawn
    #[arg(long, default_value_t, value_parser = mix::parser())]
    faults: Mix,
    /// How the gateways keep RemediationRequests unique
    #[arg(long, default_value_t, value_parser = protocol::parser())]
    protocol: Protocol,
    /// Try every order of what happens in small cases, up to bounds that are stated, in place of seeds
    #[arg(long, conflicts_with_all = ["seeds", "start", "faults", "keep_going"])]
    exhaustive: bool,
    #[command(flatten)]
    case: CaseArgs,
    /// How often at most an order departs from the default one, in which what waits longest goes first; a number from 0, or `any`
    #[arg(long, requires = "exhaustive", default_value_t = DEPARTURES, value_name = "N")]
    departures: Departures,
    /// Minutes of real time at most, 1 to 1440; what was not finished is said
    #[arg(long, requires = "exhaustive", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// Runs at once, 1 to 1024; all cores if absent
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Go on after a violation, and count how many seeds have one
    #[arg(long)]
    keep_going: bool,
    /// Where the story of a violation is written
    #[arg(long, value_name = "DIR", default_value = "target/explore")]
    out: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Within a minute or two.
const DEPARTURES: Departures = Departures::Most(2);
const TICK: Duration = Duration::from_millis(200);
/// On standard errors that are no terminals, a line every so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Explores; returns the exit code.
pub(crate) fn run(args: Args) -> Result<u8, Error> {
    let Args { seeds, start, faults, protocol, exhaustive, case, departures, minutes, jobs, keep_going, out, json } =
        args;
    expect_folder(&out)?;
    if exhaustive {
        let time_max = Duration::from_secs(minutes * 60);
        let (case, out) = (&case, &out);
        return exhaustive::run(&exhaustive::Search { protocol, case, departures, time_max, jobs, out, json });
    }
    let end = start.checked_add(seeds).ok_or(Error::Range { start, seeds })?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = jobs.map_or(cores, usize::from);
    let campaign = Campaign { seeds: start..end, mix: faults, protocol, jobs, stop_at_first: !keep_going };
    if !json {
        eprintln!("exploring seeds {start} to {} of {faults} faults under {protocol}, {jobs} at once", end - 1);
    }
    let (progress, took) = watch(&campaign, json);
    let runs = Progress::count(&progress.runs);
    let per_second = runs as f64 / took.as_secs_f64().max(1e-6);
    let found = progress.found();
    let outcome = Outcome {
        protocol: protocol.name(),
        faults: faults.name(),
        seeds: runs,
        violations: Progress::count(&progress.failed),
        twins: Progress::count(&progress.twins),
        first_violation: found
            .first
            .as_ref()
            .map(|(seed, violation)| First { seed: Some(*seed), oracle: violation.oracle }),
        schedules_per_second: (per_second * 10.0).round() / 10.0,
        requests: Progress::count(&progress.requests),
        exhaustive: None,
    };
    if json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        print(&outcome, &found, took);
    }
    let Some((seed, violation)) = found.first else { return Ok(exit::OK) };
    let command = format!("cargo run --release -p sim -- replay --seed {seed}{}", options(faults, protocol));
    let story = Story { seed: Some(seed), faults: Some(faults), protocol, command, quiet: json };
    story.tell_smallest(&harness::explore::draw::draw(seed, faults), &violation, &out)?;
    let liveness_only = found.oracles.keys().all(|oracle| *oracle == "liveness");
    Ok(if liveness_only { exit::LIVENESS } else { exit::VIOLATION })
}

/// Runs the campaign and shows how far it is.
#[allow(clippy::disallowed_methods, reason = "how fast it goes in real time")]
fn watch(campaign: &Campaign, quiet: bool) -> (Progress, Duration) {
    let progress = Progress::default();
    let began = Instant::now();
    let all = campaign.seeds.end - campaign.seeds.start;
    thread::scope(|scope| {
        let work = scope.spawn(|| campaign.run(&progress));
        let mut line = crate::progress::Ticker::new(quiet, LINE_EVERY);
        while !work.is_finished() {
            thread::sleep(TICK);
            let (runs, failed) = (Progress::count(&progress.runs), Progress::count(&progress.failed));
            let rate = runs as f64 / began.elapsed().as_secs_f64();
            let left = if rate > 0.0 { (all - runs.min(all)) as f64 / rate } else { 0.0 };
            line.show(&format!(
                "{runs}/{all} seeds, {rate:.0} schedules/s, {failed} with violations, {left:.0} s left"
            ));
        }
        line.end();
    });
    (progress, began.elapsed())
}

fn print(outcome: &Outcome, found: &Found, took: Duration) {
    let Outcome { protocol, faults, seeds, violations, twins, schedules_per_second, requests, .. } = outcome;
    println!("\n  protocol                {protocol}");
    println!("  faults                  {faults}");
    println!("  schedules               {seeds} in {:.1} s, {schedules_per_second} per second", took.as_secs_f64());
    println!("  Kubernetes API requests {requests}");
    if *twins > 0 {
        println!("  seeds with twins        {twins}");
    }
    println!("  seeds with violations   {violations}");
    for (oracle, (count, lowest)) in &found.oracles {
        println!("    {oracle:<21} {count}, the first is seed {lowest}");
    }
    match &found.first {
        None => println!("\nPASS  no violation"),
        Some((seed, violation)) => println!("\nFAIL  seed {seed}: {violation}"),
    }
}
