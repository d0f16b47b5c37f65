//! The Job that explores on a cluster: what its pods run, and what becomes of an index that ends.

use std::process::Command;

use harness::control_plane::{ControlPlane, for_tests};
use serde_json::{Value, json};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/explore.yaml");

fn job() -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(MANIFEST).unwrap()).unwrap()
}

#[test]
fn each_completion_explores_one_share_and_the_shares_are_all_seeds() {
    let job = job();
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let arguments: Vec<&str> = container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let completions = job["spec"]["completions"].as_u64().unwrap();
    assert!(arguments.contains(&&*format!("--shares={completions}")), "{arguments:?}");
    // What a pod prints, of fewer seeds.
    let share = |index: u64| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
        let fewer = |argument: &&str| {
            if argument.starts_with("--seeds=") { "--seeds=4".to_owned() } else { (*argument).to_owned() }
        };
        command.args(arguments.iter().map(fewer)).env("JOB_COMPLETION_INDEX", index.to_string());
        let output = command.output().unwrap();
        assert!(output.stderr.is_empty() && output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::write(&log, (0..completions).map(share).collect::<String>()).unwrap();
    let merged = Command::new(env!("CARGO_BIN_EXE_sim")).args(["explore", "merge"]).arg(&log).output().unwrap();
    assert_eq!(merged.status.code(), Some(0), "{merged:?}");
}

/// 0 is a success; those that no rule names are retried, up to `backoffLimitPerIndex`.
#[test]
fn violations_end_their_index_and_wrong_arguments_the_job() {
    let job = job();
    let spec = &job["spec"];
    let rules = spec["podFailurePolicy"]["rules"].as_array().unwrap();
    let action = |code: u64| {
        let names =
            |rule: &&Value| rule["onExitCodes"]["values"].as_array().is_some_and(|all| all.contains(&json!(code)));
        rules.iter().find(names).map(|rule| rule["action"].as_str().unwrap())
    };
    assert_eq!([1, 2, 3, 137].map(action), [Some("FailIndex"), Some("FailJob"), Some("FailIndex"), None]);
    let container = &spec["template"]["spec"]["containers"][0]["name"];
    let names = rules.iter().map(|rule| &rule["onExitCodes"]["containerName"]).filter(|name| !name.is_null());
    assert!(names.eq([container, container]), "{rules:?}");
    assert_eq!((&spec["completionMode"], &spec["backoffLimitPerIndex"]), (&json!("Indexed"), &json!(3)));
}

#[tokio::test]
async fn a_real_api_server_accepts_the_job_and_its_pods_where_only_restricted_ones_may_run() {
    let Some(plane) = for_tests().await else { return };
    kubectl(&plane, &["create", "namespace", "explore-job"], None);
    kubectl(&plane, &["label", "namespace", "explore-job", "pod-security.kubernetes.io/enforce=restricted"], None);
    kubectl(&plane, &["create", "serviceaccount", "default", "--namespace=explore-job"], None);
    let dry = ["create", "--dry-run=server", "--namespace=explore-job", "--filename"];
    kubectl(&plane, &[&dry[..], &[MANIFEST]].concat(), None);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "pod" }, "spec": job()["spec"]["template"]["spec"] });
    kubectl(&plane, &[&dry[..], &["-"]].concat(), Some(&pod));
}

#[track_caller]
fn kubectl(plane: &ControlPlane, arguments: &[&str], input: Option<&Value>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.json");
    std::fs::write(&file, input.map(Value::to_string).unwrap_or_default()).unwrap();
    let mut command = Command::new(plane.kubectl());
    command.args(arguments).arg("--kubeconfig").arg(plane.kubeconfig("admin").unwrap());
    let output = command.stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("Warning"), "{arguments:?}: {errors}");
}
