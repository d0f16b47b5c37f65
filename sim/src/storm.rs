//! `sim storm`: many webhooks at once, spread over gateways on loopback sockets.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::ValueEnum;
use gateway::{context::Context, http::PROMETHEUS};
use harness::{
    load::{self, webhook},
    oracles::{End, Violation, occurrences},
    replica::{Served, config, metric, pod_name},
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    accounts::Accounts,
    backend::{self, Backend, pause},
    exit,
    outcome::{ApiRequests, Outcome},
    progress::Progress,
};

/// Options of `sim storm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Gateways
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=32))]
    replicas: u16,
    /// Webhooks, all at once
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    signals: u32,
    /// Resources that the webhooks are about
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    fingerprints: u32,
    /// How the gateways keep RemediationRequests unique
    #[arg(long, value_enum, default_value_t = Protocol::Fenced)]
    protocol: Protocol,
    /// Post this webhook instead of a made-up one
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprints")]
    payload: Option<PathBuf>,
    /// Use the cluster of this kubeconfig instead of the embedded Kubernetes API
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// How the gateways keep RemediationRequests unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// Lease and fence: the product
    Fenced,
    /// The fence alone
    FenceOnly,
}

/// Why a storm could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Backend(#[from] backend::Error),
    #[error(transparent)]
    Gateway(#[from] gateway::runtime::Error),
    #[error("--payload {path}: {source}")]
    Payload { path: String, source: std::io::Error },
    #[error("the HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
    #[error("the result cannot be printed as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A webhook that is not answered by then never will be.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long releases and first statuses may take after the last answer.
const REST_PATIENCE: Duration = Duration::from_secs(10);
const REST_POLL: Duration = Duration::from_millis(20);
/// How long the gateways may take to end.
const SHUT_DOWN_PATIENCE: Duration = Duration::from_secs(10);

/// Runs a storm; returns the exit code.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let mut progress = Progress::new(args.json);
    let bodies = bodies(&args)?;
    let backend = match &args.kubeconfig {
        None => Backend::embedded(),
        Some(kubeconfig) => {
            progress.step(&format!("preparing the cluster of {} …", kubeconfig.display()));
            Backend::cluster(kubeconfig).await?
        }
    };
    progress.step(&format!("{} gateways on loopback sockets, {}", args.replicas, backend.describe()));
    let gateways = start(&args, &backend).await?;
    backend.watched(gateways.len()).await;
    backend.clear_requests();
    progress.step(&format!("posting {} webhooks at once …", args.signals));
    let (load, accounts) = post(&args, &gateways, bodies, &mut progress).await?;
    let outcome = settle(&args, &backend, &gateways, &load, &accounts).await?;
    for gateway in gateways {
        gateway.shut_down(SHUT_DOWN_PATIENCE).await;
    }
    backend.clean_up().await?;
    let code = if outcome.violations.is_empty() { exit::OK } else { exit::VIOLATION };
    if args.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        println!("\n{outcome}");
    }
    Ok(code)
}

/// The webhooks, one for each resource.
#[allow(clippy::disallowed_methods, reason = "alerts that fire now")]
fn bodies(args: &Args) -> Result<Vec<Bytes>, Error> {
    if let Some(path) = &args.payload {
        let read = std::fs::read(path);
        let body = read.map_err(|source| Error::Payload { path: path.display().to_string(), source })?;
        return Ok(vec![Bytes::from(body)]);
    }
    let now = Timestamp::now().to_string();
    let resource = |number| if args.fingerprints == 1 { "checkout".to_owned() } else { format!("checkout-{number}") };
    Ok((0..args.fingerprints).map(|number| Bytes::from(webhook(&resource(number), &now).to_string())).collect())
}

async fn start(args: &Args, backend: &Backend) -> Result<Vec<Served>, Error> {
    let mut gateways = Vec::new();
    for number in 1..=usize::from(args.replicas) {
        let name = pod_name(number);
        let mut config = config();
        if args.protocol == Protocol::FenceOnly {
            config.lock.patience = Duration::ZERO;
        }
        let client = backend.client(&name);
        gateways.push(Served::start(&name, backend.namespace(), config, client, Context::system()).await?);
    }
    Ok(gateways)
}

/// Posts all webhooks concurrently, spread over the gateways.
async fn post(
    args: &Args,
    gateways: &[Served],
    bodies: Vec<Bytes>,
    progress: &mut Progress,
) -> Result<(load::Outcome, Accounts), Error> {
    let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).build()?;
    let mut sending = JoinSet::new();
    let targets = gateways.iter().cycle().zip(bodies.iter().cycle());
    for (gateway, body) in targets.take(args.signals as usize) {
        let url = format!("http://{}{PROMETHEUS}", gateway.api);
        sending.spawn(send(client.clone(), url, body.clone()));
    }
    let (mut load, mut accounts) = (load::Outcome::default(), Accounts::default());
    while let Some(sent) = sending.join_next().await {
        let (status, body, took) = sent.unwrap_or_default();
        load.note(status, took);
        accounts.note(&body);
        progress.count(load.latencies.len(), args.signals as usize, "answered");
    }
    Ok((load, accounts))
}

/// Status (0: no answer), body and how long it took.
#[allow(clippy::disallowed_methods, reason = "storms run in real time")]
async fn send(client: reqwest::Client, url: String, body: Bytes) -> (u16, Value, Duration) {
    let began = Instant::now();
    let answer = client.post(url).header("content-type", "application/json").body(body).send().await;
    let Ok(answer) = answer else { return (0, Value::Null, began.elapsed()) };
    let status = answer.status().as_u16();
    let body = answer.bytes().await.unwrap_or_default();
    (status, serde_json::from_slice(&body).unwrap_or_default(), began.elapsed())
}

/// Waits until all is at rest, then judges.
async fn settle(
    args: &Args,
    backend: &Backend,
    gateways: &[Served],
    load: &load::Outcome,
    accounts: &Accounts,
) -> Result<Outcome, Error> {
    for _ in 0..REST_PATIENCE.as_millis() / REST_POLL.as_millis() {
        if backend.leases().await?.is_empty() {
            break;
        }
        pause(REST_POLL).await;
    }
    // What is sent after the answers, such as the first status, has been sent by now; later reads are not the gateways'.
    let by = backend.requests();
    let requests = backend.remediation_requests().await?;
    let leases = backend.leases().await?;
    let mut occurrence_counts: Vec<u64> = requests.iter().map(occurrences).collect();
    occurrence_counts.sort_unstable_by(|a, b| b.cmp(a));
    let mut failures = 0.0;
    for gateway in gateways {
        let url = format!("http://{}/metrics", gateway.metrics);
        let text = reqwest::get(url).await?.text().await?;
        failures += metric(&text, "gateway_lock_acquisition_failures_total").unwrap_or_default();
    }
    let leases_left = leases.len();
    let remediation_requests = requests.len();
    let end = End {
        requests,
        leases,
        attempted: accounts.attempted(),
        acknowledged: accounts.acknowledged.clone(),
        told: accounts.told.iter().cloned().collect(),
    };
    let mut violations = backend.oracles().finish(&end);
    violations.extend(unexpected(load, accounts, remediation_requests));
    Ok(Outcome {
        protocol: args.protocol.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default(),
        replicas: gateways.len(),
        signals: args.signals as usize,
        fingerprints: accounts.acknowledged.len(),
        statuses: load.statuses.clone(),
        remediation_requests,
        occurrence_counts,
        api_requests: ApiRequests { total: by.values().sum(), by },
        latency_ms: load.latency(),
        lock_acquisition_failures: failures as u64,
        leases_left,
        violations,
        backend: backend.describe(),
    })
}

/// What a storm in which nothing goes wrong must show beyond the oracles.
fn unexpected(load: &load::Outcome, accounts: &Accounts, remediation_requests: usize) -> Vec<Violation> {
    let mut messages = Vec::new();
    let refused: usize = load.statuses.iter().filter(|(status, _)| !(200..300).contains(*status)).map(|(_, n)| n).sum();
    if refused > 0 {
        messages.push(format!("{refused} webhooks were not acknowledged although nothing was made to fail"));
    }
    if remediation_requests != accounts.acknowledged.len() {
        messages
            .push(format!("{remediation_requests} RemediationRequests for {} resources", accounts.acknowledged.len()));
    }
    messages.into_iter().map(|message| Violation { oracle: "storm", version: None, message }).collect()
}
