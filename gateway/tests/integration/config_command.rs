//! `gateway config`, `gateway completions` and `--help`, as an operator runs them.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use gateway::config::{Config, Files, Loaded};
use rstest::rstest;

const FILE: &str = "server: {readTimeout: 7s}\ndatastorage: {url: \"http://me:hunter2@audit:8080\"}\n\
                    signal: {targets: {vm: {version: v1, kind: VirtualMachine, plural: virtualmachines}}}\n";

/// Runs the binary in a folder with the file `config.yaml`.
fn run(text: &str, env: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yaml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.current_dir(&folder).env_clear().envs(env.iter().copied()).args(arguments).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn check_says_what_is_valid_and_ends_with_0() {
    let env = [("GATEWAY__LOCK__WAIT_TIMEOUT", "250ms")];
    let (code, said, errors) = run(FILE, &env, &["config", "check", "config.yaml"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(said, "config.yaml is valid: 3 keys from the file, 1 key from the environment\n");
}

#[test]
fn check_tells_all_errors_with_value_and_example_and_ends_with_1() {
    let bad = "server: {listenAddr: localhost}\nauth: {cacheSize: 0}\n";
    let (code, said, errors) = run(bad, &[], &["--config", "config.yaml", "config", "check"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    let expected = "gateway: config.yaml is not valid: 2 errors\n\
        server.listenAddr: `localhost` is not an IP address with a port, such as `0.0.0.0:8080`\n  \
        hint: for example `server: {listenAddr: 0.0.0.0:8080}`\n\
        auth.cacheSize: 0 is not between 1 and 1000000\n  \
        hint: for example `auth: {cacheSize: 1000}`\n";
    assert_eq!(errors, expected);
}

#[test]
fn check_tells_all_fields_that_something_lacks_and_what_else_is_wrong_with_it() {
    let bad = "signal: {targets: {vm: {group: UPPER, plural: 5}, ok: {version: v1, kind: Ok, plural: oks}}}\nserver: {tls: {}}\n";
    let (code, _, errors) = run(bad, &[], &["config", "check", "config.yaml"]);
    let wrong: Vec<&str> = errors.lines().filter(|line| !line.starts_with("  ")).collect();
    let expected = [
        "gateway: config.yaml is not valid: 5 errors",
        "server.tls: missing field `certFile`",
        "server.tls: missing field `keyFile`",
        "signal.targets.vm.plural: invalid type: integer `5`, expected a string",
        "signal.targets.vm: missing field `version`",
        "signal.targets.vm: missing field `kind`",
    ];
    assert_eq!((code, wrong), (Some(1), expected.to_vec()));
}

#[rstest]
#[case::of_the_listener("server: {tls: {certFile: config.yaml, keyFile: config.yaml}}", "server.tls.certFile: ")]
#[case::of_the_collector("tracing: {endpoint: \"https://otlp:4318\", caFile: config.yaml}", "tracing.caFile: ")]
fn check_reads_certificates_as_a_start_does(#[case] text: &str, #[case] error: &str) {
    let (code, _, errors) = run(text, &[], &["config", "check", "config.yaml"]);
    assert!(code == Some(1) && errors.contains("config.yaml is not valid: 1 error\n"), "{errors}");
    assert!(errors.contains(&format!("\n{error}")), "{errors}");
    let (code, _, errors) = run(text, &[], &["config", "check", "--syntax-only", "config.yaml"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn a_configuration_from_a_pipe_is_read_once_and_not_lost() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.env_clear().args(["--config", "/dev/stdin"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut gateway = command.spawn().unwrap();
    gateway.stdin.take().unwrap().write_all(b"auth: {cacheSize: 0}\n").unwrap();
    let Output { status, stderr, .. } = gateway.wait_with_output().unwrap();
    let errors = String::from_utf8(stderr).unwrap();
    assert!(status.code() == Some(1) && errors.contains("auth.cacheSize: 0 is not between"), "{errors}");
}

#[test]
fn check_shows_nothing_of_a_line_that_is_no_yaml() {
    let (code, _, errors) =
        run("datastorage: {url: http://me:hunter2@audit:8080\nauth: [", &[], &["config", "check", "config.yaml"]);
    assert!(code == Some(1) && errors.contains("line") && !errors.contains("hunter2"), "{errors}");
}

#[test]
fn check_can_do_without_the_files_that_a_configuration_names() {
    let text = "server: {tls: {certFile: /nowhere/tls.crt, keyFile: /nowhere/tls.key}}";
    let check = |options: &[&str]| run(text, &[], &[&["config", "check", "config.yaml"], options].concat());
    let (code, _, errors) = check(&[]);
    assert!(code == Some(1) && errors.contains("server.tls.certFile: there is no file"), "{errors}");
    assert_eq!(check(&["--syntax-only"]).0, Some(0));
}

#[rstest]
#[case::argument(&["config", "print", "config.yaml"], "# file: config.yaml (argument)")]
#[case::flag(&["config", "print", "--config", "config.yaml"], "# file: config.yaml (flag: --config)")]
fn print_tells_where_each_value_comes_from_and_no_secret(#[case] arguments: &[&str], #[case] file: &str) {
    let (code, yaml, _) = run(FILE, &[("GATEWAY__LOCK__WAIT_TIMEOUT", "250ms")], arguments);
    assert_eq!(code, Some(0));
    for line in [
        file,
        "  readTimeout: 7s  # file",
        "  waitTimeout: 250ms  # environment: GATEWAY__LOCK__WAIT_TIMEOUT",
        "  listenAddr: 0.0.0.0:8080  # default",
        "  url: 'http://***:***@audit:8080/'  # file",
    ] {
        assert!(yaml.lines().any(|printed| printed == line), "{line}\n{yaml}");
    }
    assert!(!yaml.contains("hunter2"), "{yaml}");
}

#[test]
fn print_says_which_variable_named_the_file_and_that_there_is_none() {
    let named = [("GATEWAY_CONFIG_FILE", "config.yaml")];
    let second = |env: &[(&str, &str)]| {
        run(FILE, env, &["config", "print"]).1.lines().nth(1).map(str::to_owned).unwrap_or_default()
    };
    assert_eq!(second(&named), "# file: config.yaml (environment: GATEWAY_CONFIG_FILE)");
    assert_eq!(second(&[]), "# file: none");
}

#[test]
fn what_is_printed_loads_as_the_same_configuration() {
    let text = "signal: {targets: {vm: {version: v1, kind: VirtualMachine, plural: virtualmachines}}, cluster: {name: 'a: #b'}}";
    let (_, yaml, _) = run(text, &[("GATEWAY__LOCK__WAIT_TIMEOUT", "250ms")], &["config", "print", "config.yaml"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &yaml).unwrap();
    let again = Config::load(Some(file.path()), std::iter::empty()).unwrap();
    std::fs::write(file.path(), text).unwrap();
    let env = [("GATEWAY__LOCK__WAIT_TIMEOUT".to_owned(), "250ms".to_owned())];
    assert_eq!(again, Loaded::load(Some(file.path()), env.into_iter(), Files::Required).unwrap().config);
}

#[rstest]
#[case::bash("bash", "complete -F _gateway")]
#[case::zsh("zsh", "#compdef gateway")]
#[case::fish("fish", "complete -c gateway")]
fn completions_are_those_of_the_shell(#[case] shell: &str, #[case] expected: &str) {
    let (code, script, _) = run("", &[], &["completions", shell]);
    assert!(code == Some(0) && script.contains(expected) && script.contains("release-claims"), "{script}");
}

#[rstest]
#[case(&["--help"])]
#[case(&["config", "--help"])]
#[case(&["config", "check", "--help"])]
#[case(&["config", "print", "--help"])]
#[case(&["crd", "--help"])]
#[case(&["explain", "--help"])]
#[case(&["release-claims", "--help"])]
#[case(&["completions", "--help"])]
fn help_tells_the_exit_codes(#[case] arguments: &[&str]) {
    let (code, help, _) = run("", &[], arguments);
    assert!(code == Some(0) && help.contains("Exit codes: 0 ") && help.contains(", 2 wrong arguments"), "{help}");
}

#[rstest]
#[case::no_such_command(&["serve"])]
#[case::no_command_of_config(&["config"])]
#[case::no_such_shell(&["completions", "csh"])]
fn wrong_arguments_end_with_2(#[case] arguments: &[&str]) {
    assert_eq!(run("", &[], arguments).0, Some(2));
}
