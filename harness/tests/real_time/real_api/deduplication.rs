//! Signals of one fingerprint at several replicas: one RemediationRequest, all counted.

use std::{collections::BTreeSet, time::Duration};

use gateway::context::Context;
use harness::{
    cluster::Permissions,
    control_plane::for_tests,
    oracles::occurrences,
    replica::config,
    testing::{answered, lease_of},
};

use super::world::{World, client, held_before_creates};

#[tokio::test]
async fn three_replicas_and_fifteen_concurrent_signals_make_one_remediation_request_that_counts_fifteen() {
    let Some(plane) = for_tests().await else { return };
    let world = World::new(&plane, 3).await;
    let answers = world.storm("multi-replica-test", 15).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 14), "{answers:#?}");
    let ordinals: BTreeSet<u64> =
        answers.iter().filter_map(|answer| answer.body["metadata"]["occurrenceCount"].as_u64()).collect();
    assert_eq!(ordinals, (1..=15).collect(), "each is told its own ordinal");
    world.quiet().await;
    let requests = world.requests("multi-replica-test").await;
    assert_eq!(requests.iter().map(occurrences).collect::<Vec<_>>(), [15]);
}

#[tokio::test]
async fn of_two_pods_that_receive_a_signal_at_once_the_second_tries_again_and_counts() {
    let Some(plane) = for_tests().await else { return };
    let mut world = World::empty(&plane, Permissions::Full).await;
    // The first keeps the lock until the second has met it, which does not go on without it meanwhile.
    let (held, came, go) = held_before_creates(client(&plane, 1).await);
    world.start(1, held, Context::system()).await;
    let mut patient = config();
    patient.lock.wait_timeout = patient.server.kubernetes_request_timeout - Duration::from_secs(1);
    let second = client(&plane, 2).await;
    world.start_with(2, patient, second, Context::system()).await;
    let later = async {
        drop(came.acquire().await);
        world.send(1, "contention-test").await
    };
    let met = async {
        assert!(world.metric_once_counted(1, "gateway_lock_contention_total").await >= 1.0);
        go.add_permits(1);
    };
    let (first, second, ()) = futures::join!(world.send(0, "contention-test"), later, met);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 202), "{first:?} {second:?}");
    assert_eq!(second.body["remediationRequestName"], first.body["remediationRequestName"]);
    world.quiet().await;
    assert_eq!(world.requests("contention-test").await.iter().map(occurrences).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_lease_is_created_and_deleted_around_a_new_remediation_request_and_duplicates_take_none() {
    let Some(plane) = for_tests().await else { return };
    let world = World::new(&plane, 2).await;
    assert_eq!(world.send(0, "lifecycle").await.status, 201);
    world.quiet().await;
    assert_eq!(world.lease_history(), ["create gateway-pod-1", "delete gateway-pod-1"]);
    assert_eq!(world.stage.witness.seen("leases")[0].name, lease_of("lifecycle"));
    for index in [0, 1] {
        assert_eq!(world.send(index, "lifecycle").await.status, 202);
    }
    world.quiet().await;
    assert_eq!(world.lease_history().len(), 2);
}

#[tokio::test]
async fn no_lease_is_left_after_bursts_on_many_resources() {
    let Some(plane) = for_tests().await else { return };
    let world = World::new(&plane, 3).await;
    let names: Vec<String> = (0..20).map(|i| format!("burst-{i}")).collect();
    let bursts = futures::future::join_all(names.iter().map(|name| world.storm(name, 6))).await;
    for answers in bursts {
        assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 5), "{answers:#?}");
    }
    world.quiet().await;
    let history = world.lease_history();
    let count = |verb: &str| history.iter().filter(|event| event.starts_with(verb)).count();
    assert!(count("create") >= 20 && count("create") == count("delete"), "{history:#?}");
}
