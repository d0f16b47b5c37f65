//! `sim chaos` as its users run it, for as short as it goes.

use std::{env, path::Path};

use harness::control_plane::{REQUIRED, available_for_tests};
use serde_json::json;

use super::common::{json_of, sim};

#[test]
fn whatever_is_killed_and_paused_within_the_bounds_every_acknowledged_signal_counts_once() {
    if !available_for_tests() {
        return;
    }
    if !Path::new(env!("CARGO_BIN_EXE_sim")).with_file_name("gateway").is_file() {
        assert!(env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but `cargo build -p gateway` was not run");
        eprintln!("skipped: no gateway binary; build it with `cargo build -p gateway`");
        return;
    }
    let output = sim(&["chaos", "--json", "--seed", "1", "--seconds", "45"]);
    let report = json_of(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!((&report["violations"], &report["unacknowledged"]), (&json!([]), &json!(0)), "{report:#}");
    let number = |field: &str| report[field].as_u64().unwrap_or_default();
    assert!(number("acknowledged") >= number("signals"), "{report:#}");
    assert!(number("acknowledged") <= number("counted") && number("counted") <= number("attempted"), "{report:#}");
    assert!(number("attempted") > number("signals"), "what was killed and paused was felt: {report:#}");
    assert!(report["neighbour"]["changes"].as_u64() > Some(0), "the typed controller got through: {report:#}");
    assert!(report["restored"]["lost"].as_u64() > Some(0), "something was written after the backup: {report:#}");
    assert!(number("remediation_requests") > 6, "some were followed by others: {report:#}");
}

#[test]
fn a_run_without_a_gateway_binary_says_how_to_build_it() {
    let output = sim(&["chaos", "--gateway", "/nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cargo build -p gateway"), "{output:?}");
}
