//! Replicas that have nothing to do stay ready to decide.

use std::time::Duration;

use gateway::http::PROMETHEUS;
use harness::{fleet::Fleet, load::webhook};
use serde_json::json;

/// Verbs and resources of the requests since the log was cleared, watches apart.
fn requests(fleet: &Fleet) -> Vec<String> {
    let requests = fleet.api.requests().into_iter().filter(|request| request.verb != "watch");
    requests.map(|request| format!("{} {}", request.verb, request.resource)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_view_of_an_idle_replica_stays_fresh_so_that_no_signal_has_to_list() {
    let fleet = Fleet::new(1);
    let replica = fleet.start(1).await;
    for minutes in [1, 10, 61] {
        replica.context().sleep(Duration::from_secs(60 * minutes)).await;
        fleet.api.clear_requests();
        let body = webhook(&format!("checkout-{minutes}"), "2026-11-01T00:00:00Z");
        assert_eq!(replica.post(PROMETHEUS, body.to_string()).await.status, 201);
        replica.context().sleep(Duration::from_millis(100)).await;
        let expected =
            ["create leases", "create remediationrequests", "patch remediationrequests/status", "delete leases"];
        let mut requests = requests(&fleet);
        requests.sort_by_key(|request| expected.iter().position(|expected| expected == request));
        assert_eq!(requests, expected, "after {minutes} minutes");
    }
    assert_eq!(replica.metric("gateway_view_fallback_lists_total"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_view_whose_watch_is_silent_is_not_believed_for_long() {
    let fleet = Fleet::new(1);
    let replica = fleet.start(1).await;
    fleet.api.hold_watches(&replica.name);
    // History goes on elsewhere, so that the version of the last list proves nothing any more.
    fleet
        .api
        .seed(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a", "namespace": "shop" } }));
    replica.context().sleep(Duration::from_secs(600)).await;
    let body = webhook("checkout", "2026-11-01T00:00:00Z");
    assert_eq!(replica.post(PROMETHEUS, body.to_string()).await.status, 201);
    assert!(replica.metric("gateway_view_fallback_lists_total") > Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_replica_asks_little_of_the_api() {
    let fleet = Fleet::new(1);
    let replica = fleet.start(1).await;
    fleet.api.clear_requests();
    replica.context().sleep(Duration::from_secs(3600)).await;
    let all = fleet.api.requests();
    // An hour: a watch every 30–40 s, a proof of the view's age every 15–30 s, a look for abandoned leases every 30–60 s.
    assert!(all.len() <= 120 + 240 + 120, "{} requests in an hour", all.len());
    assert!(all.iter().all(|request| matches!(request.verb, "watch" | "list")));
}
