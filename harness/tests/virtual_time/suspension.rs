//! A machine that was suspended: its monotonic clock and timers stood still while the others went on.

use std::time::Duration;

use embedded_apiserver::RequestRecord;
use gateway::dedup::bounds::decision_life;
use harness::{
    fleet::Fleet,
    replica::{Replica, config},
    testing::{assert_quiet, delete, end, lines, name_of, only, rest, send, spent, wait},
};

/// Suspends `replica` while another sees a remediation through and begins the next one; its watch stays silent.
async fn miss_a_remediation(fleet: &Fleet, replica: &Replica, other: &Replica) {
    fleet.api.hold_watches(&replica.name);
    replica.context().suspend();
    assert_eq!(send(fleet, other, "missed").await.status, 201);
    rest().await;
    let first = name_of(&only(fleet));
    end(fleet, &first, "Completed").await;
    assert_eq!(send(fleet, other, "missed").await.status, 201);
    wait(decision_life(&config().view)).await;
    delete(fleet, &first).await;
    rest().await;
    replica.context().resume();
}

fn is_list(request: &RequestRecord) -> bool {
    request.verb == "list" && request.resource == "remediationrequests"
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_suspended_does_not_decide_on_what_it_knew_before() {
    let fleet = Fleet::new(1);
    let replicas = fleet.start_all(2).await;
    miss_a_remediation(&fleet, &replicas[0], &replicas[1]).await;
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "missed").await.status, 202);
    let asked = spent(&fleet);
    assert!(asked.iter().any(is_list), "{:?}", lines(&asked));
    only(&fleet);
    // The connection from before is dead, as it stays silent beyond its time; then the view is fed again.
    wait(Duration::from_secs(60)).await;
    fleet.api.release_watches(&replicas[0].name);
    rest().await;
    assert_quiet(&fleet);
}
