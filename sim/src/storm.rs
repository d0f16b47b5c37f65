//! `sim storm`: many webhooks at once, spread over gateways on loopback sockets.

use std::{fs::OpenOptions, path::PathBuf, pin::pin, time::Duration};

use bytes::Bytes;
use futures::future::{Either, join_all, select};
use gateway::{context::Context, dedup::bounds, http::PROMETHEUS};
use harness::{
    baselines::Protocol,
    load::{self, webhook},
    oracles::{End, Violation, is_at_rest, is_counter, occurrences},
    replica::{ReplicaSpec, Served, config, metric, pod_name},
};
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::{
    accounts::Accounts,
    backend::{self, Backend, pause},
    exit,
    interrupt::Interrupt,
    origin::Origin,
    outcome::{Answered, ApiRequests, Outcome, plural},
    progress::Progress,
    protocol, report,
    sender::{Answer, Sender},
};

/// Options of `sim storm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Gateways, 1 to 32
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=32))]
    replicas: u16,
    /// Webhooks, all at once, 1 to 10000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    signals: u32,
    /// Resources that the webhooks are about, 1 to 10000
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    fingerprints: u32,
    /// How the gateways keep RemediationRequests unique
    #[arg(long, default_value_t, value_parser = protocol::parser())]
    protocol: Protocol,
    /// Post this webhook instead of a generated one
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprints")]
    payload: Option<PathBuf>,
    /// Use the cluster of this kubeconfig instead of the embedded Kubernetes API. Creates a namespace, and the CRD if it is
    /// missing, and removes them at the end
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write the result as a page to this file
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
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
    #[error("cannot create the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot print the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("--report {path}: {source}")]
    Report { path: String, source: std::io::Error },
    #[error("cannot handle Ctrl-C: {0}")]
    Interrupt(std::io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// Beyond the gateways' own bounds: other programs want the processor.
const MARGIN: Duration = Duration::from_secs(15);
const REST_POLL: Duration = Duration::from_millis(20);
/// So many polls in a row must find no lease and no further request.
const REST_POLLS: usize = 5;

/// How long the gateways may take to end; nothing is under way any more, and what drags on ends with this process.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a storm; returns the exit code.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let mut progress = Progress::new(args.json);
    let bodies = bodies(&args)?;
    if let Some(path) = &args.report {
        // Before the work, not after it: a folder that is not there, or that nobody may write to.
        let failed = |source| Error::Report { path: path.display().to_string(), source };
        OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
    }
    // What this makes in a cluster is removed also if Ctrl-C ends it.
    let mut interrupt = Interrupt::listen().map_err(Error::Interrupt)?;
    let backend = match &args.kubeconfig {
        None => Backend::embedded(),
        Some(kubeconfig) => {
            progress.step(&format!("preparing the cluster of {} …", kubeconfig.display()));
            Backend::cluster(kubeconfig).await?
        }
    };
    let outcome = storm(&args, &backend, bodies, &mut interrupt, &mut progress).await;
    // Whatever became of it.
    let cleaned = backend.clean_up().await;
    if let Err(error) = &cleaned {
        progress.step(&format!("the cleanup of {} may be incomplete: {error}", backend.describe()));
    }
    let outcome = outcome?;
    if cleaned? {
        progress.step("the CRD remediationrequests.kubernaut.ai is kept: others in this cluster now use it");
    }
    let code = if outcome.violations.is_empty() { exit::OK } else { exit::VIOLATION };
    if args.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        println!("\n{outcome}");
    }
    if let Some(path) = &args.report {
        let failed = |source| Error::Report { path: path.display().to_string(), source };
        std::fs::write(path, report::page(&outcome, &Origin::of_this_process())).map_err(failed)?;
    }
    Ok(code)
}

/// From the start of the gateways to their end, which comes whatever becomes of the storm.
async fn storm(
    args: &Args,
    backend: &Backend,
    bodies: Vec<Bytes>,
    interrupt: &mut Interrupt,
    progress: &mut Progress,
) -> Result<Outcome, Error> {
    let mut gateways = Vec::new();
    let work = between(args, backend, bodies, progress, &mut gateways);
    let outcome = match select(pin!(work), pin!(interrupt.told())).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Error::Interrupted),
    };
    join_all(gateways.into_iter().map(|gateway| gateway.shut_down(SHUT_DOWN_TIMEOUT))).await;
    outcome
}

/// Starts `gateways`, and makes the storm.
async fn between(
    args: &Args,
    backend: &Backend,
    bodies: Vec<Bytes>,
    progress: &mut Progress,
    gateways: &mut Vec<Served>,
) -> Result<Outcome, Error> {
    progress.step(&format!("{} gateways on loopback sockets, {}", args.replicas, backend.describe()));
    start(args, backend, gateways).await?;
    if args.protocol.is_product() {
        backend.watched(gateways.len()).await;
    }
    backend.clear_requests();
    progress.step(&format!("posting {} webhooks at once …", args.signals));
    let (answers, accounts) = post(args, gateways, bodies, progress).await?;
    settle(args, backend, gateways, answers, &accounts).await
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

async fn start(args: &Args, backend: &Backend, gateways: &mut Vec<Served>) -> Result<(), Error> {
    for number in 1..=usize::from(args.replicas) {
        let name = pod_name(number);
        let (client, namespace) = (backend.client(&name), backend.namespace().to_owned());
        let gateway = ReplicaSpec { namespace, protocol: args.protocol, ..ReplicaSpec::new(name) };
        gateways.push(gateway.serve(client, Context::system()).await?);
    }
    Ok(())
}

/// Posts all webhooks concurrently, spread over the gateways.
async fn post(
    args: &Args,
    gateways: &[Served],
    bodies: Vec<Bytes>,
    progress: &mut Progress,
) -> Result<(Vec<Answered>, Accounts), Error> {
    let sender = Sender::new()?;
    let mut sending = JoinSet::new();
    let targets = gateways.iter().enumerate().cycle().zip(bodies.iter().enumerate().cycle());
    for ((gateway, served), (number, body)) in targets.take(args.signals as usize) {
        let url = format!("http://{}{PROMETHEUS}", served.api);
        let (sender, body) = (sender.clone(), body.clone());
        sending.spawn(async move { (gateway, number, sender.post(&url, body).await) });
    }
    let (mut answers, mut accounts) = (Vec::new(), Accounts::default());
    while let Some(sent) = sending.join_next().await {
        let (gateway, number, Answer { status, body, took }) = sent.unwrap_or_default();
        answers.push(Answered { gateway, status, took });
        accounts.note(number, &body);
        progress.count(answers.len(), args.signals as usize, "answered");
    }
    Ok((answers, accounts))
}

/// Waits until no lock and no claim is left, what is counted is projected, and no request is sent any more.
async fn rest(backend: &Backend) -> Result<(), Error> {
    let (mut quiet, mut before) = (0, 0);
    let timeout = bounds::settled_within(&config()) + MARGIN;
    for _ in 0..timeout.as_millis() / REST_POLL.as_millis() {
        let sent: usize = backend.requests().values().sum();
        let rests = sent == before && is_at_rest(&backend.leases().await?, &backend.remediation_requests().await?);
        (quiet, before) = (if rests { quiet + 1 } else { 0 }, sent);
        if quiet >= REST_POLLS {
            break;
        }
        pause(REST_POLL).await;
    }
    Ok(())
}

/// Waits until all is at rest, then judges.
async fn settle(
    args: &Args,
    backend: &Backend,
    gateways: &[Served],
    answers: Vec<Answered>,
    accounts: &Accounts,
) -> Result<Outcome, Error> {
    rest(backend).await?;
    // Later reads are not the gateways'.
    let by = backend.requests();
    let requests = backend.remediation_requests().await?;
    let leases = backend.leases().await?;
    let mut occurrence_counts: Vec<u64> = requests.iter().map(occurrences).collect();
    occurrence_counts.sort_unstable_by(|a, b| b.cmp(a));
    let mut load = load::Outcome::default();
    answers.iter().for_each(|answer| load.note(answer.status, answer.took));
    let (leases_left, remediation_requests) =
        (leases.iter().filter(|lease| !is_counter(lease)).count(), requests.len());
    let end = End {
        attempted: accounts.attempted(&requests),
        requests,
        leases,
        acknowledged: accounts.acknowledged.clone(),
        told: accounts.told.iter().cloned().collect(),
    };
    let mut violations = backend.finish(&end).await?;
    violations.extend(unexpected(&load, accounts, remediation_requests));
    Ok(Outcome {
        protocol: args.protocol,
        replicas: gateways.len(),
        signals: args.signals as usize,
        latency_ms: load.latency(),
        statuses: load.statuses,
        remediation_requests,
        occurrence_counts,
        api_requests: ApiRequests { total: by.values().sum(), by },
        lock_acquisition_failures: lock_acquisition_failures(gateways).await?,
        leases_left,
        violations,
        fingerprints: accounts.acknowledged.len(),
        acknowledged: accounts.acknowledged.values().sum(),
        backend: backend.describe(),
        answers,
    })
}

/// The sum of the metric over all gateways.
async fn lock_acquisition_failures(gateways: &[Served]) -> Result<u64, Error> {
    let mut failures = 0.0;
    for gateway in gateways {
        let text = reqwest::get(format!("http://{}/metrics", gateway.metrics)).await?.text().await?;
        failures += metric(&text, "gateway_lock_acquisition_failures_total").unwrap_or_default();
    }
    Ok(failures as u64)
}

/// What a storm in which nothing goes wrong must show beyond the oracles.
fn unexpected(load: &load::Outcome, accounts: &Accounts, remediation_requests: usize) -> Vec<Violation> {
    let mut messages = Vec::new();
    let refused: usize = load.statuses.iter().filter(|(status, _)| !(200..300).contains(*status)).map(|(_, n)| n).sum();
    if refused > 0 {
        let webhooks = plural(refused, "webhook");
        messages.push(format!("{webhooks} not acknowledged although no faults were injected"));
    }
    let resources = accounts.acknowledged.len();
    if remediation_requests != resources {
        let (requests, resources) = (plural(remediation_requests, "RemediationRequest"), plural(resources, "resource"));
        messages.push(format!("{requests} for {resources}"));
    }
    messages.into_iter().map(|message| Violation { oracle: "storm", version: None, message }).collect()
}
