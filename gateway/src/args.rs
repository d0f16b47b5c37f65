//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, ArgMatches, Parser, Subcommand, parser::ValueSource};
use clap_complete::Shell;
use jiff::fmt::friendly::SpanParser;

const EXIT_CODES: &str = "\
Signals: SIGTERM and SIGINT end it after the requests under way; SIGHUP reads the configuration file again.
Exit codes: 0 ended when told to, 1 could not start or carry out the command (the message says why), 2 wrong arguments.";

/// Turns Alertmanager webhooks and Kubernetes events into one active RemediationRequest per resource
///
/// Without a command, it is a gateway: it serves until it is told to end. It needs POD_NAME and POD_NAMESPACE, and the
/// cluster that it runs in or that KUBECONFIG names.
#[derive(Parser)]
#[command(version = gateway::version::version(), after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// YAML file; every key can also be set by environment, such as `GATEWAY__SERVER__LISTEN_ADDR`
    #[arg(long, value_name = "FILE", env = "GATEWAY_CONFIG_FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check a configuration, or show the one in effect
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the CRD as YAML
    #[command(after_help = "Exit codes: 0 printed, 2 wrong arguments.")]
    Crd,
    /// Tell what would become of an alert or event, and why
    ///
    /// Reads an Alertmanager webhook, an alert or a list of alerts as its API shows them, or a Kubernetes Event, as JSON.
    /// Looks up what a gateway with the same configuration would, in the cluster that KUBECONFIG names or that it runs in,
    /// and writes nothing. The report holds what names a resource and no other part of the payload.
    #[command(
        after_help = "Exit codes: 0 explained, 1 there was nothing to explain or no cluster to ask, 2 wrong arguments."
    )]
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
    /// meanwhile.
    #[command(
        group(ArgGroup::new("stopped").required(true).args(["scale_down", "yes"])),
        after_help = "Exit codes: 0 done, 1 a request failed, 2 wrong arguments, 3 gateways still run, 4 claims are left."
    )]
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
    /// Print completions for a shell
    ///
    /// For bash: `source <(gateway completions bash)`; for zsh and fish, write them to a file that the shell looks for, such
    /// as `~/.config/fish/completions/gateway.fish`.
    #[command(after_help = "Exit codes: 0 printed, 2 wrong arguments.")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration as a start would, and report all errors at once
    ///
    /// Variables `GATEWAY__…` of the environment count as they would at a start.
    #[command(after_help = "Exit codes: 0 valid, 1 not valid or not readable, 2 wrong arguments.")]
    Check {
        /// `-` for standard input; the file of `--config` if absent
        file: Option<PathBuf>,
        /// The files that it names need not be here
        #[arg(long)]
        syntax_only: bool,
    },
    /// Print the configuration in effect as YAML, with the origin of each value; secrets are masked
    #[command(after_help = "Exit codes: 0 printed, 1 not valid or not readable, 2 wrong arguments.")]
    Print {
        /// `-` for standard input; the file of `--config` if absent
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
    parsed.map_err(|_| "give a duration such as `60s` or `2m`".to_owned())
}
