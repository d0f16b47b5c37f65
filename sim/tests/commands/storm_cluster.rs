//! `sim storm --kubeconfig` on a real control plane.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use harness::control_plane::{ControlPlane, available_for_tests, for_tests};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::common::json_of;

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
    let result = json_of(&output);
    assert_eq!(output.status.code(), Some(0), "{result}");
    result
}

/// What kubectl prints, as the admin.
#[track_caller]
fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> String {
    let kubeconfig = plane.kubeconfig("admin").unwrap();
    let output = Command::new(plane.kubectl()).args(arguments).arg("--kubeconfig").arg(kubeconfig).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn expect_no_namespace(plane: &ControlPlane) {
    let active = "jsonpath={.items[?(@.status.phase=='Active')].metadata.name}";
    let left = kubectl(plane, &["get", "namespaces", "--output", active]);
    assert!(!left.contains("gateway-storm"), "{left}");
}

#[tokio::test]
async fn a_storm_removes_the_crd_that_it_made_and_no_other() {
    // Says why, if there is none. Others need theirs, so this test has a control plane of its own.
    if !available_for_tests() {
        return;
    }
    let plane = ControlPlane::start().await.unwrap();
    let kubeconfig = plane.kubeconfig("admin").unwrap();
    let kubectl = |arguments: &[&str]| kubectl(&plane, arguments);
    let crds = || kubectl(&["get", "crds", "--output", "name"]);
    storm(&kubeconfig, &[]);
    assert_eq!(crds(), "");
    expect_no_namespace(&plane);

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../harness/src/fleet/predecessor.yaml");
    kubectl(&["apply", "--filename", file]);
    let before = kubectl(&["get", "crds", "--output", "jsonpath={.items[0].spec}"]);
    storm(&kubeconfig, &[]);
    assert_eq!(kubectl(&["get", "crds", "--output", "jsonpath={.items[0].spec}"]), before);

    // As one that an earlier storm has left when it was cut off: somebody may use it by now.
    kubectl(&["label", "crds", "--all", "app.kubernetes.io/managed-by=gateway-sim"]);
    let uid = || kubectl(&["get", "crds", "--output", "jsonpath={.items[0].metadata.uid}"]);
    let before = uid();
    storm(&kubeconfig, &[]);
    assert_eq!(uid(), before);
}

#[tokio::test]
async fn a_storm_that_may_not_make_the_crd_leaves_no_namespace() {
    if !available_for_tests() {
        return;
    }
    let plane = ControlPlane::start().await.unwrap();
    let kubectl = |arguments: &[&str]| kubectl(&plane, arguments);
    kubectl(&["create", "clusterrole", "namespaces", "--verb=create,delete", "--resource=namespaces"]);
    kubectl(&["create", "clusterrolebinding", "namespaces", "--clusterrole=namespaces", "--user=gateway-pod-1"]);
    let mut storm = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output =
        storm.args(["storm", "--kubeconfig"]).arg(plane.kubeconfig("gateway-pod-1").unwrap()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("customresourcedefinitions"), "{error}");
    expect_no_namespace(&plane);
}

/// Runs `sim` with these arguments as the admin, and shows each line of its standard error as it comes; the exit code.
#[track_caller]
fn watched(plane: &ControlPlane, arguments: &[&str], mut shown: impl FnMut(&Child, &str)) -> Option<i32> {
    let mut sim = Command::new(env!("CARGO_BIN_EXE_sim"));
    sim.args(arguments).arg("--kubeconfig").arg(plane.kubeconfig("admin").unwrap());
    let mut sim = sim.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for line in BufReader::new(sim.stderr.take().unwrap()).lines().map_while(Result::ok) {
        shown(&sim, &line);
    }
    sim.wait().unwrap().code()
}

#[tokio::test]
async fn a_storm_that_is_interrupted_removes_what_it_made() {
    if !available_for_tests() {
        return;
    }
    let plane = ControlPlane::start().await.unwrap();
    let mut last = String::new();
    let code = watched(&plane, &["storm", "--signals", "10000", "--fingerprints", "10000"], |storm, line| {
        if line.starts_with("posting") {
            kill_process(Pid::from_child(storm), Signal::INT).unwrap();
        }
        line.clone_into(&mut last);
    });
    assert_eq!((code, last.as_str()), (Some(2), "sim: interrupted"));
    expect_no_namespace(&plane);
    assert_eq!(kubectl(&plane, &["get", "crds", "--output", "name"]), "");
}

#[tokio::test]
async fn gateways_shut_down_when_a_storm_ends_by_an_error() {
    if !available_for_tests() {
        return;
    }
    let plane = ControlPlane::start().await.unwrap();
    let mut ends = 0;
    let code = watched(&plane, &["--log", "info", "storm", "--signals", "1"], |_, line| {
        if line.starts_with("posting") {
            plane.apiserver().kill();
        }
        ends += usize::from(line.ends_with("shut down"));
    });
    assert_eq!((code, ends), (Some(2), 3));
}
