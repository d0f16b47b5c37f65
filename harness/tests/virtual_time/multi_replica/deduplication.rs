//! Signals of one fingerprint at several replicas at once: one RemediationRequest.

use std::{collections::BTreeSet, sync::Arc};

use embedded_apiserver::{Latency, NoFaults};
use harness::{
    fleet::Fleet,
    testing::{answered, assert_quiet, count_of, fingerprint, lease_of, name_of, only, rest, send, storm},
};
use rstest::rstest;
use serde_json::json;

#[rstest]
#[case::without_latency(false)]
#[case::with_latency(true)]
#[tokio::test(start_paused = true)]
async fn three_replicas_and_fifteen_concurrent_signals_make_one_remediation_request(#[case] latency: bool) {
    let fleet = Fleet::new(1);
    if latency {
        fleet.api.set_faults(Arc::new(Latency::default()));
    } else {
        fleet.api.set_faults(Arc::new(NoFaults));
    }
    let replicas = fleet.start_all(3).await;
    let answers = storm(&fleet, &replicas, "multi-replica-test", 15).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 14), "{answers:#?}");
    rest().await;
    let request = only(&fleet);
    assert_eq!(count_of(&request), 15);
    assert_eq!(request["spec"]["signalFingerprint"], fingerprint("multi-replica-test").as_str());
    let ordinals: BTreeSet<u64> =
        answers.iter().filter_map(|answer| answer.body["metadata"]["occurrenceCount"].as_u64()).collect();
    assert_eq!(ordinals, (1..=15).collect(), "each is told its own ordinal");
    for answer in &answers {
        assert_eq!(answer.body["remediationRequestName"], name_of(&request));
        assert_eq!(answer.body["duplicate"], json!(answer.status.as_u16() == 202));
    }
    rest().await;
    assert!(fleet.leases().is_empty());
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_created_and_deleted_around_each_new_remediation_request_only() {
    let fleet = Fleet::new(2);
    fleet.api.set_faults(Arc::new(Latency::default()));
    let replicas = fleet.start_all(2).await;
    let history = super::crash::lease_history(&fleet);
    assert_eq!(send(&fleet, &replicas[0], "lifecycle").await.status, 201);
    rest().await;
    let expected = ["create gateway-pod-1 by gateway-pod-1", "delete gateway-pod-1 by gateway-pod-1"];
    assert_eq!(*history.lock().unwrap(), expected);
    for replica in &replicas {
        assert_eq!(send(&fleet, replica, "lifecycle").await.status, 202);
    }
    rest().await;
    assert_eq!(history.lock().unwrap().len(), 2, "duplicates take no lock");
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn signals_of_different_fingerprints_do_not_wait_for_each_other() {
    let fleet = Fleet::new(3);
    fleet.api.set_faults(Arc::new(Latency::default()));
    let replicas = fleet.start_all(3).await;
    let names: Vec<String> = (0..30).map(|i| format!("deployment-{i}")).collect();
    let began = tokio::time::Instant::now();
    let sends = names.iter().enumerate().map(|(i, name)| send(&fleet, &replicas[i % 3], name));
    let answers = futures::future::join_all(sends).await;
    assert_eq!(answered(&answers, 201), 30);
    assert!(began.elapsed().as_millis() <= 20, "{:?}", began.elapsed());
    assert_eq!(fleet.requests().len(), 30);
    rest().await;
    let leases: BTreeSet<String> = names.iter().map(|name| lease_of(name)).collect();
    assert_eq!(leases.len(), 30);
    assert_quiet(&fleet);
}
