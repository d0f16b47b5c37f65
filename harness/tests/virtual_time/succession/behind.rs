//! Replicas whose view is older than what they have read, because their watch says nothing: they ask the API server, but no more often
//! than they would have to wait anyway. And one whose view is newer than what it has counted on.

use std::time::Duration;

use harness::{
    fleet::Fleet,
    replica::{NAMESPACE, Replica},
    testing::{delete, end, lease_of, lines, name_of, patch, rest, send, spent, wait},
};
use serde_json::json;

use super::lineage::with_one;

/// A replica that knows of a completed RemediationRequest of `resource`, and then was told nothing for so long that it has to ask
/// the API server before each decision.
async fn behind(resource: &str) -> (Fleet, Vec<Replica>, String) {
    let (fleet, replicas, first) = with_one(1, resource).await;
    let first = name_of(&first);
    end(&fleet, &first, "Completed").await;
    rest().await;
    fleet.api.hold_watches("gateway-pod-1");
    // History goes on elsewhere, so that the version of the last list proves nothing any more.
    let elsewhere = json!({ "name": "elsewhere", "namespace": "shop" });
    fleet.api.seed(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": elsewhere }));
    wait(Duration::from_secs(120)).await;
    (fleet, replicas, first)
}

/// In milliseconds.
fn pauses_between_lists(fleet: &Fleet) -> Vec<u128> {
    let lists: Vec<Duration> = spent(fleet)
        .iter()
        .filter(|r| r.verb == "list" && r.resource == "remediationrequests")
        .map(|r| r.elapsed)
        .collect();
    lists.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_behind_waits_between_tries_for_a_lock_as_any_other_does() {
    let (fleet, replicas, first) = behind("behind").await;
    patch(&fleet, &first, "", json!({ "metadata": { "labels": { "example.org/seen": "true" } } })).await;
    let renewed = format!("{:.6}", fleet.api.now());
    fleet.api.seed(json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": lease_of("behind"), "namespace": NAMESPACE },
        "spec": { "holderIdentity": "gateway-pod-9", "leaseDurationSeconds": 30, "renewTime": renewed },
    }));
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "behind").await.status, 201);
    let pauses = pauses_between_lists(&fleet);
    assert!((4..=16).contains(&pauses.len()), "a backoff that doubles from 5 ms, for half a second: {pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_behind_waits_between_looks_at_one_that_is_being_deleted() {
    let (fleet, replicas, first) = behind("going").await;
    patch(&fleet, &first, "", json!({ "metadata": { "finalizers": ["example.org/slow"] } })).await;
    delete(&fleet, &first).await;
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "going").await.status, 503);
    let pauses = pauses_between_lists(&fleet);
    assert!((10..=20).contains(&pauses.len()), "one a second, to its deadline of 15 s: {pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_view_has_seen_end_is_not_counted_on_although_it_was_a_moment_ago() {
    let (fleet, replicas, first) = with_one(1, "ended").await;
    assert_eq!(send(&fleet, &replicas[0], "ended").await.status, 202);
    end(&fleet, &name_of(&first), "Completed").await;
    wait(Duration::from_millis(5)).await;
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "ended").await.status, 201);
    let counts = |line: &String| line.starts_with("patch leases") || line.starts_with("get");
    assert_eq!(lines(&spent(&fleet)).into_iter().filter(counts).collect::<Vec<_>>(), [""; 0], "{:?}", spent(&fleet));
}
