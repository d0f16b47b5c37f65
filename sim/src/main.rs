//! The simulator: several real gateways in one process, over an embedded Kubernetes API or a real cluster.

use std::{io::Write as _, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

mod accounts;
mod apart;
mod backend;
mod chaos;
mod datastorage;
mod exhaustive;
mod exit;
mod explore;
mod explored;
mod fault_profile;
mod interrupt;
mod load;
mod origin;
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
#[command(version = gateway::version::version(), after_help = exit::CODES)]
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
    #[command(after_help = exit::VERDICT)]
    Storm(storm::Args),
    /// Run scenarios drawn from seeds in virtual time, with faults, and check every committed write
    #[command(after_help = exit::SEARCH)]
    Explore(explore::Args),
    /// Replay one scenario and print its timeline
    #[command(after_help = exit::SEARCH)]
    Replay(replay::Args),
    /// Run gateway processes on a real control plane while killing and pausing them and its servers
    #[command(after_help = exit::SEARCH)]
    Chaos(chaos::Args),
    /// Serve gateways and a Kubernetes API for kubectl and curl, until Ctrl-C
    #[command(after_help = exit::SERVED)]
    Serve(serve::Args),
    /// Post webhooks to a running gateway, retry as Alertmanager does, and report what was acknowledged
    #[command(after_help = exit::LOAD)]
    Load(load::Args),
    /// One gateway, configured by environment as the product's binary is, with any protocol
    #[command(hide = true)]
    Gateway(pod::Args),
    /// Print completions for a shell, such as `source <(sim completions bash)`
    #[command(after_help = exit::PRINTED)]
    Completions {
        /// Shell to print them for
        shell: clap_complete::Shell,
    },
    /// Stand in for the DataStorage service: check audit events against their schema, and report what was received
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
            Command::Completions { shell } => Ok(completions(shell)),
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

fn completions(shell: clap_complete::Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "sim", &mut script);
    // Whoever reads may have read enough.
    let _ = std::io::stdout().write_all(&script);
    exit::OK
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
    let logging = gateway::config::Logging { level: filter.to_owned(), ..Default::default() };
    let filter = logging.filter().map_err(|error| format!("--log: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
