//! `sim load`: webhooks to a gateway that runs elsewhere, sent again as Alertmanager would.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use gateway::http::PROMETHEUS;
use harness::load::{self, Percentiles, webhook};
use jiff::Timestamp;
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    exit,
    outcome::named,
    progress::Progress,
    sender::{Answer, Sender},
};

/// Options of `sim load`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Base address of the gateway or of the Service before it, such as `http://10.96.0.20:8080`; no https
    #[arg(long, value_parser = base)]
    url: reqwest::Url,
    /// Webhooks, 1 to 100000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    signals: u32,
    /// Resources that the webhooks are about, 1 to 10000
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    resources: u32,
    /// Prefix of the resources' names
    #[arg(long, default_value = "load")]
    prefix: String,
    /// Webhooks in flight at once, 1 to 1000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// Webhooks started per second, 1 to 10000; as fast as they are answered if absent
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// How long to retry a webhook that gets a 5xx or no response, 0 to 3600 s
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=3600))]
    retry_for: u64,
    /// Send the bearer token in this file, such as a pod's own
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The base address of a gateway.
fn base(text: &str) -> Result<reqwest::Url, String> {
    let example = "use a base address such as `http://10.96.0.20:8080`";
    let url: reqwest::Url = text.parse().map_err(|error| format!("{error}; {example}"))?;
    match () {
        // There are no certificate authorities in the image.
        () if url.scheme() != "http" => Err(format!("only http is supported; {example}")),
        () if url.query().is_some() || url.fragment().is_some() => {
            Err(format!("a query or fragment is not allowed; {example}"))
        }
        () if url.path().trim_end_matches('/').ends_with(PROMETHEUS) => {
            Err(format!("{PROMETHEUS} is appended to it; {example}"))
        }
        () => Ok(url),
    }
}

/// Why load could not be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("--token-file {path}: {source}")]
    Token { path: String, source: std::io::Error },
    #[error("cannot create the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot print the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Pauses between two tries begin with this and double, as Alertmanager's do.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// The result. Its JSON is an interface: fields are added, never changed.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// Webhooks, each sent until it was answered for good.
    signals: usize,
    /// Those that were acknowledged in the end.
    acknowledged: usize,
    /// Answers by HTTP status, to further tries too; 0 stands for no answer.
    statuses: BTreeMap<u16, usize>,
    /// From each try to its answer.
    latency_ms: Percentiles,
    /// By the name of the resource.
    resources: BTreeMap<String, Resource>,
}

/// What came of the webhooks about one resource.
#[derive(Debug, Default, Serialize)]
struct Resource {
    /// Tries, whatever came of them.
    attempted: usize,
    /// Webhooks that were acknowledged.
    acknowledged: usize,
    /// As the answers told; one, if all is well.
    fingerprints: BTreeSet<String>,
    /// As the answers told.
    remediation_requests: BTreeSet<String>,
}

/// Sends the load; returns the exit code.
pub(crate) async fn run(args: Args) -> Result<u8, Error> {
    let outcome = send(&args).await?;
    if args.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        println!("\n{outcome}");
    }
    Ok(if outcome.acknowledged == outcome.signals { exit::OK } else { exit::VIOLATION })
}

#[allow(clippy::disallowed_methods, reason = "load is sent in real time")]
async fn send(args: &Args) -> Result<Outcome, Error> {
    let sender = Sender::through_service(token(args)?)?;
    let url: Arc<str> = format!("{}{PROMETHEUS}", args.url.as_str().trim_end_matches('/')).into();
    let under_way = Arc::new(Semaphore::new(usize::from(args.concurrency)));
    let retry_for = Duration::from_secs(args.retry_for);
    let (began, starts_at) = (Instant::now(), Timestamp::now().to_string());
    let mut sending = JoinSet::new();
    for number in 0..args.signals {
        let resource = format!("{}-{}", args.prefix, number % args.resources);
        let body = Bytes::from(webhook(&resource, &starts_at).to_string());
        let begin = args.rate.map_or(began, |rate| began + Duration::from_secs(1) * number / rate);
        let (sender, url, under_way) = (sender.clone(), url.clone(), under_way.clone());
        sending.spawn(async move {
            sleep_until(begin).await;
            let _permit = under_way.acquire().await;
            (resource, until_answered(&sender, &url, body, retry_for).await)
        });
    }
    let (mut progress, mut done) = (Progress::new(args.json), 0);
    let (mut outcome, mut answers) = (Outcome::default(), load::Outcome::default());
    while let Some(sent) = sending.join_next().await {
        let (resource, tries) = sent.unwrap_or_default();
        outcome.note(resource, &tries, &mut answers);
        done += 1;
        progress.count(done, args.signals as usize, "answered");
    }
    outcome.latency_ms = answers.latency();
    outcome.statuses = answers.statuses;
    Ok(outcome)
}

fn token(args: &Args) -> Result<Option<String>, Error> {
    let Some(path) = &args.token_file else { return Ok(None) };
    let read = std::fs::read_to_string(path);
    let token = read.map_err(|source| Error::Token { path: path.display().to_string(), source })?;
    Ok(Some(token.trim().to_owned()))
}

/// Every try of one webhook. 5xx and silence ask for another one, anything else is final.
#[allow(clippy::disallowed_methods, reason = "load is sent in real time")]
async fn until_answered(sender: &Sender, url: &str, body: Bytes, retry_for: Duration) -> Vec<Answer> {
    let (began, mut backoff) = (Instant::now(), BACKOFF_FIRST);
    let mut tries = Vec::new();
    loop {
        let answer = sender.post(url, body.clone()).await;
        let again = answer.status == 0 || answer.status >= 500;
        tries.push(answer);
        if !again || began.elapsed() + backoff > retry_for {
            return tries;
        }
        sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

impl Outcome {
    /// Notes all tries of one webhook about `resource`.
    fn note(&mut self, resource: String, tries: &[Answer], answers: &mut load::Outcome) {
        let entry = self.resources.entry(resource).or_default();
        entry.attempted += tries.len();
        self.signals += 1;
        for Answer { status, body, took } in tries {
            answers.note(*status, *took);
            if matches!(body["status"].as_str(), Some("created" | "deduplicated")) {
                self.acknowledged += 1;
                entry.acknowledged += 1;
                entry.fingerprints.extend(body["fingerprint"].as_str().map(str::to_owned));
                entry.remediation_requests.extend(body["remediationRequestName"].as_str().map(str::to_owned));
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: Vec<String> =
            self.statuses.iter().map(|(status, n)| format!("{n} × {}", named(*status))).collect();
        let Percentiles { p50, p95, p99, max } = self.latency_ms;
        writeln!(f, "  answers    {}", statuses.join(", "))?;
        writeln!(f, "  latency    p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, max {max:.1} ms")?;
        let verdict = if self.acknowledged == self.signals { "PASS" } else { "FAIL" };
        write!(f, "\n{verdict}  {} of {} signals acknowledged", self.acknowledged, self.signals)
    }
}
