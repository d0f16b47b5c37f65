//! `sim explore --exhaustive` and `sim replay --schedule` as their users run them: options in, result and exit code out.

use serde_json::Value;

use super::common::{json_of, sim, text_of};

const SEARCH: [&str; 8] = ["explore", "--exhaustive", "--replicas", "2", "--jobs", "1", "--departures", "1"];

#[test]
fn a_search_without_violation_says_what_it_tried_and_how_far_it_went() {
    let output = sim(&[&SEARCH[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let result = json_of(&output);
    assert_eq!(result["violations"], 0);
    assert_eq!(result["first_violation"], Value::Null);
    let exhaustive = &result["exhaustive"];
    assert_eq!(exhaustive["complete"], false, "a bound on departures leaves orders out: {result}");
    assert!(exhaustive["orders"].as_u64() > Some(1), "{result}");
    assert_eq!(exhaustive["cases"][0]["departures"], 1);
    assert_eq!(exhaustive["cases"][0]["complete_within_bound"], true, "{result}");
    for kind in ["effect", "answer", "event"] {
        assert!(exhaustive["cases"][0]["choices"][kind].as_u64() > Some(0), "no {kind} was chosen: {result}");
    }
}

#[test]
fn a_violation_is_told_and_the_command_that_is_named_runs_it_again() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let output = sim(&[&SEARCH[..], &["--protocol", "unlocked", "--out", folder]].concat());
    let text = text_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let command = text.lines().find_map(|line| line.trim().strip_prefix("replay ")).unwrap();
    let (_, options) = command.split_once(" -- ").unwrap();
    let (options, schedule) = options.trim().split_once(" --schedule ").unwrap();
    let mut again: Vec<&str> = options.split(' ').collect();
    again.extend(["--schedule", schedule.trim_matches('"')]);
    let replayed = sim(&again);
    assert_eq!(replayed.status.code(), Some(1), "{replayed:?}");
    let timeline = std::fs::read_to_string(out.path().join("unlocked-exhaustive-2x2/timeline.txt")).unwrap();
    assert_eq!(text_of(&replayed).trim_end(), timeline.trim_end());
}

#[test]
fn a_schedule_that_does_not_fit_its_case_is_a_usage_error_that_says_so() {
    let output = sim(&["replay", "--exhaustive", "--schedule", "answer 1.1"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("answer 1.1 is not possible here"), "{said}");
}
