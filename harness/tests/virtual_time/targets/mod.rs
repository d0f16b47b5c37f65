//! Which resource an alert or event is about: cases that people met, and one for each rule.
//!
//! `cases/*.yaml` say what is in the cluster, what is sent, and what it is about. They are judged by the RemediationRequest
//! that comes of it. `TARGET_CASE=N1,X2` runs only these.

mod case;
mod kube_prometheus;
mod objects;
mod run;
mod scrapes;

use std::{collections::BTreeSet, path::PathBuf};

use harness::{
    fleet::{Fleet, Skew},
    replica,
    testing::PROMETHEUS,
};
use rstest::rstest;
use serde_json::json;

#[rstest]
#[tokio::test(start_paused = true)]
async fn every_signal_is_about_the_resource_that_its_case_names(
    #[files("tests/virtual_time/targets/cases/*.yaml")] file: PathBuf,
) {
    let cases = case::read(&file);
    let began = std::time::Instant::now();
    let mut wrong = Vec::new();
    for case in &cases {
        let report = run::check(case).await;
        if !report.is_empty() {
            wrong.push(report);
        }
    }
    println!("{} cases, {:.1?}", cases.len(), began.elapsed());
    assert!(wrong.is_empty(), "{} of {} cases are wrong\n\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn every_case_has_an_id_of_its_own_and_a_reason() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/virtual_time/targets/cases");
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        for case in case::read(&entry.unwrap().path()) {
            assert!(!case.why.is_empty(), "{}", case.id);
            assert!(ids.insert(case.id.clone()), "{} is there twice", case.id);
        }
    }
}

#[rstest]
#[case::labelled(true, 201)]
#[case::not_labelled(false, 200)]
#[tokio::test(start_paused = true)]
async fn what_has_no_namespace_is_in_scope_if_the_namespace_default_is(#[case] managed: bool, #[case] status: u16) {
    let fleet = Fleet::new(1);
    let labels = if managed { json!({ "kubernaut.ai/managed": "true" }) } else { json!({}) };
    fleet
        .api
        .seed(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default", "labels": labels } }));
    let mut config = replica::config();
    config.scope.require_managed_label = true;
    let replica = fleet.start_with(1, config, Skew::default()).await;
    let labels = case::Labels::from([("alertname".to_owned(), "KubeAPIDown".to_owned())]);
    let answer = replica.post(PROMETHEUS, case::webhook(&[labels]).to_string()).await;
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
}
