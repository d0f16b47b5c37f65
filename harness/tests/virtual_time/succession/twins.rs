//! Beside a foreign creator: twins are detected, and signals go to the older one.

use harness::{
    fleet::Fleet,
    replica::{NAMESPACE, Replica},
    testing::{STARTS_AT, count_of, discard, fingerprint, rest, send, wait_ms},
};
use serde_json::json;

const DETECTED: &str = "gateway_twins_detected_total";

/// Two replicas over an API where twins may come to be.
async fn fleet() -> (Fleet, Vec<Replica>) {
    let fleet = Fleet::new(31);
    fleet.oracles.allow_twins();
    let replicas = fleet.start_all(2).await;
    (fleet, replicas)
}

/// Another program creates `foreign` for the signals on `resource`.
fn create_foreign(fleet: &Fleet, resource: &str) {
    fleet.api.seed(json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest",
        "metadata": { "name": "foreign", "namespace": NAMESPACE },
        "spec": {
            "signalFingerprint": fingerprint(resource).as_str(), "signalName": "A", "severity": "warning",
            "signalType": "alert", "targetType": "kubernetes",
            "targetResource": { "kind": "Deployment", "name": resource, "namespace": "shop" },
            "firingTime": STARTS_AT, "receivedTime": STARTS_AT,
        },
    }));
}

/// The RemediationRequest that a sender is told of.
async fn told(fleet: &Fleet, replica: &Replica, resource: &str) -> String {
    let answer = send(fleet, replica, resource).await;
    assert!(answer.status.is_success(), "{answer:?}");
    answer.body["remediationRequestName"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_younger_twin_without_an_ordinal_is_detected_and_gets_no_signal() {
    let (fleet, replicas) = fleet().await;
    let ours = told(&fleet, &replicas[0], "younger").await;
    rest().await;
    create_foreign(&fleet, "younger");
    wait_ms(10_000).await;
    for replica in &replicas {
        assert_eq!(replica.metric(DETECTED), Some(1.0));
        assert_eq!(told(&fleet, replica, "younger").await, ours);
    }
    rest().await;
    assert_eq!(fleet.finish(), []);
    discard(&replicas);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_counts_on_the_younger_twin_goes_over_to_the_older_one_though_signals_never_pause() {
    let (fleet, replicas) = fleet().await;
    fleet.api.hold_watches("gateway-pod-1");
    create_foreign(&fleet, "older");
    wait_ms(2_000).await;
    let ours = told(&fleet, &replicas[0], "older").await;
    assert_ne!(ours, "foreign", "the view does not know it");
    for _ in 0..5 {
        wait_ms(1_000).await;
        assert_eq!(told(&fleet, &replicas[0], "older").await, ours);
    }
    fleet.api.release_watches("gateway-pod-1");
    for _ in 0..5 {
        wait_ms(1_000).await;
        assert_eq!(told(&fleet, &replicas[0], "older").await, "foreign");
    }
    rest().await;
    let counts: Vec<u64> = fleet.requests().iter().map(count_of).collect();
    assert_eq!(counts, [1 + 5, 1 + 5], "nothing is lost");
    assert_eq!(fleet.finish(), []);
    discard(&replicas);
}
