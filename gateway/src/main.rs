//! The gateway binary.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Turns Alertmanager webhooks and Kubernetes events into one active RemediationRequest per resource.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// YAML file; every key can also be set by environment, such as `GATEWAY__SERVER__LISTEN_ADDR`
    #[arg(long, value_name = "FILE", env = "GATEWAY_CONFIG_FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print the CRD as YAML
    Crd,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { config, command } = Args::parse();
    let result = match command {
        Some(Command::Crd) => gateway::remediation::crd_yaml().map(|yaml| print!("{yaml}")).map_err(|e| e.to_string()),
        None => gateway::runtime::run(config.as_deref()).await.map_err(|error| error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("gateway: {message}");
            ExitCode::FAILURE
        }
    }
}
