//! `sim storm --kubeconfig` on a real control plane.

use std::process::Command;

use harness::control_plane::for_tests;
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
    let mut storm = Command::new(env!("CARGO_BIN_EXE_sim"));
    storm.args(["storm", "--json", "--kubeconfig"]).arg(plane.kubeconfig("admin").unwrap()).args(options);
    let output = storm.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let result: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(output.status.code(), Some(0), "{result}");
    assert_eq!(result["occurrence_counts"], json!(counts));
    assert_eq!((&result["leases_left"], &result["violations"]), (&json!(0), &json!([])));
}
