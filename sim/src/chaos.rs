//! `sim chaos`: gateway processes on a real control plane, while they and the servers are killed and paused.

use std::{env, path::PathBuf, time::Duration};

use harness::chaos::{self, LENGTH_MIN_MS, Neighbour, Options, Report, Restored};

use crate::{exit, progress::Progress};

/// Options of `sim chaos`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Determines the faults; random if absent
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults are injected, 45 to 86400 s; healing, and a restore of etcd after it, take up to six minutes more
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(LENGTH_MIN_MS / 1000..=86_400))]
    seconds: u64,
    /// Signals per second, 1 to 100
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    rate: u32,
    /// Resources that the signals are about, 1 to 1000
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=1000))]
    resources: u16,
    /// Gateway binary; the one next to this program if absent
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Chaos(#[from] chaos::Error),
    #[error("there is no gateway binary at {0}; build it with `cargo build -p gateway`, or pass it with --gateway")]
    NoGateway(PathBuf),
    #[error("cannot print the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Runs it; returns the exit code.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let gateway = args.gateway.clone().unwrap_or_else(|| {
        let own = env::current_exe().unwrap_or_default();
        own.with_file_name("gateway")
    });
    if !gateway.is_file() {
        return Err(Error::NoGateway(gateway));
    }
    let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()) ^ now());
    let (length, resources) = (Duration::from_secs(args.seconds), usize::from(args.resources));
    let progress = Progress::new(args.json);
    progress.step(&format!("seed {seed}: starting etcd, kube-apiserver and {} gateways …", chaos::GATEWAYS));
    let options = Options { seed, length, rate: args.rate, resources, gateway };
    let report = chaos::run(&options, |what| progress.step(what)).await?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        tell(&report, &args);
    }
    Ok(match () {
        () if !report.violations.is_empty() => exit::VIOLATION,
        () if report.unacknowledged > 0 => exit::LIVENESS,
        () => exit::OK,
    })
}

#[allow(clippy::disallowed_methods, reason = "a seed that nobody had before")]
fn now() -> u64 {
    jiff::Timestamp::now().as_microsecond().unsigned_abs()
}

/// The command that repeats the plan.
fn again(drawn: u64, args: &Args) -> String {
    let Args { seed: _, seconds, rate, resources, gateway, json } = args;
    let mut command = format!("sim chaos --seed {drawn} --seconds {seconds} --rate {rate} --resources {resources}");
    if let Some(gateway) = gateway {
        command.push_str(&format!(" --gateway '{}'", gateway.display()));
    }
    if *json {
        command.push_str(" --json");
    }
    command
}

fn tell(report: &Report, args: &Args) {
    let Report {
        seed,
        signals,
        unacknowledged,
        attempted,
        acknowledged,
        counted,
        statuses,
        remediation_requests,
        writes,
        faults,
        neighbour,
        restored,
        violations,
    } = report;
    let name = |status: &u16| if *status == 0 { "no answer".to_owned() } else { status.to_string() };
    let answers: Vec<String> = statuses.iter().map(|(status, count)| format!("{count} × {}", name(status))).collect();
    println!("\n  signals                {signals}, each sent until it was acknowledged");
    println!("  answers                {}", answers.join(", "));
    println!("  acknowledged           {acknowledged}");
    println!("  counted                {counted}");
    println!("  attempted              {attempted}");
    println!("  RemediationRequests    {remediation_requests} for {} resources", args.resources);
    println!("  writes judged          {writes}");
    println!("  faults              {faults}");
    let Neighbour { changes, conflicts, longest_ms } = neighbour;
    println!("  typed neighbour        {changes} changes, {conflicts} conflicts, the longest took {longest_ms} ms");
    let Restored { stale, lost, attempted, acknowledged, counted } = restored;
    let caches = if *stale { ", kube-apiserver stale for a while" } else { "" };
    println!("  etcd restored          {lost} acknowledged signals lost by it{caches}");
    println!("  signals after that     {acknowledged} acknowledged, {counted} counted, {attempted} attempted");
    println!("  repeat                 {}\n", again(*seed, args));
    for violation in violations {
        println!("  {violation}");
    }
    if *unacknowledged > 0 {
        println!("  {unacknowledged} signals were never acknowledged");
    }
    if violations.is_empty() && *unacknowledged == 0 {
        println!(
            "PASS  one active RemediationRequest at every moment, every acknowledged signal counted, no lease left"
        );
    } else {
        println!("FAIL");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_repeated_with_all_options_that_it_had() {
        let args = Args {
            seed: None,
            seconds: 45,
            rate: 20,
            resources: 3,
            gateway: Some(PathBuf::from("/my builds/gateway")),
            json: true,
        };
        let expected = "sim chaos --seed 7 --seconds 45 --rate 20 --resources 3 --gateway '/my builds/gateway' --json";
        assert_eq!(again(7, &args), expected);
        let args = Args { gateway: None, json: false, ..args };
        assert_eq!(again(7, &args), "sim chaos --seed 7 --seconds 45 --rate 20 --resources 3");
    }
}
