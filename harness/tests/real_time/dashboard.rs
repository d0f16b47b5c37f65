//! The dashboard's queries, on a real Prometheus that scrapes gateways at work.
//!
//! Skipped, with a line that says so, without Prometheus (`PROMETHEUS`, or in the path).

use std::{
    collections::BTreeSet,
    env, fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{Router, routing::get};
use gateway::{config::AuthMode, context::Context, metrics::Metrics};
use harness::{
    control_plane::free_port,
    fleet::embedded_api,
    load::webhook,
    replica::{NAMESPACE, ReplicaSpec, Served, config},
    testing::{PROMETHEUS, skip},
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// On a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
const DASHBOARD: &str = include_str!("../../../gateway/deploy/dashboards/gateway.json");

/// What is not there before something fails that does not fail here.
const FAULTS: [&str; 2] = ["gateway_crd_creation_errors_total", "gateway_counts_indeterminate_total"];

/// Ended when dropped.
pub(super) struct Prometheus {
    process: Child,
    pub(super) address: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes `targets` every second, as the chart's ServiceMonitor would have it labelled.
    pub(super) fn start(targets: &[(&str, SocketAddr)], arguments: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let groups = targets.iter().map(|(pod, address)| {
            json!({ "targets": [address.to_string()], "labels": { "namespace": NAMESPACE, "pod": pod } })
        });
        let scrape = json!({ "job_name": "gateway-metrics", "static_configs": groups.collect::<Vec<_>>() });
        let file = folder.path().join("prometheus.json");
        let config =
            json!({ "global": { "scrape_interval": "1s", "scrape_timeout": "1s" }, "scrape_configs": [scrape] });
        fs::write(&file, config.to_string()).unwrap();
        let free = format!("127.0.0.1:{}", free_port());
        let program = env::var_os("PROMETHEUS").unwrap_or_else(|| "prometheus".into());
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display())).arg(format!("--web.listen-address={free}"));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        let started = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(process) = started else {
            skip("prometheus not found (apt install prometheus)");
            return None;
        };
        Some(Self { process, address: format!("http://{free}"), _folder: folder })
    }

    /// The series that `query` finds, or Prometheus' complaint.
    async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let url =
            reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.address), [("query", query)]).unwrap();
        let answer = reqwest::get(url).await.map_err(|error| error.to_string())?;
        let answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default()),
            _ => Err(answer["error"].to_string()),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a gateway with a process and certificates of its own has beside what those of the harness have.
async fn process() -> SocketAddr {
    let metrics = Metrics::new().unwrap();
    metrics.add_process().unwrap();
    metrics.tls_certificate_expiry_timestamp_seconds.set(Timestamp::now().as_second() + 86_400);
    let text = move || std::future::ready(metrics.render().unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", get(text))).await });
    address
}

/// Sends to each of `gateways` what it counts, what it rejects, and what it cannot read.
async fn send(gateways: &[Served]) {
    let now = Timestamp::now().to_string();
    let event = json!({ "type": "Warning", "reason": "BackOff", "metadata": { "namespace": "shop", "name": "e" },
        "involvedObject": { "kind": "Deployment", "name": "cart", "namespace": "shop" }, "lastTimestamp": now });
    for gateway in gateways {
        let url = |path: &str| format!("http://{}{path}", gateway.api);
        let mut pod = webhook("checkout", &now);
        pod["alerts"][0]["labels"] =
            json!({ "alertname": "A", "namespace": "shop", "pod": "checkout-7d9c5b6f4-4xv2k" });
        for body in [webhook("checkout", &now), pod, json!("nonsense")] {
            reqwest::Client::new().post(url(PROMETHEUS)).json(&body).send().await.unwrap();
        }
        reqwest::Client::new().post(url("/api/v1/signals/kubernetes-event")).json(&event).send().await.unwrap();
    }
}

/// With what Grafana puts in place of its variables.
fn filled(query: &str) -> String {
    let variables =
        [("$__rate_interval", "10s"), ("$__range", "1m"), ("$job", ".+"), ("$namespace", ".*"), ("$pod", ".*")];
    variables.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value))
}

#[tokio::test]
async fn every_panel_of_the_dashboard_shows_something_of_gateways_at_work() {
    let (api, _oracles) = embedded_api(Timestamp::now());
    let mut careful = config();
    careful.datastorage.url = Some("http://127.0.0.1:9".parse().unwrap());
    careful.tracing.endpoint = careful.datastorage.url.clone();
    careful.events.enabled = true;
    let mut guarded = careful.clone();
    guarded.auth.mode = AuthMode::Kubernetes;
    let mut gateways = Vec::new();
    for (name, config) in [("gateway-0", careful.clone()), ("gateway-1", careful), ("gateway-2", guarded)] {
        let spec = ReplicaSpec { config, ..ReplicaSpec::new(name) };
        gateways.push(spec.serve(api.client(name, NAMESPACE), Context::system()).await.unwrap());
    }
    let mut targets: Vec<_> = gateways.iter().map(|gateway| (gateway.name.as_str(), gateway.metrics)).collect();
    targets.push(("gateway-3", process().await));
    let Some(prometheus) = Prometheus::start(&targets, &[]) else { return };

    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let queries = |panel: &Value| -> Vec<String> {
        let targets = panel["targets"].as_array().unwrap().iter();
        targets.map(|target| filled(target["expr"].as_str().unwrap())).collect()
    };
    let is_fault = |query: &String| FAULTS.iter().any(|metric| query.contains(metric));
    let mut dark: BTreeSet<String> = panels.clone().flat_map(queries).filter(|query| !is_fault(query)).collect();
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while !dark.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "nothing to see: {dark:?}");
        send(&gateways).await;
        api.break_watches("gateway-0");
        tokio::time::sleep(Duration::from_secs(1)).await;
        for query in dark.clone() {
            if prometheus.query(&query).await.is_ok_and(|series| !series.is_empty()) {
                dark.remove(&query);
            }
        }
    }
    // Prometheus answers by now: whatever it complains about is wrong.
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let annotations = annotations.iter().map(|annotation| filled(annotation["expr"].as_str().unwrap()));
    for query in panels.flat_map(queries).chain(annotations.clone()) {
        assert_eq!(prometheus.query(&query).await.err(), None, "{query}");
    }
    let starts = prometheus.query(&annotations.clone().next().unwrap()).await.unwrap();
    assert_eq!(starts.len(), 1, "{starts:?}");
    for variable in dashboard["templating"]["list"].as_array().unwrap().iter().skip(1) {
        let text = filled(variable["query"].as_str().unwrap());
        let (series, label) =
            text.strip_prefix("label_values(").unwrap().trim_end_matches(')').rsplit_once(", ").unwrap();
        let found = prometheus.query(&format!("count by ({label}) ({series})")).await.unwrap();
        assert!(!found.is_empty() && found.iter().all(|series| series["metric"][label].is_string()), "{text}");
    }
    for gateway in gateways {
        gateway.shut_down(Duration::from_secs(10)).await;
    }
}
