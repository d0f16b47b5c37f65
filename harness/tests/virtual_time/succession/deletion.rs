//! What follows a RemediationRequest that is deleted, or being deleted.

use gateway::remediation::remediation_request_name;
use rstest::rstest;
use serde_json::{Value, json};

use super::lineage::{by_ordinal, name_after, ordinal, with_one};
use harness::testing::{FAILURES, count_of, delete, end, fingerprint, name_of, only, patch, post, rest, send, wait_ms};

#[rstest]
#[case::known_to_the_replica(0)]
#[case::known_to_its_view_only(1)]
#[tokio::test(start_paused = true)]
async fn a_signal_after_a_deleted_one_creates_a_new_one(#[case] replica: usize) {
    let (fleet, replicas, first) = with_one(2, "deleted").await;
    delete(&fleet, &name_of(&first)).await;
    assert!(fleet.requests().is_empty());
    let answer = send(&fleet, &replicas[replica], "deleted").await;
    assert_eq!(answer.status, 201);
    let second = only(&fleet);
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(name_of(&second), remediation_request_name(&fingerprint("deleted"), None));
    assert_eq!(send(&fleet, &replicas[1 - replica], "deleted").await.status, 202);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 2);
    assert!(fleet.oracles.violations().is_empty());
    assert!(fleet.leases().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_signal_on_one_that_is_deleted_while_the_watch_stands_still_creates_a_new_one() {
    let (fleet, replicas, first) = with_one(1, "stale").await;
    fleet.api.hold_watches("gateway-pod-1");
    delete(&fleet, &name_of(&first)).await;
    let answer = send(&fleet, &replicas[0], "stale").await;
    assert_eq!(answer.status, 201, "one consistent list tells it: {answer:?}");
    assert!(replicas[0].metric("gateway_view_fallback_lists_total") >= Some(1.0));
    fleet.api.release_watches("gateway-pod-1");
    rest().await;
    assert_eq!(send(&fleet, &replicas[0], "stale").await.status, 202);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 2);
    assert!(fleet.oracles.violations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_a_foreign_finalizer_blocks_its_successor_which_is_said_so() {
    let (fleet, replicas, first) = with_one(1, "blocked").await;
    let name = name_of(&first);
    patch(&fleet, &name, "", json!({ "metadata": { "finalizers": ["example.org/slow"] } })).await;
    delete(&fleet, &name).await;
    rest().await;
    assert!(!only(&fleet)["metadata"]["deletionTimestamp"].is_null());
    let blocked = |text: &str| harness::replica::metric(text, "gateway_blocked_by_deletion_total");
    assert_eq!(blocked(&replicas[0].metrics()), Some(0.0));
    let body = harness::load::webhook("blocked", harness::testing::STARTS_AT);
    let began = tokio::time::Instant::now();
    let answer = post(&replicas[0], body.to_string()).await;
    answer.assert_problem(503);
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|secs| secs > 0), "{:?}", answer.headers);
    assert!(answer.body["detail"].as_str().unwrap().contains("being deleted"), "{}", answer.body);
    assert!(began.elapsed().as_secs() <= 16, "within the signal's deadline");
    assert_eq!(blocked(&replicas[0].metrics()), Some(1.0));
    assert_eq!(replicas[0].metric(FAILURES), Some(0.0));
    rest().await;
    assert!(fleet.leases().is_empty());

    // Its deletion ends while a signal waits.
    let released = async {
        wait_ms(2_000).await;
        patch(&fleet, &name, "", json!({ "metadata": { "finalizers": [] } })).await;
    };
    let began = tokio::time::Instant::now();
    let (answer, ()) = futures::join!(send(&fleet, &replicas[0], "blocked"), released);
    assert_eq!(answer.status, 201);
    assert!(began.elapsed().as_millis() < 2_100, "it goes on at once: {:?}", began.elapsed());
    assert_eq!(count_of(&only(&fleet)), 1);
    rest().await;
    assert!(fleet.oracles.violations().is_empty());
    assert!(fleet.leases().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_terminal_one_that_is_deleted_after_its_claim_goes_when_its_successor_is_there() {
    let (fleet, replicas, first) = with_one(2, "claimed").await;
    let name = name_of(&first);
    end(&fleet, &name, "Completed").await;
    wait_ms(10).await;
    // The user is faster than the create.
    let (answer, ()) = futures::join!(send(&fleet, &replicas[1], "claimed"), async {
        while only(&fleet)["metadata"]["finalizers"].is_null() {
            wait_ms(1).await;
        }
        delete(&fleet, &name).await;
    });
    assert_eq!(answer.status, 201);
    wait_ms(300_000).await;
    let left = by_ordinal(&fleet);
    assert_eq!(left.len(), 1, "the claim does not keep it for ever: {left:#?}");
    assert_eq!(name_of(&left[0]), name_after("claimed", &first));
    assert_eq!(left[0]["metadata"]["finalizers"], Value::Null);
    assert!(fleet.oracles.violations().is_empty());
    assert!(fleet.leases().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_terminal_one_that_is_gone_before_its_claim_has_no_successor_but_a_new_first() {
    let (fleet, replicas, first) = with_one(2, "gone").await;
    end(&fleet, &name_of(&first), "Completed").await;
    rest().await;
    fleet.api.hold_watches("gateway-pod-2");
    delete(&fleet, &name_of(&first)).await;
    let answer = send(&fleet, &replicas[1], "gone").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let second = only(&fleet);
    assert_eq!(ordinal(&second), 1);
    fleet.api.release_watches("gateway-pod-2");
    rest().await;
    assert!(fleet.oracles.violations().is_empty());
    assert_eq!(fleet.requests().len(), 1);
}
