//! The gateway binary.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{ArgGroup, Parser, Subcommand};
use gateway::{explain, release_claims};
use jiff::fmt::friendly::SpanParser;

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
    /// Free all RemediationRequests of a namespace of the gateways' finalizer, before the gateways are uninstalled
    ///
    /// Without it, those that carry a claim when the last gateway ends could not be deleted any more. No gateway may run
    /// meanwhile. Exit codes: 0 done, 1 a request failed, 2 wrong arguments, 3 gateways still run, 4 claims are left.
    #[command(group(ArgGroup::new("stopped").required(true).args(["scale_down", "yes"])))]
    ReleaseClaims {
        /// Where RemediationRequests live; POD_NAMESPACE or the kubeconfig's namespace if absent
        #[arg(long, short, value_name = "NAMESPACE")]
        namespace: Option<String>,
        /// Scale this to zero first, and wait until its pods have ended
        #[arg(long, value_name = "deployment/NAME")]
        scale_down: Option<String>,
        /// How long its pods may take to end
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
        wait: Duration,
        /// No gateway runs in the namespace: release at once
        #[arg(long)]
        yes: bool,
        /// Delete the gateways' leases, too: locks and counters
        #[arg(long)]
        leases: bool,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = SpanParser::new().parse_unsigned_duration(text);
    parsed.map_err(|_| "give a duration such as `60s` or `2m`".to_owned())
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
        Some(Command::ReleaseClaims { namespace, scale_down, wait, yes: _, leases }) => {
            let options = release_claims::Options { namespace, scale_down, wait, leases };
            match release_claims::run(config, &options).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    eprintln!("gateway: {error}");
                    return ExitCode::from(error.exit_code());
                }
            }
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
