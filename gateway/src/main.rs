//! The gateway binary.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use gateway::explain;

/// Turns Alertmanager webhooks and Kubernetes events into one active RemediationRequest per resource.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// YAML file; every key can also be set by environment, such as `GATEWAY__SERVER__LISTEN_ADDR`
    #[arg(long, value_name = "FILE", env = "GATEWAY_CONFIG_FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print the CRD as YAML
    Crd,
    /// Tell what would become of an alert or event, and why
    ///
    /// Reads an Alertmanager webhook, an alert or a list of alerts as its API shows them, or a Kubernetes Event, as JSON.
    /// Looks up what a gateway with the same configuration would, in the cluster that KUBECONFIG names or that it runs in,
    /// and writes nothing. The report holds what names a resource and no other part of the payload.
    Explain {
        /// `-` or nothing for standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Ask no cluster: tell what would be looked up
        #[arg(long)]
        offline: bool,
        /// One JSON document
        #[arg(long)]
        json: bool,
        /// Where RemediationRequests live; POD_NAMESPACE or the kubeconfig's namespace if absent
        #[arg(long, short, value_name = "NAMESPACE")]
        namespace: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { config, command } = Args::parse();
    let config = config.as_deref();
    let result = match command {
        Some(Command::Crd) => gateway::remediation::crd_yaml().map(|yaml| print!("{yaml}")).map_err(|e| e.to_string()),
        Some(Command::Explain { file, offline, json, namespace }) => {
            let options = explain::Options { offline, json, namespace };
            explain::run(config, &file, options).await.map_err(|error| error.to_string())
        }
        None => gateway::runtime::run(config).await.map_err(|error| error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("gateway: {message}");
            ExitCode::FAILURE
        }
    }
}
