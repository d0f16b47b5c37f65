//! The collector of a running gateway deletes what crashed pods left behind.

use std::sync::{Arc, Mutex};

use embedded_apiserver::{Effect, Fault, Script};
use gateway::dedup::lock::Acquisition::Acquired;
use harness::{fleet::Fleet, replica::NAMESPACE, testing::wait_ms};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};

use super::world::{World, micro_time};

fn seed(fleet: &Fleet, name: &str, labels: Value, age: SignedDuration) {
    let renewed = micro_time(fleet.api.now() - age);
    fleet.api.seed(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels },
        "spec": {
            "holderIdentity": "gateway-pod-9", "leaseDurationSeconds": 30,
            "acquireTime": renewed, "renewTime": renewed,
        },
    }));
}

fn ours() -> Value {
    json!({ "app.kubernetes.io/managed-by": "gateway-service" })
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_lease_is_deleted_once_it_has_expired_for_twice_its_duration() {
    let fleet = Fleet::new(1);
    let deleted_at = Arc::new(Mutex::new(None));
    let began = fleet.api.now();
    let seen = Arc::clone(&deleted_at);
    fleet.api.on_commit(move |commit| {
        if commit.resource == "leases" && commit.verb == "delete" {
            *seen.lock().unwrap() = Some(commit.at.duration_since(began).as_secs());
        }
    });
    let replica = fleet.start(1).await;
    seed(&fleet, "gw-lock-00000000000000", ours(), SignedDuration::ZERO);
    wait_ms(240_000).await;
    let at = deleted_at.lock().unwrap().expect("it was deleted");
    assert!((90..=150).contains(&at), "30 s until it expires, 60 s more, and the next sweep: {at} s");
    assert_eq!(replica.metric("gateway_leases_collected_total"), Some(1.0));
    assert!(fleet.oracles.violations().is_empty());
}

#[rstest]
#[case::clock_ahead(json!({ "holderIdentity": "gateway-pod-9", "leaseDurationSeconds": 30, "renewTime": "2030-01-01T00:00:00.000000Z" }))]
#[case::no_renew_time(json!({ "holderIdentity": "gateway-pod-9", "leaseDurationSeconds": 30 }))]
#[case::nothing(json!({}))]
#[tokio::test(start_paused = true)]
async fn an_abandoned_lease_is_deleted_whatever_its_times_say(#[case] spec: Value) {
    let fleet = Fleet::new(1);
    let _replica = fleet.start(1).await;
    fleet.api.seed(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "gw-lock-00000000000000", "namespace": NAMESPACE, "labels": ours() }, "spec": spec,
    }));
    wait_ms(60_000).await;
    assert_eq!(fleet.leases().len(), 1, "not before it has been watched for its duration and twice as long again");
    wait_ms(180_000).await;
    assert!(fleet.leases().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_live_lease_is_never_deleted() {
    let fleet = Fleet::new(1);
    let _replica = fleet.start(1).await;
    let world = World { api: fleet.api.clone(), namespace: NAMESPACE.to_owned(), began: tokio::time::Instant::now() };
    for _ in 0..30 {
        // Adopted by update, as by a pod that restarts again and again.
        assert_eq!(world.pod(2).acquire().await, Ok(Acquired));
        wait_ms(20_000).await;
        assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_under_the_collectors_hands_survives() {
    let fleet = Fleet::new(1);
    let script = Arc::new(Script::new());
    fleet.api.set_faults(script.clone());
    seed(&fleet, "gw-lock-test-fingerpri", ours(), SignedDuration::from_secs(3_600));
    // When the collector's delete is on its way, a pod takes the lease over.
    let slow = Fault { delay_before: std::time::Duration::from_secs(1), ..Default::default() };
    script.on(1, "delete", "leases", slow);
    let replica = fleet.start(1).await;
    let world = World { api: fleet.api.clone(), namespace: NAMESPACE.to_owned(), began: tokio::time::Instant::now() };
    let pod = world.pod(2);
    while !fleet.api.requests().iter().any(|r| r.resource == "leases" && r.verb == "list") {
        wait_ms(100).await;
    }
    assert_eq!(pod.acquire().await, Ok(Acquired));
    wait_ms(2_000).await;
    assert!(world.requests().iter().any(|request| request == "delete 409"), "{:?}", world.requests());
    assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-2");
    assert_eq!(replica.metric("gateway_leases_collected_total"), Some(0.0));
}

#[rstest]
#[case::by_a_right(403, "Forbidden")]
#[case::by_a_policy(422, "Invalid")]
#[case::by_a_webhook(400, "BadRequest")]
#[tokio::test(start_paused = true)]
async fn an_abandoned_lease_whose_delete_is_refused_keeps_none_behind_it(
    #[case] code: u16,
    #[case] reason: &'static str,
) {
    let fleet = Fleet::new(1);
    let script = Arc::new(Script::new());
    fleet.api.set_faults(script.clone());
    let refusal = Effect::Status { code, reason, message: "refused".to_owned(), retry_after_s: None };
    script.add(usize::MAX, Fault::refused(refusal), |request| {
        (request.verb, request.name.as_str()) == ("delete", "gw-lock-00000000000000")
    });
    for name in ["gw-lock-00000000000000", "gw-lock-00000000000001"] {
        seed(&fleet, name, ours(), SignedDuration::from_secs(3_600));
    }
    let replica = fleet.start(1).await;
    wait_ms(180_000).await;
    let left: Vec<Value> = fleet.leases().iter().map(|lease| lease["metadata"]["name"].clone()).collect();
    assert_eq!(left, ["gw-lock-00000000000000"]);
    assert_eq!(replica.metric("gateway_leases_collected_total"), Some(1.0));
    let tries = fleet.api.requests().iter().filter(|r| r.verb == "delete" && r.code == code.to_string()).count();
    assert!((1..=6).contains(&tries), "once in a sweep: {tries}");
}

#[rstest]
#[case::not_labelled("gw-lock-00000000000000", json!({}))]
#[case::of_another_name("gw-leader", ours())]
#[tokio::test(start_paused = true)]
async fn leases_that_are_not_locks_of_gateways_are_left_alone(#[case] name: &str, #[case] labels: Value) {
    let fleet = Fleet::new(1);
    let _replica = fleet.start(1).await;
    seed(&fleet, name, labels, SignedDuration::from_secs(3_600));
    wait_ms(300_000).await;
    assert_eq!(fleet.leases().len(), 1);
}
