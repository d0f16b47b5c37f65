//! A pod dies between its lease and its RemediationRequest: another carries on.

use std::sync::{Arc, Mutex};

use embedded_apiserver::{Fault, RequestInfo, Script};
use futures::FutureExt;
use harness::{
    fleet::Fleet,
    oracles::is_counter,
    replica::Replica,
    testing::{assert_quiet, count_of, lease_of, only, rest, script, send, wait_ms},
};
use rstest::rstest;
use serde_json::Value;

/// What happens to locks: verb, holder and caller of each commit, as a watch would show it.
pub(crate) fn lease_history(fleet: &Fleet) -> Arc<Mutex<Vec<String>>> {
    let history = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&history);
    fleet.api.on_commit(move |commit| {
        if commit.resource == "leases" {
            let lease = commit.new.as_deref().or(commit.old.as_deref()).cloned().unwrap_or(Value::Null);
            if is_counter(&lease) {
                return;
            }
            let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or("nobody").to_owned();
            record.lock().unwrap().push(format!("{} {holder} by {}", commit.verb, commit.caller));
        }
    });
    history
}

/// Lets `replica` die when it sends the request that `at` describes, before that takes effect.
fn crash_at(fleet: &Fleet, script: &Script, replica: &Replica, at: impl Fn(&RequestInfo) -> bool + Send + 'static) {
    let (api, context, name) = (fleet.api.clone(), replica.context().clone(), replica.name.clone());
    script.add(1, Fault::lost(), move |request| {
        let now = request.caller.user == name && at(request);
        if now {
            context.kill();
            api.disconnect(&name);
        }
        now
    });
}

fn creates(request: &RequestInfo) -> bool {
    request.verb == "create" && request.label() == "remediationrequests"
}

/// Sends a signal to a replica that dies of it.
async fn send_to_the_dying(fleet: &Fleet, replica: &Replica, resource: &str) {
    let timeout = std::time::Duration::from_secs(1);
    let _ = tokio::time::timeout(timeout, send(fleet, replica, resource)).await;
    wait_ms(20).await;
    assert!(replica.context().killed().now_or_never().is_some(), "it has died");
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_pod_that_crashed_is_taken_over_after_it_has_expired() {
    let fleet = Fleet::new(6);
    let script = script(&fleet);
    let replicas = fleet.start_all(2).await;
    let history = lease_history(&fleet);
    crash_at(&fleet, &script, &replicas[0], creates);
    send_to_the_dying(&fleet, &replicas[0], "expiry-test").await;
    assert!(fleet.requests().is_empty());
    let lease = fleet.leases().pop().expect("the lease is left");
    assert_eq!(lease["metadata"]["name"], lease_of("expiry-test"));
    assert_eq!(lease["spec"]["holderIdentity"], "gateway-pod-1");

    wait_ms(35_000).await;
    let answer = send(&fleet, &replicas[1], "expiry-test").await;
    assert_eq!(answer.status, 201);
    rest().await;
    let expected = [
        "create gateway-pod-1 by gateway-pod-1",
        "update gateway-pod-2 by gateway-pod-2",
        "delete gateway-pod-2 by gateway-pod-2",
    ];
    assert_eq!(*history.lock().unwrap(), expected);
    assert_eq!(replicas[1].metric("gateway_lock_takeovers_total"), Some(1.0));
    assert_eq!(count_of(&only(&fleet)), 1);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_signal_does_not_wait_for_a_crashed_pods_lease_to_expire_longer_than_its_wait_timeout() {
    let fleet = Fleet::new(7);
    let script = script(&fleet);
    let replicas = fleet.start_all(2).await;
    crash_at(&fleet, &script, &replicas[0], creates);
    send_to_the_dying(&fleet, &replicas[0], "no-wait").await;
    let began = tokio::time::Instant::now();
    // Its clock has moved on while the first one's sender waited: the lease must still be valid.
    assert_eq!(fleet.leases().len(), 1);
    let answer = send(&fleet, &replicas[1], "no-wait").await;
    assert_eq!(answer.status, 201);
    let took = began.elapsed().as_millis();
    assert!((500..600).contains(&took), "{took} ms");
    assert_eq!(replicas[1].metric("gateway_lock_takeovers_total"), Some(0.0));
    assert_eq!(count_of(&only(&fleet)), 1);
    wait_ms(200_000).await;
    assert!(fleet.leases().is_empty(), "the collector has deleted it");
    assert_quiet(&fleet);
}

#[rstest]
#[case::before_its_lease(|r: &RequestInfo| r.verb == "create" && r.resource == "leases")]
#[case::before_its_request(creates)]
#[case::before_its_first_status(|r: &RequestInfo| r.label() == "remediationrequests/status")]
#[case::before_its_release(|r: &RequestInfo| r.verb == "delete" && r.resource == "leases")]
#[tokio::test(start_paused = true)]
async fn a_pod_that_crashes_anywhere_and_restarts_under_its_name_carries_on(#[case] at: fn(&RequestInfo) -> bool) {
    let fleet = Fleet::new(8);
    let script = script(&fleet);
    let first = fleet.start(1).await;
    crash_at(&fleet, &script, &first, at);
    send_to_the_dying(&fleet, &first, "restart").await;
    wait_ms(100).await;
    first.crash();
    fleet.api.disconnect("gateway-pod-1");
    let again = fleet.start(1).await;
    let began = tokio::time::Instant::now();
    let answer = send(&fleet, &again, "restart").await;
    assert!(answer.status.is_success(), "{answer:?}");
    assert!(began.elapsed().as_millis() < 100, "its own lease does not stop it: {:?}", began.elapsed());
    only(&fleet);
    wait_ms(200_000).await;
    assert_quiet(&fleet);
}
