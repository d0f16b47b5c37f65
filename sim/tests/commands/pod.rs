//! `sim gateway` as `scripts/perf` runs it: a process configured by environment.

use std::{process::Command, thread, time::Duration};

use harness::{
    control_plane::free_port,
    process::Process,
    replica::{NAMESPACE, metric},
};
use rstest::rstest;
use serde_json::json;

use super::common::{Serve, json_of, sim};

async fn get(address: &str, path: &str) -> Option<String> {
    let answer = reqwest::get(format!("http://{address}{path}")).await.ok()?;
    if answer.status().is_success() { answer.text().await.ok() } else { None }
}

async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..2_400 {
        if let Some(seen) = look().await {
            return seen;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("not within two minutes");
}

/// Five signals on one resource, one after the other; `leases` and `patches` are what only some protocols need.
#[rstest]
#[case::fenced("fenced", true, true)]
#[case::lease_only("lease-only", true, false)]
#[case::unlocked("unlocked", false, false)]
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_any_protocol_is_a_process_configured_by_its_environment(
    #[case] protocol: &str,
    #[case] leases: bool,
    #[case] patches: bool,
) {
    gateway::crypto::install_default();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    let _api = Serve::start(&kubeconfig, &["--replicas", "1"]);
    let [listen, health, metrics] = [(); 3].map(|()| format!("127.0.0.1:{}", free_port()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command
        .args(["gateway", "--protocol", protocol])
        .env("KUBECONFIG", &kubeconfig)
        .env("POD_NAME", "gateway-pod-9")
        .env("POD_NAMESPACE", NAMESPACE)
        .env("GATEWAY__AUTH__MODE", "none")
        .env("GATEWAY__SCOPE__REQUIRE_MANAGED_LABEL", "false")
        .env("GATEWAY__SERVER__LISTEN_ADDR", &listen)
        .env("GATEWAY__SERVER__HEALTH_ADDR", &health)
        .env("GATEWAY__SERVER__METRICS_ADDR", &metrics);
    let process = Process::start(protocol, command, &directory.path().join("log")).unwrap();
    eventually(async || get(&health, "/readyz").await).await;

    let url = format!("http://{listen}");
    let outcome = json_of(&sim(&["load", "--json", "--signals", "5", "--concurrency", "1", "--url", &url]));
    assert_eq!(outcome["statuses"], json!({ "201": 1, "202": 4 }), "{outcome}");

    let text = get(&metrics, "/metrics").await.unwrap();
    let asked = |verb: &str, resource: &str| {
        let series =
            format!("gateway_kubernetes_request_duration_seconds_count{{resource=\"{resource}\",verb=\"{verb}\"}}");
        metric(&text, &series).is_some_and(|requests| requests > 0.0)
    };
    assert_eq!(asked("create", "leases"), leases, "{text}");
    assert_eq!(asked("patch", "remediationrequests/status"), patches, "{text}");

    process.terminate().unwrap();
    let status = eventually(async || process.exited()).await;
    assert_eq!(status.code(), Some(0), "{}", process.log_tail(10));
}

#[test]
fn a_gateway_that_does_not_know_who_it_is_refuses_to_start() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.arg("gateway").env_remove("POD_NAME").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("POD_NAME"), "{output:?}");
}
