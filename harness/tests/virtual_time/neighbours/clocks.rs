//! Clocks that stand still, and versions that mean nothing: what a view's age may not rest on.

use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{delete, end, name_of, only, rest, script, send, wait_ms},
};
use serde_json::Value;

/// While nobody tells the first replica, the second lets a RemediationRequest come and end and another follow it; the first
/// of them is deleted as soon as anybody may: whoever knows of none would create it again.
async fn go_on(fleet: &Fleet, replicas: &[Replica], resource: &str) {
    assert_eq!(send(fleet, &replicas[1], resource).await.status, 201);
    rest().await;
    let first = name_of(&only(fleet));
    end(fleet, &first, "Completed").await;
    rest().await;
    assert_eq!(send(fleet, &replicas[1], resource).await.status, 201);
    wait_ms(176_000).await;
    delete(fleet, &first).await;
    rest().await;
}

/// Active RemediationRequests about `resource`.
fn active(fleet: &Fleet, resource: &str) -> usize {
    let requests = fleet.requests();
    let about = requests.iter().filter(|request| request["spec"]["targetResource"]["name"] == resource);
    about.filter(|request| request["status"]["overallPhase"] == Value::Null).count()
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_suspended_makes_no_twin_when_it_goes_on_with_a_watch_that_is_half_open() {
    let fleet = Fleet::new(1);
    script(&fleet);
    let replicas = fleet.start_all(2).await;
    wait_ms(10_000).await;
    fleet.api.hold_watches(&replicas[0].name);
    replicas[0].context().suspend();
    go_on(&fleet, &replicas, "suspended").await;
    replicas[0].context().resume();
    wait_ms(2_500).await;
    let answer = send(&fleet, &replicas[0], "suspended").await;
    fleet.api.release_watches(&replicas[0].name);
    rest().await;
    assert_eq!(active(&fleet, "suspended"), 1, "{answer:?}");
    assert_eq!(answer.status, 202);
    assert_eq!(fleet.oracles.violations(), []);
}

#[tokio::test(start_paused = true)]
async fn a_silent_view_is_not_taken_for_fresh_where_leases_have_a_store_of_their_own() {
    let fleet = Fleet::with_lease_store(2, 1);
    script(&fleet);
    let replicas = fleet.start_all(2).await;
    // Leases are few, so that their versions stay behind all others.
    for _ in 0..50 {
        assert!(send(&fleet, &replicas[0], "counted").await.status.is_success());
        wait_ms(100).await;
    }
    end(&fleet, &name_of(&only(&fleet)), "Completed").await;
    rest().await;
    delete(&fleet, &name_of(&only(&fleet))).await;
    rest().await;
    fleet.api.hold_watches(&replicas[0].name);
    go_on(&fleet, &replicas, "leases").await;
    // Its lock is acquired, and has a version that the view passed long ago.
    assert_eq!(send(&fleet, &replicas[0], "another").await.status, 201);
    let answer = send(&fleet, &replicas[0], "leases").await;
    fleet.api.release_watches(&replicas[0].name);
    rest().await;
    assert_eq!(active(&fleet, "leases"), 1, "{answer:?}");
    assert_eq!(answer.status, 202);
    assert_eq!(fleet.oracles.violations(), []);
}
