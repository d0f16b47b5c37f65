//! An etcd that is restored from a backup while replicas run: history goes back, and versions are given out again.

use std::time::Duration;

use embedded_apiserver::{Fault, Restore, Snapshot};
use gateway::dedup::bounds::decision_life;
use harness::{
    fleet::Fleet,
    replica::{NAMESPACE, Replica, config},
    testing::{Logs, delete, end, name_of, rest, script, send, send_until_accepted, spent, wait, wait_ms},
};
use rstest::rstest;
use serde_json::{Value, json};

const REWOUND: &str = "gateway_history_rewound_total";

fn is_active(request: &Value) -> bool {
    !matches!(request["status"]["overallPhase"].as_str(), Some("Completed" | "Failed"))
}

/// The active ones.
fn active(fleet: &Fleet) -> Vec<String> {
    fleet.requests().iter().filter(|request| is_active(request)).map(name_of).collect()
}

/// What has happened since the backup.
#[derive(Clone, Copy, Debug)]
enum Since {
    /// The first remediation began.
    Created,
    /// It ended, and a second one began.
    Succeeded,
    /// It ended and was deleted.
    Deleted,
}

/// A backup, and what has happened to the remediations of `resource` since.
async fn backed_up(fleet: &Fleet, replica: &Replica, resource: &str, since: Since) -> Snapshot {
    if let Since::Created = since {
        let backup = fleet.api.snapshot();
        assert_eq!(send(fleet, replica, resource).await.status, 201);
        rest().await;
        return backup;
    }
    assert_eq!(send(fleet, replica, resource).await.status, 201);
    rest().await;
    let backup = fleet.api.snapshot();
    let first = active(fleet).remove(0);
    end(fleet, &first, "Completed").await;
    if let Since::Succeeded = since {
        assert_eq!(send(fleet, replica, resource).await.status, 201);
    } else {
        wait(decision_life(&config().view)).await;
        delete(fleet, &first).await;
    }
    rest().await;
    backup
}

/// How many requests have been spent on RemediationRequests and leases so far.
fn requests(fleet: &Fleet) -> usize {
    spent(fleet).len()
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn after_a_restore_of_everything_a_replica_knows_what_there_is_and_tells_that_history_went_back(
    #[values(Restore::Everything, Restore::BUSY)] restore: Restore,
    #[values(Since::Created, Since::Succeeded, Since::Deleted)] since: Since,
    #[values(0, 60_000)] later_ms: u64,
) {
    let fleet = Fleet::new(1);
    let replica = fleet.start(1).await;
    let backup = backed_up(&fleet, &replica, "restored", since).await;
    fleet.api.restore(&backup, restore);
    fleet.api.clear_requests();
    wait_ms(later_ms).await;
    let (answer, tries) = send_until_accepted(&fleet, &replica, "restored").await;
    let expected = if let Since::Created = since { 201 } else { 202 };
    assert_eq!(answer.status, expected, "{answer:?}");
    assert_eq!(active(&fleet).len(), 1, "{:#?}", fleet.requests());
    assert!(requests(&fleet) <= 30 * tries, "{} requests, {tries} tries", requests(&fleet));
    rest().await;
    // That an object is missing where versions have gone on is not to be told from its deletion.
    let is_to_be_told = restore == Restore::Everything || !matches!(since, Since::Created);
    assert!(!is_to_be_told || replica.metric(REWOUND) >= Some(1.0));
    assert_eq!(replica.readiness().await.status, 200);
    assert_eq!(send(&fleet, &replica, "restored").await.status, 202);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_restore_beneath_live_api_servers_makes_replicas_unready_until_those_are_restarted(
    #[values(Since::Created, Since::Succeeded, Since::Deleted)] since: Since,
    #[values(0, 60_000)] later_ms: u64,
) {
    let fleet = Fleet::new(2);
    let replica = fleet.start(1).await;
    // Something is left that both sides know.
    assert_eq!(send(&fleet, &replica, "other").await.status, 201);
    rest().await;
    let backup = backed_up(&fleet, &replica, "restored", since).await;
    let (logs, _guard) = Logs::capture();
    fleet.api.restore(&backup, Restore::UnderLiveApi);
    let before = active(&fleet);
    fleet.api.clear_requests();
    wait_ms(later_ms).await;
    let answer = send(&fleet, &replica, "restored").await;
    assert!(answer.status.is_server_error(), "nothing is acknowledged: {answer:?}");
    wait_ms(10_000).await;
    let readiness = replica.readiness().await;
    assert_eq!(readiness.status, 503, "{readiness:?}");
    assert!(readiness.body.to_string().contains("restart the API servers"), "{}", readiness.body);
    assert!(logs.lines().iter().any(|line| line.text.contains("restart the API servers")), "{:?}", logs.lines());
    assert!(replica.metric(REWOUND) >= Some(1.0));
    assert_eq!(send(&fleet, &replica, "restored").await.status, 503);
    assert_eq!(active(&fleet), before, "nothing is created");

    wait_ms(600_000).await;
    assert!(requests(&fleet) <= 1_000, "{} requests in ten minutes", requests(&fleet));
    assert_eq!(replica.readiness().await.status, 503);
    fleet.api.restart_api();
    wait_ms(30_000).await;
    assert_eq!(replica.readiness().await.status, 200);
    let expected = if let Since::Created = since { 201 } else { 202 };
    assert_eq!(send(&fleet, &replica, "restored").await.status, expected);
    assert_eq!(active(&fleet).len(), 2, "{:#?}", fleet.requests());
}

#[tokio::test(start_paused = true)]
async fn replicas_are_ready_soon_after_the_api_servers_restart_though_others_write_all_the_time() {
    let fleet = Fleet::new(7);
    let replica = fleet.start(1).await;
    let backup = backed_up(&fleet, &replica, "restored", Since::Succeeded).await;
    fleet.api.restore(&backup, Restore::UnderLiveApi);
    wait_ms(60_000).await;
    assert_eq!(replica.readiness().await.status, 503);
    fleet.api.restart_api();
    for number in 0..60 {
        wait_ms(500).await;
        fleet.api.seed(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": format!("node-{number}"), "namespace": NAMESPACE },
        }));
    }
    assert_eq!(replica.readiness().await.status, 200, "half a minute later");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_answered_in_a_version_that_was_passed_already_tells_that_history_went_back() {
    let fleet = Fleet::new(5);
    let replica = fleet.start(1).await;
    assert_eq!(send(&fleet, &replica, "before").await.status, 201);
    rest().await;
    let backup = fleet.api.snapshot();
    assert_eq!(send(&fleet, &replica, "since").await.status, 201);
    rest().await;
    fleet.api.hold_watches(&replica.name);
    fleet.api.restore(&backup, Restore::Everything);
    // Nothing is known of it, and the API server creates it.
    assert_eq!(send(&fleet, &replica, "new").await.status, 503);
    assert_eq!(replica.metric(REWOUND), Some(1.0));
    fleet.api.release_watches(&replica.name);
    let (answer, _) = send_until_accepted(&fleet, &replica, "new").await;
    assert!(answer.status.is_success());
    assert_eq!(active(&fleet).len(), 2, "{:#?}", fleet.requests());
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_acquired_while_history_goes_back_is_released() {
    let fleet = Fleet::new(6);
    let replica = fleet.start(1).await;
    assert_eq!(send(&fleet, &replica, "before").await.status, 201);
    rest().await;
    let slow_answer = Fault { delay_after: Duration::from_millis(500), ..Fault::default() };
    script(&fleet).on(1, "create", "leases", slow_answer);
    let late = send(&fleet, &replica, "late");
    let meanwhile = async {
        wait_ms(50).await;
        assert_eq!(fleet.leases().len(), 1, "the lock's lease is there, but its answer is not");
        let backup = fleet.api.snapshot();
        assert_eq!(send(&fleet, &replica, "since").await.status, 201);
        fleet.api.restore(&backup, Restore::BUSY);
    };
    let (late, ()) = tokio::join!(late, meanwhile);
    assert_eq!((late.status.as_u16(), replica.metric(REWOUND)), (503, Some(1.0)), "{late:?}");
    wait_ms(2_000).await;
    assert_eq!(fleet.leases(), Vec::<Value>::new());
}

#[rstest]
#[case::created(Since::Created)]
#[case::succeeded(Since::Succeeded)]
#[tokio::test(start_paused = true)]
async fn an_idle_replica_notices_a_restore_beneath_live_api_servers(#[case] since: Since) {
    let fleet = Fleet::new(3);
    let replica = fleet.start(1).await;
    let backup = backed_up(&fleet, &replica, "restored", since).await;
    fleet.api.restore(&backup, Restore::UnderLiveApi);
    wait_ms(60_000).await;
    assert_eq!(replica.readiness().await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn watches_that_break_and_histories_that_are_compacted_are_no_history_that_went_back() {
    let fleet = Fleet::new(4);
    let replicas = fleet.start_all(2).await;
    for number in 0..10 {
        let resource = format!("sound-{number}");
        assert_eq!(send(&fleet, &replicas[number % 2], &resource).await.status, 201);
        fleet.api.break_watches(&replicas[0].name);
        fleet.api.compact();
        assert_eq!(send(&fleet, &replicas[(number + 1) % 2], &resource).await.status, 202);
        wait_ms(20_000).await;
    }
    assert!(replicas.iter().all(|replica| replica.metric(REWOUND) == Some(0.0)));
}
