//! What follows a terminal RemediationRequest, and when.

use std::sync::{Arc, Mutex};

use gateway::remediation::remediation_request_name;
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{
        answered, assert_quiet, count_of, end, fingerprint, name_of, only, patch, rest, script, send, storm, wait_ms,
    },
};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};

/// What a claim consists of.
pub(crate) const FINALIZER: &str = "kubernaut.ai/succession";

/// A fleet with one RemediationRequest of `resource`, counted twice.
pub(crate) async fn with_one(replicas: usize, resource: &str) -> (Fleet, Vec<Replica>, Value) {
    let fleet = Fleet::new(20);
    script(&fleet);
    let replicas = fleet.start_all(replicas).await;
    assert_eq!(send(&fleet, &replicas[0], resource).await.status, 201);
    assert_eq!(send(&fleet, &replicas[0], resource).await.status, 202);
    rest().await;
    let first = only(&fleet);
    (fleet, replicas, first)
}

/// All RemediationRequests, oldest first.
pub(crate) fn by_ordinal(fleet: &Fleet) -> Vec<Value> {
    let mut requests = fleet.requests();
    requests.sort_by_key(ordinal);
    requests
}

/// The place that the name tells, 0 if it is not a derived one.
pub(crate) fn ordinal(request: &Value) -> u32 {
    match name_of(request).split('-').collect::<Vec<_>>()[..] {
        ["rr", _, place, _] => place.parse().unwrap_or(0),
        _ => 0,
    }
}

/// The name of what follows `predecessor` among the RemediationRequests of `resource`.
pub(crate) fn name_after(resource: &str, predecessor: &Value) -> String {
    let uid = predecessor["metadata"]["uid"].as_str().unwrap();
    remediation_request_name(&fingerprint(resource), Some((ordinal(predecessor), uid)))
}

/// One of our annotations, empty if absent.
pub(crate) fn annotation<'a>(request: &'a Value, name: &str) -> &'a str {
    request["metadata"]["annotations"][format!("kubernaut.ai/{name}")].as_str().unwrap_or_default()
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_signal_after_a_terminal_one_creates_its_successor(
    #[values("Completed", "Failed", "TimedOut", "Skipped", "Cancelled")] phase: &str,
) {
    let (fleet, replicas, first) = with_one(2, "successor").await;
    end(&fleet, &name_of(&first), phase).await;
    let claims = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&claims);
    let first_name = name_of(&first);
    fleet.api.on_commit(move |commit| {
        let Some(new) = commit.new.as_deref().filter(|_| commit.resource == "remediationrequests") else { return };
        let kind = if commit.name == first_name { "first" } else { "successor" };
        let claimed = new["metadata"]["finalizers"] == json!([FINALIZER]);
        seen.lock().unwrap().push(format!("{} {kind}{}", commit.verb, if claimed { " claimed" } else { "" }));
    });
    let answer = send(&fleet, &replicas[1], "successor").await;
    assert_eq!(answer.status, 201);
    rest().await;
    let all = by_ordinal(&fleet);
    assert_eq!(all.len(), 2);
    let expected = name_after("successor", &first);
    assert_eq!(
        (name_of(&all[1]), answer.body["remediationRequestName"].as_str()),
        (expected.clone(), Some(&*expected))
    );
    assert_eq!((ordinal(&all[0]), ordinal(&all[1])), (1, 2));
    assert_eq!((count_of(&all[0]), count_of(&all[1])), (2, 1));
    let claims = claims.lock().unwrap();
    assert_eq!(claims[..2], ["patch first claimed", "create successor"], "the claim comes before the create");
    assert!(claims[2..].contains(&"patch first".to_owned()), "the finalizer is taken back: {claims:?}");
    assert_eq!(all[0]["metadata"]["finalizers"], Value::Null);
    assert!(annotation(&all[0], "claim").starts_with("gateway-pod-2/"));
    assert_quiet(&fleet);
}

#[rstest]
#[case::pending("Pending", true)]
#[case::executing("Executing", true)]
#[case::blocked("Blocked", true)]
#[case::completed("Completed", false)]
#[tokio::test(start_paused = true)]
async fn a_signal_counts_on_what_is_not_terminal(#[case] phase: &str, #[case] counts: bool) {
    let (fleet, replicas, first) = with_one(2, "phases").await;
    end(&fleet, &name_of(&first), phase).await;
    let answer = send(&fleet, &replicas[1], "phases").await;
    assert_eq!(answer.status.as_u16(), if counts { 202 } else { 201 });
    assert_eq!(fleet.requests().len(), if counts { 1 } else { 2 });
}

#[tokio::test(start_paused = true)]
async fn a_long_line_of_successors_loses_no_count() {
    let (fleet, replicas, _) = with_one(3, "line").await;
    let mut expected = vec![2];
    for round in 0..6 {
        let newest = by_ordinal(&fleet).pop().unwrap();
        end(&fleet, &name_of(&newest), "Completed").await;
        let answers = storm(&fleet, &replicas, "line", 10 + round).await;
        assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 9 + round));
        expected.push(10 + round as u64);
        wait_ms(50).await;
    }
    let all = by_ordinal(&fleet);
    assert_eq!(all.iter().map(count_of).collect::<Vec<_>>(), expected);
    assert_eq!(all.iter().map(ordinal).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    for pair in all.windows(2) {
        assert_eq!(name_of(&pair[1]), name_after("line", &pair[0]));
    }
    rest().await;
    assert!(all.iter().all(|r| r["metadata"]["deletionTimestamp"].is_null()));
    let left: Vec<String> =
        fleet.requests().iter().filter(|r| !r["metadata"]["finalizers"].is_null()).map(name_of).collect();
    assert!(left.is_empty(), "claims are taken back at once: {left:?}");
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_a_replica_that_was_late_is_taken_back_too() {
    let (fleet, replicas, first) = with_one(2, "late-claim").await;
    end(&fleet, &name_of(&first), "Failed").await;
    rest().await;
    fleet.api.hold_watches("gateway-pod-2");
    assert_eq!(send(&fleet, &replicas[0], "late-claim").await.status, 201);
    rest().await;
    let answer = send(&fleet, &replicas[1], "late-claim").await;
    assert_eq!(answer.status, 202, "its view shows no successor, and the fence does");
    rest().await;
    assert_eq!(replicas[1].metric("gateway_fence_claims_total"), Some(2.0), "on an old and on the newest version");
    let all = by_ordinal(&fleet);
    assert_eq!(all[0]["metadata"]["finalizers"], Value::Null, "{all:#?}");
    assert_eq!(all.iter().map(count_of).collect::<Vec<_>>(), [2, 2]);
    fleet.api.release_watches("gateway-pod-2");
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_writer_crashed_is_cleared_by_another_replicas_collector() {
    let (fleet, replicas, first) = with_one(2, "crashed-claim").await;
    end(&fleet, &name_of(&first), "Failed").await;
    wait_ms(10).await;
    let claimed = async {
        while only(&fleet)["metadata"]["finalizers"].is_null() {
            wait_ms(1).await;
        }
        replicas[1].crash();
        fleet.api.disconnect("gateway-pod-2");
    };
    let (answer, ()) = futures::join!(send(&fleet, &replicas[1], "crashed-claim"), claimed);
    assert!(!answer.status.is_success());
    wait_ms(100_000).await;
    assert_eq!(only(&fleet)["metadata"]["finalizers"], json!([FINALIZER]), "a decision made on it may still live");
    wait_ms(200_000).await;
    assert_eq!(only(&fleet)["metadata"]["finalizers"], Value::Null);
    assert_eq!(replicas[0].metric("gateway_fence_claims_cleared_total"), Some(1.0));
    assert_eq!(send(&fleet, &replicas[0], "crashed-claim").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_signal_on_one_that_ended_while_the_watch_stood_still_waits_for_the_view_at_each_look_and_then_lists() {
    let (fleet, replicas, first) = with_one(1, "ended").await;
    fleet.api.hold_watches("gateway-pod-1");
    end(&fleet, &name_of(&first), "Completed").await;
    let began = tokio::time::Instant::now();
    assert_eq!(send(&fleet, &replicas[0], "ended").await.status, 201);
    let took = began.elapsed().as_millis();
    assert!((2_000..2_100).contains(&took), "a second before the lock and one after it: {took} ms");
    assert!(replicas[0].metric("gateway_view_fallback_lists_total") >= Some(1.0));
    fleet.api.release_watches("gateway-pod-1");
    rest().await;
    assert_eq!(by_ordinal(&fleet).iter().map(count_of).collect::<Vec<_>>(), [2, 1]);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_one_that_asks_for_manual_review_goes_on_counting() {
    let (fleet, replicas, first) = with_one(2, "review").await;
    let status = json!({ "overallPhase": "Failed", "completionStatus": { "outcome": "ManualReviewRequired" } });
    patch(&fleet, &name_of(&first), "status", json!({ "status": status })).await;
    rest().await;
    for replica in &replicas {
        assert_eq!(send(&fleet, replica, "review").await.status, 202);
    }
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 4);
    let status = json!({ "completionStatus": { "outcome": "Remediated" } });
    patch(&fleet, &name_of(&first), "status", json!({ "status": status })).await;
    rest().await;
    assert_eq!(send(&fleet, &replicas[1], "review").await.status, 201);
    assert_eq!(fleet.requests().len(), 2);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_one_counts_until_its_next_allowed_execution_and_then_no_more() {
    let (fleet, replicas, first) = with_one(2, "cooldown").await;
    let until = fleet.api.now() + SignedDuration::from_secs(60);
    let until = until.round(jiff::Unit::Second).unwrap();
    let status = json!({ "overallPhase": "Completed", "routingStatus": { "nextAllowedExecution": until } });
    patch(&fleet, &name_of(&first), "status", json!({ "status": status })).await;
    wait_ms(100).await;
    // Once a second: the worker knows the object and is never idle, and nothing in the API changes when the time comes.
    let mut answers = Vec::new();
    while fleet.api.now() < until + SignedDuration::from_secs(3) {
        let before = fleet.api.now();
        answers.push((before < until, send(&fleet, &replicas[0], "cooldown").await.status.as_u16()));
        wait_ms(1_000).await;
    }
    let suppressed = answers.iter().filter(|(early, _)| *early).count();
    assert!(suppressed >= 59, "{answers:?}");
    assert!(answers[..suppressed].iter().all(|(_, status)| *status == 202), "{answers:?}");
    assert_eq!(answers[suppressed].1, 201, "{answers:?}");
    assert!(answers[suppressed + 1..].iter().all(|(_, status)| *status == 202), "{answers:?}");
    rest().await;
    let all = by_ordinal(&fleet);
    assert_eq!(count_of(&all[0]), 2 + suppressed as u64);
    assert_eq!(count_of(&all[1]), (answers.len() - suppressed) as u64);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn status_fields_of_other_controllers_survive_our_patches() {
    let (fleet, replicas, first) = with_one(2, "foreign").await;
    let foreign = json!({
        "overallPhase": "Executing",
        "startTime": "2026-11-01T08:00:00Z",
        "signalProcessingRef": { "name": "sp-1", "uid": "u" },
        "conditions": [{ "type": "Ready", "status": "True", "reason": "Because", "message": "m" }],
        "completionStatus": { "outcome": "InProgress", "details": { "deep": [1, 2, 3] } },
        "routingStatus": { "reason": "none" },
    });
    patch(&fleet, &name_of(&first), "status", json!({ "status": foreign })).await;
    let labels = json!({ "metadata": { "labels": { "team": "shop" }, "annotations": { "note": "kept" }, "finalizers": ["example.org/audit"] } });
    patch(&fleet, &name_of(&first), "", labels).await;
    let answers = storm(&fleet, &replicas, "foreign", 20).await;
    assert_eq!(answered(&answers, 202), 20);
    rest().await;
    end(&fleet, &name_of(&first), "Completed").await;
    assert_eq!(send(&fleet, &replicas[1], "foreign").await.status, 201);
    rest().await;
    let first = by_ordinal(&fleet).remove(0);
    let mut status = first["status"].clone();
    let deduplication = status.as_object_mut().unwrap().remove("deduplication").unwrap();
    assert_eq!(deduplication["occurrenceCount"], 22);
    let mut expected = foreign;
    expected["overallPhase"] = json!("Completed");
    assert_eq!(status, expected);
    assert_eq!(first["metadata"]["labels"]["team"], "shop");
    assert_eq!(first["metadata"]["annotations"]["note"], "kept");
    assert_eq!(first["metadata"]["finalizers"], json!(["example.org/audit"]), "claimed and let go around it");
    assert_quiet(&fleet);
}
