//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, ArgMatches, Parser, Subcommand, parser::ValueSource};
use clap_complete::Shell;
use jiff::fmt::friendly::SpanParser;

const EXIT_CODES: &str = "\
Signals: SIGTERM and SIGINT shut it down after the requests in flight; SIGHUP reloads the configuration file.
Exit codes: 0 shut down as requested, 1 startup or the command failed (the message says why), 2 wrong arguments.";

/// Turns Alertmanager webhooks and Kubernetes events into one active RemediationRequest per resource
///
/// Without a command, runs the gateway until SIGTERM or SIGINT. It needs POD_NAME and POD_NAMESPACE, and access to the
/// cluster that it runs in or that KUBECONFIG names.
#[derive(Parser)]
#[command(version = gateway::version::version(), after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// YAML configuration file; environment variables such as `GATEWAY__SERVER__LISTEN_ADDR` override its keys
    #[arg(long, value_name = "FILE", env = "GATEWAY_CONFIG_FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check a configuration, or print the one in effect
    #[command(after_help = "Exit codes: 0 valid or printed, 1 not valid or not readable, 2 wrong arguments.")]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the CRD as YAML
    #[command(after_help = "Exit codes: 0 printed, 2 wrong arguments.")]
    Crd,
    /// Explain what the gateway would do with an alert or event
    ///
    /// Reads, as JSON, an Alertmanager webhook, an alert or a list of alerts as returned by Alertmanager's API, or a
    /// Kubernetes Event. Makes the same lookups as a gateway with the same configuration, in the cluster that KUBECONFIG
    /// names or that it runs in, and writes nothing. The report contains only what identifies resources, and no other
    /// part of the payload.
    #[command(after_help = "Exit codes: 0 explained, 1 no usable input or no cluster, 2 wrong arguments.")]
    Explain {
        /// JSON file; `-` or none for standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Do not contact the cluster; report what would be looked up
        #[arg(long)]
        offline: bool,
        /// Print the report as one JSON document
        #[arg(long)]
        json: bool,
        /// Namespace of the RemediationRequests; POD_NAMESPACE or the kubeconfig's namespace if absent
        #[arg(long, short, value_name = "NAMESPACE")]
        namespace: Option<String>,
    },
    /// Remove the gateways' finalizer from all RemediationRequests in a namespace
    ///
    /// Run it before the gateways are uninstalled: RemediationRequests that still carry the finalizer after the last
    /// gateway has stopped cannot be deleted. No gateway may run in the namespace meanwhile.
    #[command(
        group(ArgGroup::new("stopped").required(true).args(["scale_down", "yes"])),
        after_help = "Exit codes: 0 done, 1 a request failed, 2 wrong arguments, 3 gateways are still running, 4 claims are left."
    )]
    ReleaseClaims {
        /// Namespace of the RemediationRequests; POD_NAMESPACE or the kubeconfig's namespace if absent
        #[arg(long, short, value_name = "NAMESPACE")]
        namespace: Option<String>,
        /// Scale this Deployment to zero first, and wait until its pods are gone
        #[arg(long, value_name = "deployment/NAME")]
        scale_down: Option<String>,
        /// How long to wait for its pods to terminate
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
        wait: Duration,
        /// Confirm that no gateway runs in the namespace, and start at once
        #[arg(long)]
        yes: bool,
        /// Also delete the gateways' leases: locks and counters
        #[arg(long)]
        leases: bool,
    },
    /// Print shell completions
    ///
    /// For bash: `source <(gateway completions bash)`; for zsh and fish, write them to a file in the shell's completion
    /// path, such as `~/.config/fish/completions/gateway.fish`.
    #[command(after_help = "Exit codes: 0 printed, 2 wrong arguments.")]
    Completions {
        /// Shell to print them for
        shell: Shell,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Validate a configuration as at startup, and report all errors at once
    ///
    /// Environment variables `GATEWAY__…` apply as they do at startup.
    #[command(after_help = "Exit codes: 0 valid, 1 not valid or not readable, 2 wrong arguments.")]
    Check {
        /// YAML file, `-` for standard input; the file of `--config` if absent
        file: Option<PathBuf>,
        /// Do not check that the files named in the configuration exist
        #[arg(long)]
        syntax_only: bool,
    },
    /// Print the configuration in effect as YAML, with the origin of each value; secrets are masked
    #[command(after_help = "Exit codes: 0 printed, 1 not valid or not readable, 2 wrong arguments.")]
    Print {
        /// YAML file, `-` for standard input; the file of `--config` if absent
        file: Option<PathBuf>,
    },
}

/// What named the configuration file.
pub(crate) fn config_named_by(matches: &ArgMatches, argument: bool) -> &'static str {
    match matches.value_source("config") {
        _ if argument => "argument",
        Some(ValueSource::CommandLine) => "flag: --config",
        _ => "environment: GATEWAY_CONFIG_FILE",
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = SpanParser::new().parse_unsigned_duration(text);
    parsed.map_err(|_| "expected a duration such as `60s` or `2m`".to_owned())
}
