//! `sim explore --shares` and `sim explore merge` as their users run them: shares explored apart, results joined.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::LazyLock,
};

use rstest::rstest;
use serde_json::{Value, json};

use super::common::sim;

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a share prints, of those that a Job's pods are given by their index.
fn share(index: usize, shares: &str, options: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(["explore", "--json", "--shares", shares]).args(options);
    let output = command.env("JOB_COMPLETION_INDEX", index.to_string()).output().unwrap();
    (output.status.code(), text_of(&output.stdout))
}

/// Three shares of ten seeds.
static SHARES: LazyLock<[String; 3]> = LazyLock::new(|| {
    [0, 1, 2].map(|index| {
        let (code, line) = share(index, "3", &["--seeds", "10", "--faults", "none"]);
        assert_eq!(code, Some(0), "{line}");
        line
    })
});

/// `input` merged from standard input: exit code, result, standard error.
fn merged(input: &str) -> (Option<i32>, Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(["explore", "merge", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Whoever has read enough stops.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), text_of(&output.stderr))
}

fn problems(result: &Value) -> Vec<&str> {
    result["merged"]["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap()).collect()
}

/// A share's result with `value` at `path`.
fn with(line: &str, path: &str, value: Value) -> String {
    let mut result: Value = serde_json::from_str(line).unwrap();
    *result.pointer_mut(path).unwrap() = value;
    format!("{result}\n")
}

#[test]
fn shares_together_are_the_whole_exploration_and_can_be_merged_again() {
    let whole: Value =
        serde_json::from_slice(&sim(&["explore", "--json", "--seeds", "10", "--faults", "none"]).stdout).unwrap();
    let (code, result, _) = merged(&SHARES.concat());
    assert_eq!((code, problems(&result)), (Some(0), vec![]), "{result}");
    for field in ["protocol", "faults", "seeds", "violations", "requests"] {
        assert_eq!(result[field], whole[field], "{field}");
    }
    for field in ["whole", "commit", "version"] {
        assert_eq!(result["campaign"][field], whole["campaign"][field], "{field}");
    }
    assert_eq!(result["campaign"]["explored"], json!([{ "start": 0, "end": 10 }]));
    let two: Value = merged(&format!("{}{}", SHARES[1], SHARES[0])).1;
    assert_eq!(two["seeds"], 6, "one is missing");
    let (code, again, _) = merged(&result.to_string());
    assert_eq!((code, &again["requests"]), (Some(0), &whole["requests"]));
}

#[test]
fn violations_of_all_shares_are_listed_with_the_commands_that_run_them_again() {
    let options = ["--seeds", "12", "--protocol", "unlocked", "--keep-going"];
    let shares = [0, 1].map(|index| share(index, "2", &options));
    assert_eq!(shares.each_ref().map(|(code, _)| *code), [Some(1); 2]);
    let (code, result, _) = merged(&shares.map(|(_, line)| line).concat());
    assert_eq!((code, problems(&result)), (Some(1), vec![]), "{result}");
    let listed = result["campaign"]["violating"].as_array().unwrap();
    let seeds: Vec<u64> = listed.iter().map(|one| one["seed"].as_u64().unwrap()).collect();
    assert_eq!(Some(seeds.len() as u64), result["violations"].as_u64());
    assert!(
        seeds.is_sorted() && seeds.iter().any(|seed| *seed < 6) && seeds.iter().any(|seed| *seed >= 6),
        "{seeds:?}"
    );
    assert_eq!(result["first_violation"]["seed"], seeds[0]);
    let replay = listed[0]["replay"].as_str().unwrap().split_once(" -- ").unwrap().1;
    let replayed = sim(&replay.split(' ').collect::<Vec<_>>());
    assert_eq!(replayed.status.code(), Some(1));
    let oracle = listed[0]["oracle"].as_str().unwrap();
    assert!(text_of(&replayed.stdout).contains(oracle), "{replay} does not show {oracle}");
}

#[test]
fn a_share_that_stopped_at_a_violation_leaves_a_gap_and_the_violation_counts() {
    let (code, line) = share(0, "1", &["--seeds", "40", "--jobs", "1", "--protocol", "unlocked"]);
    assert_eq!(code, Some(1), "{line}");
    let (code, result, _) = merged(&line);
    assert_eq!(code, Some(1));
    let last = result["campaign"]["explored"][0]["end"].as_u64().unwrap();
    assert!(problems(&result)[0].starts_with(&format!("seeds {last} to 39: missing from all results")), "{result}");
}

#[rstest]
#[case::first(&[1, 2], "seeds 0 to 2: missing from all results")]
#[case::middle(&[0, 2], "seeds 3 to 5: missing from all results")]
#[case::last(&[0, 1], "seeds 6 to 9: missing from all results")]
#[case::twice(&[0, 1, 2, 1], "seeds 3 to 5: both standard input:2 and standard input:4 have them")]
fn seeds_that_are_missing_or_there_twice_are_named_and_fail(#[case] shares: &[usize], #[case] problem: &str) {
    let (code, result, _) = merged(&shares.iter().map(|index| &*SHARES[*index]).collect::<String>());
    assert_eq!(code, Some(2), "{result}");
    assert!(problems(&result).len() == 1 && problems(&result)[0].starts_with(problem), "{result}");
}

#[test]
fn the_command_that_a_gap_names_fills_it() {
    let (_, result, _) = merged(&[&*SHARES[0], &*SHARES[2]].concat());
    let (_, command) = problems(&result)[0].split_once("that result too: sim ").unwrap();
    let filled = text_of(&sim(&command.split(' ').collect::<Vec<_>>()).stdout);
    let (code, result, _) = merged(&[&*SHARES[0], &*SHARES[2], &*filled].concat());
    assert_eq!((code, &result["seeds"]), (Some(0), &json!(10)), "{result}");
}

#[test]
fn ranges_that_overlap_in_part_are_named_with_the_seeds_they_share() {
    let more = sim(&["explore", "--json", "--start", "8", "--seeds", "4", "--faults", "none"]).stdout;
    let (code, result, _) = merged(&format!("{}{}", SHARES.concat(), text_of(&more)));
    assert_eq!(code, Some(2));
    assert!(problems(&result)[0].starts_with("seeds 8 to 9: both"), "{result}");
    assert_eq!((&result["seeds"], &result["campaign"]["whole"]["end"]), (&json!(12), &json!(12)));
}

#[rstest]
#[case::faults("/faults", "swarm", "belongs to another exploration than standard input:1: faults swarm, not none")]
#[case::protocol("/protocol", "unlocked", "protocol unlocked, not fenced")]
#[case::commit("/campaign/commit", "0123456789ab", "commit 0123456789ab, not ")]
#[case::version("/campaign/version", "9.9.9", "version 9.9.9, not ")]
fn results_of_different_explorations_are_not_added_up(#[case] path: &str, #[case] value: &str, #[case] said: &str) {
    let (code, result, _) = merged(&format!("{}{}", SHARES[0], with(&SHARES[1], path, value.into())));
    assert_eq!((code, &result["merged"]["results"]), (Some(2), &json!(1)), "{result}");
    assert!(problems(&result)[0].contains(said), "{result}");
}

#[test]
fn logs_of_pods_are_read_with_and_without_their_names() {
    let prefixed = format!("[pod/sim-explore-1-x7k2p/sim] {}", SHARES[1]);
    let (code, result, errors) =
        merged(&format!("sim: an older pod failed\u{1b}[2J\n{}\n{prefixed}{}", SHARES[0], SHARES[2]));
    assert_eq!((code, problems(&result)), (Some(0), vec![]), "{result}");
    assert_eq!(errors, "1 other lines were skipped, the first is: sim: an older pod failed\u{fffd}[2J\n");
    let (_, result, _) = merged(&format!("{}{prefixed}{prefixed}{}", SHARES[0], SHARES[2]));
    assert!(problems(&result)[0].contains("both pod/sim-explore-1-x7k2p/sim and pod/"), "{result}");
}

#[test]
fn files_and_folders_are_read_and_what_was_cut_off_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let name = |path: &Path| path.to_str().unwrap().to_owned();
    fs::create_dir(at("logs")).unwrap();
    fs::create_dir(at("logs/deeper")).unwrap();
    let last = name(&at("results/last.json"));
    sim(&["explore", "--shares", "3", "--index", "2", "--seeds", "10", "--faults", "none", "--result", &last]);
    fs::write(at("logs/0.json"), &SHARES[0]).unwrap();
    fs::write(at("logs/1.json"), &SHARES[1]).unwrap();
    let logs = name(&at("logs"));
    let whole = sim(&["explore", "merge", &logs, &last]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    assert!(text_of(&whole.stdout).contains("10 explored, of seeds 0 to 9"), "{whole:?}");
    fs::write(at("logs/1.json"), &SHARES[1][..200]).unwrap();
    fs::write(at("logs/2.json"), "").unwrap();
    let cut = sim(&["explore", "merge", &logs, &last, "/nowhere/result.json"]);
    let text = text_of(&cut.stdout);
    assert_eq!(cut.status.code(), Some(2), "{text}");
    for said in [
        "logs/1.json:1 is not used: it is cut off",
        "logs/2.json: it is empty",
        "/nowhere/result.json: No such file",
        "seeds 3 to 5: missing from all results",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[rstest]
#[case::nothing("", "there is no usable result:\n  standard input: it is empty")]
#[case::no_result("Error from server (NotFound)\n", "there is no usable result")]
#[case::other_json("{\"a\": 1}\n", "it is not a result of `sim explore --json`: missing field `protocol`")]
#[case::deep(&format!("{{\"x\": {}", "[".repeat(100_000)), "standard input:1 is not used")]
#[case::long(&"{".repeat(2 << 20), "line 1 is longer than 1048576 bytes")]
fn what_is_no_result_is_said_within_bounds(#[case] input: &str, #[case] said: &str) {
    let (code, _, errors) = merged(input);
    assert!(code == Some(2) && errors.contains(said), "{errors}");
    assert!(errors.len() < 1_000, "{} bytes", errors.len());
}

#[test]
fn a_line_without_end_is_not_read_to_its_end() {
    let output = sim(&["explore", "merge", "/dev/zero"]);
    let errors = text_of(&output.stderr);
    assert!(output.status.code() == Some(2) && errors.contains("/dev/zero: not read further"), "{errors}");
}

#[rstest]
#[case::more_than_explored("/seeds", json!(4), "how many seeds were explored")]
#[case::all_numbers("/campaign/explored", json!([{ "start": 0, "end": u64::MAX }]), "which seeds were explored")]
#[case::backwards("/campaign/explored", json!([{ "start": 3, "end": 0 }]), "which seeds were explored")]
#[case::hidden_violation("/violations", json!(1), "violations without an oracle")]
#[case::unlisted("/campaign/oracles", json!({ "counts": { "seeds": 1, "first": 1 } }), "how many seeds violate an oracle")]
#[case::negative("/campaign/seconds", json!(-1), "seconds")]
#[case::commands_for_terminals("/campaign/commit", json!("\u{1b}[2J"), "version, commit or toolchain")]
#[case::protocol("/protocol", json!("\u{1b}[2J"), "its protocol is unknown to this version")]
#[case::faults("/faults", json!("x".repeat(100_000)), "unknown fault profile")]
#[case::exhaustive("/campaign", json!(null), "it is a result of --exhaustive")]
#[case::merged("/merged", json!({ "results": 2, "problems": ["a gap"] }), "it was merged and is incomplete: a gap")]
fn a_result_that_contradicts_itself_is_not_used(#[case] path: &str, #[case] value: Value, #[case] why: &str) {
    let (code, result, _) = merged(&format!("{}{}", with(&SHARES[0], path, value), SHARES[1]));
    assert_eq!((code, &result["merged"]["results"]), (Some(2), &json!(1)), "{result}");
    let problem = problems(&result)[0];
    assert!(problem.starts_with("standard input:1 is not used") && problem.contains(why), "{problem}");
    assert!(problem.len() < 600 && !problem.contains('\u{1b}'), "{problem}");
}

#[test]
fn a_violation_of_elsewhere_is_shown_without_what_a_terminal_would_obey() {
    let one = with(&SHARES[0], "/violations", json!(1));
    let one = with(&one, "/campaign/oracles", json!({ "counts": { "seeds": 1, "first": 1 } }));
    let evil = json!([{ "seed": 1, "oracle": "counts", "message": "\u{1b}]0;x", "replay": "rm -rf /" }]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.json");
    fs::write(&file, with(&one, "/campaign/violating", evil) + &SHARES[1] + &SHARES[2]).unwrap();
    let output = sim(&["explore", "merge", file.to_str().unwrap()]);
    let text = text_of(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains(
            "FAIL  seed 1: \u{fffd}]0;x\n      cargo run --release -p sim -- replay --seed 1 --faults none\n"
        ),
        "{text}"
    );
    assert!(!text.contains("rm -rf"), "{text}");
}

#[rstest]
#[case::no_index(&["--shares", "3"], "--index <N>")]
#[case::beyond(&["--shares", "3", "--index", "3"], "indexes are 0 to 2; a Job needs as many completions as shares")]
#[case::too_many(&["--shares", "3", "--index", "0", "--seeds", "2"], "a share needs at least one seed")]
#[case::exhaustive(&["--shares", "3", "--index", "0", "--exhaustive"], "cannot be used with")]
#[case::result(&["--result", "/dev/null/result.json"], "cannot write /dev/null/result.json")]
fn shares_that_cannot_be_are_refused_before_the_work(#[case] options: &[&str], #[case] said: &str) {
    let output = sim(&[&["explore"], options].concat());
    let errors = text_of(&output.stderr);
    assert!(output.status.code() == Some(2) && errors.contains(said), "{errors}");
}
