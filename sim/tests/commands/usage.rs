//! What `sim` says of a command line that cannot be carried out: at once, and with what to do.

use std::{net::TcpListener, process::Output};

use rstest::rstest;

use super::common;

/// Exit code, standard output and standard error.
fn sim(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = common::sim(arguments);
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[rstest]
#[case::no_url("nope", "relative URL without a base")]
#[case::no_scheme("10.96.0.20:8080", "relative URL without a base")]
#[case::https("https://gateway:8080", "only http is supported")]
#[case::the_whole_path("http://gateway:8080/api/v1/signals/prometheus", "/api/v1/signals/prometheus is appended to it")]
#[case::query("http://gateway:8080?a=b", "a query or fragment is not allowed")]
fn an_address_that_cannot_be_posted_to_is_refused_before_anything_is_sent(#[case] url: &str, #[case] why: &str) {
    let (code, _, errors) = sim(&["load", "--url", url]);
    assert_eq!(code, Some(2));
    assert!(errors.contains(why) && errors.contains("such as `http://10.96.0.20:8080`"), "{errors}");
}

/// Numbers that are too small, too.
#[rstest]
#[case(&["load", "--url", "http://a", "--signals", "0"], "1..=100000")]
#[case(&["load", "--url", "http://a", "--rate", "0"], "1..=10000")]
#[case(&["storm", "--signals", "0"], "1..=10000")]
#[case(&["explore", "--seeds", "0"], "1..")]
#[case(&["chaos", "--seconds", "44"], "45..=86400")]
#[case(&["serve", "--replicas", "33"], "1..=32")]
fn a_number_out_of_range_is_refused_with_the_range(#[case] arguments: &[&str], #[case] range: &str) {
    let (code, _, errors) = sim(arguments);
    assert!(code == Some(2) && errors.contains(&format!("is not in {range}")), "{errors}");
}

/// Listeners on as many ports in a row, the first of them.
fn row(count: u16) -> (u16, Vec<TcpListener>) {
    let row = || {
        let first = TcpListener::bind("127.0.0.1:0").ok()?;
        let port = first.local_addr().ok()?.port();
        let others = (1..count).map(|next| TcpListener::bind(("127.0.0.1", port.checked_add(next)?)).ok());
        Some((port, std::iter::once(Some(first)).chain(others).collect::<Option<_>>()?))
    };
    (0..100).find_map(|_| row()).expect("ports in a row")
}

#[test]
fn serve_on_a_port_that_is_taken_names_it_and_says_what_to_do() {
    let (port, mut taken) = row(4);
    let serve = || {
        let (code, _, errors) = sim(&["serve", "--json", "--port", &port.to_string()]);
        assert!(code == Some(2) && errors.contains("--port uses 4 consecutive ports: choose another one"), "{errors}");
        errors
    };
    let (first, last) =
        (format!("cannot listen on 127.0.0.1:{port}:"), format!("cannot listen on 127.0.0.1:{}:", port + 3));
    let errors = serve();
    assert!(errors.contains(&last), "the Kubernetes API has the last one: {errors}");
    // Others may take it meanwhile.
    drop(taken.pop());
    let errors = serve();
    assert!(errors.contains(&first) || errors.contains(&last), "{errors}");
}

#[test]
fn replay_without_a_source_names_all_of_them() {
    let (code, _, errors) = sim(&["replay"]);
    assert_eq!(code, Some(2));
    for source in ["--seed <SEED>", "--scenario <FILE.json>", "--schedule <CHOICES>"] {
        assert!(errors.contains(source), "{errors}");
    }
}

#[rstest]
#[case::misspelt_level(&["--log", "inof", "storm"], "--log: `inof` is not a valid log filter such as `info`")]
#[case::report(&["storm", "--report", "/nowhere/report.html"], "--report /nowhere/report.html: No such file")]
#[case::out(&["explore", "--out", "/dev/null/stories"], "cannot write /dev/null/stories")]
fn what_could_not_be_written_or_logged_is_said_before_the_work(#[case] arguments: &[&str], #[case] said: &str) {
    let (code, output, errors) = sim(arguments);
    assert!(code == Some(2) && output.is_empty() && errors.contains(said), "{output}{errors}");
}

#[rstest]
#[case("storm", &["1 to 32", "1 to 10000"])]
#[case("explore", &["1 or more", "1 to 1440", "1 to 1024"])]
#[case("replay", &["1 to 4", "0 to 8"])]
#[case("chaos", &["45 to 86400", "1 to 100"])]
#[case("serve", &["1 to 32", "0 to 65535"])]
#[case("load", &["1 to 100000", "0 to 3600"])]
fn help_tells_bounds_and_exit_codes(#[case] command: &str, #[case] bounds: &[&str]) {
    let (code, help, _) = sim(&[command, "--help"]);
    assert_eq!(code, Some(0));
    for said in bounds.iter().chain(&["Exit codes: 0 ", "2 wrong arguments or the command could not run"]) {
        assert!(help.contains(said), "{said}: {help}");
    }
}

#[rstest]
#[case::bash("bash", "complete -F _sim")]
#[case::zsh("zsh", "#compdef sim")]
#[case::fish("fish", "complete -c sim")]
fn completions_are_those_of_the_shell(#[case] shell: &str, #[case] expected: &str) {
    let (code, script, _) = sim(&["completions", shell]);
    assert!(code == Some(0) && script.contains(expected) && script.contains("storm"), "{script}");
}
