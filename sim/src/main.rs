//! The simulator: several real gateways in one process, over an embedded Kubernetes API or a real cluster.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod accounts;
mod backend;
mod chaos;
mod datastorage;
mod exhaustive;
mod exit;
mod explore;
mod explored;
mod load;
mod mix;
mod outcome;
mod pod;
mod progress;
mod protocol;
mod replay;
mod report;
mod schedule;
mod sender;
mod serve;
mod storm;
mod timeline;
mod verdict;

/// Simulations allocate all the time, and take a fifth longer with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Several real gateways in one process, over an embedded Kubernetes API or a real cluster
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// Log filter of the gateways, such as `info` or `gateway=debug`
    #[arg(long, global = true, default_value = "off", value_name = "FILTER")]
    log: String,
}

#[derive(Subcommand)]
enum Command {
    /// Post many webhooks at once, and check that every one is counted on one RemediationRequest per resource
    Storm(storm::Args),
    /// Run scenarios drawn from seeds in virtual time, with faults, and check every committed write
    Explore(explore::Args),
    /// Run one of them again, and tell its story
    Replay(replay::Args),
    /// Run gateway processes on a real control plane, while they and its servers are killed and paused
    Chaos(chaos::Args),
    /// Serve gateways and a Kubernetes API for kubectl and curl, until Ctrl-C
    Serve(serve::Args),
    /// Post webhooks to a gateway that runs elsewhere, again as Alertmanager would, and tell what was acknowledged
    Load(load::Args),
    /// One gateway, configured by environment as the product's binary is, with any protocol
    #[command(hide = true)]
    Gateway(pod::Args),
    /// Stand in for the DataStorage service: check audit events against their schema, and report what came
    #[command(hide = true)]
    Datastorage(datastorage::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { command, log } = Args::parse();
    gateway::crypto::install_default();
    let code = match init_log(&log) {
        Err(message) => Err(message),
        Ok(()) => match command {
            Command::Storm(args) => storm::run(args).await.map_err(|error| chain(&error)),
            Command::Explore(args) => explore::run(args).map_err(|error| chain(&error)),
            Command::Replay(args) => replay::run(args).map_err(|error| chain(&error)),
            Command::Chaos(args) => chaos::run(args).await.map_err(|error| chain(&error)),
            Command::Serve(args) => serve::run(args).await.map_err(|error| chain(&error)),
            Command::Load(args) => load::run(args).await.map_err(|error| chain(&error)),
            Command::Gateway(args) => pod::run(args).await.map_err(|error| chain(&error)),
            Command::Datastorage(args) => datastorage::run(args).await.map_err(|error| chain(&error)),
        },
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("sim: {message}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// What went wrong, and why: libraries leave the reason to the sources of their errors.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        source = error.source();
    }
    text
}

/// Logs go to standard error: standard output belongs to the result.
fn init_log(filter: &str) -> Result<(), String> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| format!("--log {filter}: {error}; try `info` or `gateway=debug`"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}
