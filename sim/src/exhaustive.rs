//! `sim explore --exhaustive`: every order of requests, answers, watch events, timers and one fault in small cases.

use std::{
    num::NonZero,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use harness::{
    baselines::Protocol,
    exhaustive::{Bounds, Case, Progress, Report, deepen},
};

use crate::{
    exit,
    explored::{CaseResult, Error, Exhaustive, First, Outcome},
    progress::Ticker,
    schedule,
};

pub(crate) mod options;

use self::options::{CaseArgs, Departures};

const TICK: Duration = Duration::from_millis(200);
/// On standard errors that are no terminals, a line every so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What the search is to do.
pub(crate) struct Search<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) case: &'a CaseArgs,
    pub(crate) departures: Departures,
    /// Real time at most, in all.
    pub(crate) time_max: Duration,
    pub(crate) jobs: Option<u16>,
    pub(crate) out: &'a Path,
    pub(crate) json: bool,
}

/// Searches case after case until one has a violation; returns the exit code.
pub(crate) fn run(search: &Search<'_>) -> Result<u8, Error> {
    let cases = search.case.cases(search.protocol);
    let began = now();
    let progress = Progress::default();
    let mut reports: Vec<(Report, Duration)> = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if !search.json {
            println!("\n{}", case.describe());
        }
        // What earlier cases left of the time is the later ones'.
        let left = search.time_max.saturating_sub(began.elapsed());
        let share = left / u32::try_from(cases.len() - index).unwrap_or(1);
        let (report, took) = watch(search, case, share, &progress);
        if !search.json {
            print(&report, took);
        }
        let found = report.counterexample.is_some();
        reports.push((report, took));
        if found {
            break;
        }
    }
    let took = began.elapsed().as_secs_f64();
    let found = reports.last().and_then(|(report, _)| Some((report, report.counterexample.as_ref()?)));
    let per_second = progress.runs() as f64 / took.max(1e-6);
    let outcome = Outcome {
        protocol: search.protocol.name(),
        faults: search.case.fault_name(),
        seeds: 0,
        violations: u64::from(found.is_some()),
        twins: 0,
        first_violation: found
            .and_then(|(_, found)| found.violations.first())
            .map(|violation| First { seed: None, oracle: violation.oracle.into() }),
        schedules_per_second: (per_second * 10.0).round() / 10.0,
        requests: reports.iter().filter_map(|(report, _)| report.choices.get("effect")).sum(),
        exhaustive: Some(summary(&reports, &progress)),
        campaign: None,
        merged: None,
    };
    if search.json {
        println!("{}", serde_json::to_string(&outcome)?);
    }
    let Some((report, counterexample)) = found else {
        if !search.json {
            println!("\nPASS  no violation in {} orders", progress.runs());
        }
        return Ok(exit::OK);
    };
    if !search.json {
        for violation in &counterexample.violations {
            println!("\nFAIL  {violation}");
        }
    }
    schedule::tell(&report.case, &counterexample.schedule, search.out, search.json)?;
    let liveness_only = counterexample.violations.iter().all(|violation| violation.oracle == "liveness");
    Ok(if liveness_only { exit::LIVENESS } else { exit::VIOLATION })
}

/// Searches one case and shows how far it is.
fn watch(search: &Search<'_>, case: &Case, time_max: Duration, progress: &Progress) -> (Report, Duration) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = search.jobs.map_or(cores, usize::from);
    let bounds = Bounds { departures: search.departures.most(), time_max, threads, ..Bounds::default() };
    let (began, runs) = (now(), progress.runs());
    let report = thread::scope(|scope| {
        let work = scope.spawn(|| deepen(case, bounds, progress));
        let mut line = Ticker::new(search.json, LINE_EVERY);
        while !work.is_finished() {
            thread::sleep(TICK);
            let seconds = began.elapsed().as_secs_f64();
            let runs = progress.runs() - runs;
            let (states, rate) = (progress.states(), runs as f64 / seconds);
            line.show(&format!("{runs} orders, {states} states, {rate:.0} orders/s, {seconds:.0} s"));
        }
        line.end();
        match work.join() {
            Ok(report) => report,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    (report, began.elapsed())
}

#[allow(clippy::disallowed_methods, reason = "how fast it goes in real time")]
fn now() -> Instant {
    Instant::now()
}

fn summary(reports: &[(Report, Duration)], progress: &Progress) -> Exhaustive {
    let case = |(report, took): &(Report, Duration)| CaseResult {
        case: report.case.describe(),
        departures: report.bounds.departures,
        complete_within_bound: report.complete,
        complete: report.is_exhaustive(),
        orders: report.runs,
        states: report.states,
        ends: report.ends,
        choices: report.choices.clone(),
        seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
    };
    Exhaustive {
        orders: progress.runs(),
        states: progress.states(),
        complete: reports.iter().all(|(report, _)| report.is_exhaustive()),
        cases: reports.iter().map(case).collect(),
    }
}

fn print(report: &Report, took: Duration) {
    let Report { runs, states, ends, longest, choices, .. } = report;
    let choices: Vec<String> = choices.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    println!("  {}", report.extent());
    println!("  orders run  {runs} in {:.1} s", took.as_secs_f64());
    println!("  states      {states}, {ends} of them ends; {longest} choices at most");
    println!("  choices     {}", choices.join(", "));
}
