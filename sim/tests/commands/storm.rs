//! `sim storm` as its users run it: options in, result and exit code out.

use std::{collections::BTreeSet, path::Path, process::Output};

use rstest::rstest;
use serde_json::{Value, json};

use super::common::{json_of, sim};

/// Alerts of several resources in one webhook, as Alertmanager sent them.
const GROUP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/fixtures/alertmanager/firing_group.json");

fn storm(options: &[&str]) -> Output {
    sim(&[&["storm"], options].concat())
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_hundred_webhooks_at_once_make_one_remediation_request_that_counts_them_all() {
    let output = storm(&["--json"]);
    let result = json_of(&output);
    assert_eq!(output.status.code(), Some(0), "{result}");
    assert_eq!(result["protocol"], "fenced");
    assert_eq!((&result["replicas"], &result["signals"]), (&json!(3), &json!(100)));
    assert_eq!(result["statuses"], json!({ "201": 1, "202": 99 }));
    assert_eq!(result["remediation_requests"], 1);
    assert_eq!(result["occurrence_counts"], json!([100]));
    assert_eq!(result["lock_acquisition_failures"], 0);
    assert_eq!(result["leases_left"], 0);
    assert_eq!(result["violations"], json!([]));
    let requests = &result["api_requests"];
    let by: u64 = requests["by"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(requests["total"], by);
}

#[test]
fn the_json_has_the_fields_that_were_promised_and_no_others() {
    let result = json_of(&storm(&["--json", "--replicas", "1", "--signals", "2"]));
    let promised = [
        "protocol",
        "replicas",
        "signals",
        "statuses",
        "remediation_requests",
        "occurrence_counts",
        "api_requests",
        "latency_ms",
        "lock_acquisition_failures",
        "leases_left",
        "violations",
    ];
    assert_eq!(keys(&result), BTreeSet::from(promised));
    assert_eq!(keys(&result["api_requests"]), BTreeSet::from(["total", "by"]));
    assert_eq!(keys(&result["latency_ms"]), BTreeSet::from(["p50", "p95", "p99", "max"]));
}

/// On a machine that is busy enough, webhooks come one after the other and make one RemediationRequest, but then their
/// counts collide: which of the two oracles speaks is a matter of luck, that one does is not.
#[rstest]
fn a_protocol_that_is_not_safe_is_found_out(#[values("unlocked", "lease-only")] protocol: &str) {
    let output = storm(&["--json", "--protocol", protocol]);
    let result = json_of(&output);
    assert_eq!(output.status.code(), Some(1), "{result}");
    assert_eq!(result["protocol"], protocol);
    let violations = result["violations"].as_array().unwrap();
    let expected = [json!("single-active"), json!("counts")];
    assert!(violations.iter().any(|violation| expected.contains(&violation["oracle"])), "{result}");
}

#[rstest]
#[case::fence_only("fence-only")]
#[case::derived_only("derived-only")]
fn a_protocol_without_lock_holds_while_nothing_is_deleted(#[case] protocol: &str) {
    let output = storm(&["--json", "--protocol", protocol]);
    let result = json_of(&output);
    assert_eq!(output.status.code(), Some(0), "{result}");
    assert_eq!(result["occurrence_counts"], json!([100]));
    let by = result["api_requests"]["by"].as_object().unwrap();
    assert!(!by.contains_key("delete leases"), "counters apart, there are none: {result}");
}

#[test]
fn a_webhook_from_a_file_is_posted_as_it_is() {
    let output = storm(&["--json", "--payload", GROUP]);
    let result = json_of(&output);
    assert_eq!(output.status.code(), Some(0), "{result}");
    assert_eq!(result["statuses"], json!({ "207": 100 }));
    // Three of its five alerts are about pods, whose Deployment is not there: they stand for themselves.
    assert_eq!(result["occurrence_counts"], json!([100, 100, 100, 100, 100]));
}

#[test]
fn the_report_is_a_page_with_the_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.html");
    let output = storm(&["--signals", "10", "--report", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("PASS"));
    let html = std::fs::read_to_string(&path).unwrap();
    assert!(html[..15].eq_ignore_ascii_case("<!doctype html>") && html.contains("PASS"), "{html}");
}

#[rstest]
#[case::unknown_protocol(&["--protocol", "locked"])]
#[case::no_replicas(&["--replicas", "0"])]
#[case::payload_and_fingerprints(&["--payload", GROUP, "--fingerprints", "2"])]
#[case::missing_payload(&["--payload", "/nowhere/webhook.json"])]
#[case::report_into_no_directory(&["--signals", "1", "--report", "/nowhere/report.html"])]
fn what_cannot_be_carried_out_is_a_usage_error(#[case] options: &[&str]) {
    assert!(!Path::new("/nowhere").exists());
    let output = storm(options);
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stderr.is_empty());
}
