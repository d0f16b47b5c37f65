//! History that goes back: etcd is restored from a backup while replicas run.

use embedded_apiserver::Restore;
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{end, name_of, only, rest, script, send, spent, wait_ms},
};
use rstest::rstest;
use serde_json::Value;

/// Active RemediationRequests in the store.
fn active(fleet: &Fleet) -> Vec<String> {
    let requests = fleet.requests();
    requests.iter().filter(|r| r["status"]["overallPhase"] == Value::Null).map(name_of).collect()
}

async fn is_ready(replica: &Replica) -> bool {
    replica.readiness().await.status == 200
}

/// Since the backup, what was active ended, and another began.
async fn restored(restore: Restore) -> (Fleet, Vec<Replica>) {
    let fleet = Fleet::new(1);
    script(&fleet);
    let replicas = fleet.start_all(2).await;
    assert_eq!(send(&fleet, &replicas[0], "restored").await.status, 201);
    rest().await;
    let backup = fleet.api.snapshot();
    let first = name_of(&only(&fleet));
    end(&fleet, &first, "Completed").await;
    wait_ms(1_000).await;
    assert_eq!(send(&fleet, &replicas[0], "restored").await.status, 201);
    wait_ms(200_000).await;
    harness::testing::delete(&fleet, &first).await;
    rest().await;
    fleet.api.restore(&backup, restore);
    fleet.api.clear_requests();
    (fleet, replicas)
}

#[rstest]
#[case::in_a_quiet_cluster(Restore::Everything)]
#[case::in_a_busy_one(Restore::BUSY)]
#[tokio::test(start_paused = true)]
async fn after_a_restore_of_everything_signals_go_to_what_is_there_and_no_twin_comes_to_be(#[case] restore: Restore) {
    let (fleet, replicas) = restored(restore).await;
    let mut answers = Vec::new();
    for round in 0..60 {
        for replica in &replicas {
            answers.push(send(&fleet, replica, "restored").await.status.as_u16());
        }
        wait_ms(1_000).await;
        assert!(active(&fleet).len() <= 1, "round {round}: {:?}, answered {answers:?}", active(&fleet));
    }
    let spent = spent(&fleet).len();
    println!("{spent} requests for {} signals, answered {answers:?}", answers.len());
    assert!(spent < 60 * answers.len(), "{spent} requests for {} signals", answers.len());
    assert!(answers[answers.len() - 10..].iter().all(|status| matches!(status, 201 | 202)), "{answers:?}");
}

/// Since the backup, the only one there was ended and was deleted.
async fn restored_alone(restore: Restore) -> (Fleet, Vec<Replica>) {
    let fleet = Fleet::new(2);
    script(&fleet);
    let replicas = fleet.start_all(2).await;
    let mut backup = fleet.api.snapshot();
    for generation in 0..2 {
        let before = fleet.requests().first().map(name_of);
        if let Some(before) = &before {
            end(&fleet, before, "Completed").await;
            wait_ms(1_000).await;
        }
        assert_eq!(send(&fleet, &replicas[0], "restored").await.status, 201, "generation {generation}");
        wait_ms(200_000).await;
        if let Some(before) = before {
            harness::testing::delete(&fleet, &before).await;
            rest().await;
            backup = fleet.api.snapshot();
        }
    }
    let last = name_of(&only(&fleet));
    end(&fleet, &last, "Completed").await;
    wait_ms(200_000).await;
    harness::testing::delete(&fleet, &last).await;
    rest().await;
    fleet.api.restore(&backup, restore);
    (fleet, replicas)
}

#[rstest]
#[case::in_a_quiet_cluster(Restore::Everything)]
#[case::in_a_busy_one(Restore::BUSY)]
#[tokio::test(start_paused = true)]
async fn one_that_is_active_again_after_a_restore_is_found_though_its_deletion_was_seen(#[case] restore: Restore) {
    let (fleet, replicas) = restored_alone(restore).await;
    wait_ms(1_000).await;
    let before = active(&fleet);
    let answer = send(&fleet, &replicas[0], "restored").await;
    assert_eq!((active(&fleet), before.len()), (before, 1), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn under_api_servers_that_remember_what_was_undone_a_replica_is_not_ready_until_they_restart() {
    let (fleet, replicas) = restored(Restore::UnderLiveApi).await;
    let mut answers = Vec::new();
    for _ in 0..30 {
        for replica in &replicas {
            answers.push(send(&fleet, replica, "restored").await.status.as_u16());
        }
        wait_ms(1_000).await;
    }
    let (ready, spent) = (is_ready(&replicas[0]).await || is_ready(&replicas[1]).await, spent(&fleet).len());
    println!(
        "{spent} requests for {} signals, ready {ready}, {:?}, answered {answers:?}",
        answers.len(),
        active(&fleet)
    );
    assert!(active(&fleet).len() <= 1, "{:?}", active(&fleet));
    assert!(spent < 60 * answers.len(), "{spent} requests for {} signals", answers.len());
    assert!(!ready, "a consistent list contradicts what is read from etcd, and nobody is told");
    fleet.api.restart_api();
    wait_ms(60_000).await;
    for replica in &replicas {
        assert!(is_ready(replica).await, "{}", replica.name);
        assert!(send(&fleet, replica, "restored").await.status.is_success(), "{}", replica.name);
    }
    assert_eq!(active(&fleet).len(), 1);
}
