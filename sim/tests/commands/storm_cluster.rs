//! `sim storm --kubeconfig` on a real control plane.

use std::{path::Path, process::Command};

use harness::control_plane::{ControlPlane, for_tests};
use rstest::rstest;
use serde_json::{Value, json};

#[rstest]
#[case::one_resource(&[], &[100])]
#[case::many_resources(&["--fingerprints", "4", "--signals", "60"], &[15, 15, 15, 15])]
#[tokio::test]
async fn a_storm_on_a_real_cluster_makes_one_remediation_request_per_resource(
    #[case] options: &[&str],
    #[case] counts: &[u64],
) {
    let Some(plane) = for_tests().await else { return };
    let result = storm(&plane.kubeconfig("admin").unwrap(), options);
    assert_eq!(result["occurrence_counts"], json!(counts));
    assert_eq!((&result["leases_left"], &result["violations"]), (&json!(0), &json!([])));
}

#[track_caller]
fn storm(kubeconfig: &Path, options: &[&str]) -> Value {
    let mut storm = Command::new(env!("CARGO_BIN_EXE_sim"));
    storm.args(["storm", "--json", "--kubeconfig"]).arg(kubeconfig).args(options);
    let output = storm.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let result: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(output.status.code(), Some(0), "{result}");
    result
}

#[tokio::test]
async fn a_storm_removes_the_crd_that_it_made_and_no_other() {
    // Says why, if there is none. Others need theirs, so this test has a control plane of its own.
    if for_tests().await.is_none() {
        return;
    }
    let plane = ControlPlane::start().await.unwrap();
    let kubeconfig = plane.kubeconfig("admin").unwrap();
    let kubectl = |arguments: &[&str]| {
        let output =
            Command::new(plane.kubectl()).args(arguments).arg("--kubeconfig").arg(&kubeconfig).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let crds = || kubectl(&["get", "crds", "--output", "name"]);
    storm(&kubeconfig, &[]);
    assert_eq!(crds(), "");
    let left =
        kubectl(&["get", "namespaces", "--output", "jsonpath={.items[?(@.status.phase=='Active')].metadata.name}"]);
    assert!(!left.contains("gateway-storm"), "{left}");

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../harness/src/fleet/predecessor.yaml");
    kubectl(&["apply", "--filename", file]);
    let before = kubectl(&["get", "crds", "--output", "jsonpath={.items[0].spec}"]);
    storm(&kubeconfig, &[]);
    assert_eq!(kubectl(&["get", "crds", "--output", "jsonpath={.items[0].spec}"]), before);
}
