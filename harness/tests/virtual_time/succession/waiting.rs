//! Signals that wait: behind one that fails, to their deadlines, through a shutdown.

use std::{sync::Arc, time::Duration};

use embedded_apiserver::{Effect, Fault, Script};
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{
        answered, assert_quiet, count_of, delete, end, lines, name_of, only, patch, rest, script, send, spent, storm,
        wait_ms,
    },
};

use serde_json::json;

use super::lineage::with_one;

async fn one_replica() -> (Fleet, Vec<Replica>, Arc<Script>) {
    let fleet = Fleet::new(30);
    let script = script(&fleet);
    let replicas = fleet.start_all(1).await;
    (fleet, replicas, script)
}

fn creates(fleet: &Fleet) -> usize {
    spent(fleet).iter().filter(|r| r.verb == "create" && r.resource == "remediationrequests").count()
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_api_fails_all_that_wait_and_is_met_once() {
    let (fleet, replicas, script) = one_replica().await;
    script.on(usize::MAX, "create", "remediationrequests", Fault::refused(Effect::internal_error()));
    let answers = storm(&fleet, &replicas, "outage", 5).await;
    assert_eq!(answered(&answers, 500), 5);
    assert_eq!(creates(&fleet), 1);
    script.clear();
    assert_eq!(send(&fleet, &replicas[0], "outage").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_fails_those_whose_own_has_come_and_no_others() {
    let (fleet, replicas, script) = one_replica().await;
    let silent = Fault { delay_before: Duration::from_secs(3_600), ..Fault::lost() };
    script.on(usize::MAX, "create", "remediationrequests", silent);
    let began = tokio::time::Instant::now();
    let at = async |ms| {
        wait_ms(ms).await;
        let status = send(&fleet, &replicas[0], "silent").await.status.as_u16();
        (status, began.elapsed().as_millis())
    };
    // Its own requests begin when the first one's time is over.
    let recovery = async {
        wait_ms(14_000).await;
        script.clear();
    };
    let (first, beside, later, ()) = futures::join!(at(0), at(0), at(10_000), recovery);
    for (status, took) in [first, beside] {
        assert_eq!(status, 504);
        assert!((15_000..15_050).contains(&took), "{took} ms");
    }
    assert_eq!(later.0, 201);
    assert!((15_000..15_100).contains(&later.1), "{} ms", later.1);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_conflicts_to_its_deadline_can_be_tried_again() {
    let (fleet, replicas, _) = with_one(1, "conflicts").await;
    let script = script(&fleet);
    let conflict = Effect::Status { code: 409, reason: "Conflict", message: "no".to_owned(), retry_after_s: None };
    let conflict = Fault { delay_before: Duration::from_millis(100), ..Fault::refused(conflict) };
    script.on(usize::MAX, "patch", "leases", conflict);
    let began = tokio::time::Instant::now();
    assert_eq!(send(&fleet, &replicas[0], "conflicts").await.status, 503);
    let took = began.elapsed().as_millis();
    assert!((10_000..15_050).contains(&took), "until a pause would end after the deadline: {took} ms");
    script.clear();
    assert_eq!(send(&fleet, &replicas[0], "conflicts").await.status, 202);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_is_throttled_beyond_its_deadline_is_given_up_at_once() {
    let (fleet, replicas, _) = with_one(1, "throttled").await;
    let script = script(&fleet);
    script.on(usize::MAX, "patch", "leases", Fault::refused(Effect::throttled(30)));
    let began = tokio::time::Instant::now();
    assert_eq!(send(&fleet, &replicas[0], "throttled").await.status, 503);
    let took = began.elapsed().as_millis();
    assert!(took < 50, "{took} ms");
    script.clear();
    assert_eq!(send(&fleet, &replicas[0], "throttled").await.status, 503, "the API server has asked to wait");
    wait_ms(30_000).await;
    assert_eq!(send(&fleet, &replicas[0], "throttled").await.status, 202);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 3);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_replica_counts_on_what_it_was_answered_while_its_watch_stands_still() {
    let (fleet, replicas, _) = with_one(1, "answered").await;
    fleet.api.hold_watches("gateway-pod-1");
    fleet.api.clear_requests();
    for _ in 0..3 {
        assert_eq!(send(&fleet, &replicas[0], "answered").await.status, 202);
    }
    let counting = ["get remediationrequests 200", "patch leases 200"];
    assert_eq!(lines(&spent(&fleet)), counting.repeat(3));
    fleet.api.release_watches("gateway-pod-1");
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_replica_counts_on_what_its_view_was_told_since_its_own_answer() {
    let (fleet, replicas, first) = with_one(2, "told").await;
    assert_eq!(send(&fleet, &replicas[1], "told").await.status, 202);
    wait_ms(100).await;
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "told").await.status, 202);
    assert_eq!(lines(&spent(&fleet)), ["get remediationrequests 200", "patch leases 200"]);
    // And counts on none that it was told is gone.
    delete(&fleet, &name_of(&first)).await;
    wait_ms(100).await;
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "told").await.status, 201);
    rest().await;
    let refused = spent(&fleet)
        .into_iter()
        .filter(|r| !r.resource.ends_with("/status") && r.code != "200" && r.code != "201")
        .count();
    assert_eq!(refused, 0, "{:?}", lines(&spent(&fleet)));
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn signals_go_to_the_active_one_though_the_one_before_it_has_come_to_suppress_them() {
    let (fleet, replicas, first) = with_one(2, "suppressed").await;
    assert_eq!(send(&fleet, &replicas[0], "suppressed").await.status, 202);
    end(&fleet, &name_of(&first), "Failed").await;
    wait_ms(100).await;
    let second = send(&fleet, &replicas[1], "suppressed").await;
    assert_eq!(second.status, 201);
    let outcome = json!({ "status": { "completionStatus": { "outcome": "ManualReviewRequired" } } });
    patch(&fleet, &name_of(&first), "status", outcome).await;
    wait_ms(100).await;
    for replica in &replicas {
        let answer = send(&fleet, replica, "suppressed").await;
        assert_eq!(answer.body["remediationRequestName"], second.body["remediationRequestName"], "{}", replica.name);
    }
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_shuts_down_finishes_what_is_under_way_takes_nothing_more_and_then_waits_for_nothing() {
    let (fleet, replicas, script) = one_replica().await;
    // Its worker has nothing to do any more.
    assert_eq!(send(&fleet, &replicas[0], "earlier").await.status, 201);
    let slow = Fault { delay_before: Duration::from_millis(1_000), ..Fault::default() };
    script.on(1, "create", "remediationrequests", slow);
    let after = async |ms, resource| {
        wait_ms(ms).await;
        send(&fleet, &replicas[0], resource).await.status.as_u16()
    };
    let began = tokio::time::Instant::now();
    let shutdown = async {
        wait_ms(500).await;
        replicas[0].shut_down().await;
        began.elapsed().as_millis()
    };
    let (under_way, known, new, ended) =
        futures::join!(after(0, "slow"), after(600, "earlier"), after(600, "another"), shutdown);
    assert_eq!((under_way, known, new), (201, 503, 503));
    assert!((1_000..1_100).contains(&ended), "{ended} ms");
    assert!(fleet.leases().is_empty());
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_shuts_down_right_after_a_201_has_released_its_claim_though_others_write_meanwhile() {
    let (fleet, replicas, first) = with_one(1, "released").await;
    end(&fleet, &name_of(&first), "Completed").await;
    rest().await;
    let script = script(&fleet);
    let mut patches = 0;
    // The first one claims, the second releases.
    script.add(1, Fault { delay_before: Duration::from_millis(500), ..Fault::default() }, move |request| {
        patches += usize::from(request.verb == "patch" && request.label() == "remediationrequests");
        patches == 2
    });
    assert_eq!(send(&fleet, &replicas[0], "released").await.status, 201);
    let write = async {
        wait_ms(100).await;
        patch(&fleet, &name_of(&first), "", json!({ "metadata": { "labels": { "seen": "yes" } } })).await;
    };
    futures::join!(replicas[0].shut_down(), write);
    let left: Vec<String> =
        fleet.requests().iter().filter(|r| !r["metadata"]["finalizers"].is_null()).map(name_of).collect();
    assert_eq!(left, Vec::<String>::new(), "nobody else would remove it");
    assert_quiet(&fleet);
}
