//! Exemplars on a real Prometheus, which asks for OpenMetrics and parses it.
//!
//! Skipped, with a line that says so, without Prometheus (`PROMETHEUS`, or in the path).

use std::time::Duration;

use gateway::context::Context;
use harness::{
    fleet::embedded_api,
    load::webhook,
    replica::{NAMESPACE, ReplicaSpec, config, pod_name},
    testing::PROMETHEUS,
};
use jiff::Timestamp;
use serde_json::Value;

use super::dashboard::Prometheus;

/// On a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn prometheus_finds_the_trace_and_the_request_behind_an_observation() {
    let (api, _) = embedded_api(Timestamp::now());
    let mut config = config();
    config.tracing.endpoint = "http://127.0.0.1:9".parse().ok();
    let spec = ReplicaSpec { config, ..ReplicaSpec::new(pod_name(1)) };
    let served = spec.serve(api.client(&pod_name(1), NAMESPACE), Context::system()).await.unwrap();
    let arguments = ["--enable-feature=exemplar-storage"];
    let Some(prometheus) = Prometheus::start(&[("gateway-pod-1", served.metrics)], &arguments) else { return };
    let request = reqwest::Client::new().post(format!("http://{}{PROMETHEUS}", served.api));
    let request =
        request.header("x-request-id", "find-me").header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let answer = request.json(&webhook("checkout", &Timestamp::now().to_string())).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    for (name, labels) in [
        ("gateway_http_request_duration_seconds", r#"status="201""#),
        ("gateway_kubernetes_request_duration_seconds", r#"resource="remediationrequests",verb="create""#),
    ] {
        let labels = exemplar(&prometheus, &format!("{name}_bucket{{{labels}}}")).await;
        assert_eq!((labels["trace_id"].as_str(), labels["request_id"].as_str()), (Some(TRACE), Some("find-me")));
    }
    let metadata = get(&prometheus, "metadata", &[("metric", "gateway_crds_created")]).await;
    assert_eq!(metadata["data"]["gateway_crds_created"][0]["type"], "counter", "{metadata}");
    served.shut_down(TIMEOUT).await;
}

/// The labels of the first exemplar of `query`.
async fn exemplar(prometheus: &Prometheus, query: &str) -> Value {
    let wait = async {
        loop {
            let now = Timestamp::now().as_second();
            let (start, end) = ((now - 600).to_string(), (now + 60).to_string());
            let found = get(prometheus, "query_exemplars", &[("query", query), ("start", &start), ("end", &end)]).await;
            let labels = &found["data"][0]["exemplars"][0]["labels"];
            if labels.is_object() {
                return labels.clone();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, wait).await.unwrap_or_else(|_| panic!("no exemplar of {query} in time"))
}

async fn get(prometheus: &Prometheus, path: &str, query: &[(&str, &str)]) -> Value {
    let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/{path}", prometheus.address), query).unwrap();
    match reqwest::get(url).await {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        Err(_) => Value::Null,
    }
}
