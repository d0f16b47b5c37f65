//! A pod dies between its lease and its RemediationRequest: another takes the lease over when it has expired.

use std::future::pending;

use gateway::context::Context;
use harness::{
    cluster::Permissions,
    control_plane::for_tests,
    oracles::occurrences,
    testing::{lease_of, wait_ms},
};
use tokio::time::{Duration, timeout};

use super::world::{World, before_creates, client};

#[tokio::test]
async fn the_lease_of_a_pod_that_crashed_is_taken_over_after_35_seconds() {
    let Some(plane) = for_tests().await else { return };
    let mut world = World::empty(&plane, Permissions::Full).await;
    let life = Context::system();
    let dying = life.clone();
    let client_1 = before_creates(client(&plane, 1).await, move || {
        dying.kill();
        pending()
    });
    world.start(1, client_1, life.clone()).await;
    let client_2 = client(&plane, 2).await;
    world.start(2, client_2, Context::system()).await;

    let crash = async {
        let _ = timeout(Duration::from_secs(5), world.send(0, "expiry-test")).await;
    };
    let (_, ()) = futures::join!(life.killed(), crash);
    let (requests, leases) = world.stage.witness.catch_up().await.unwrap();
    assert!(requests.is_empty(), "it died before: {requests:#?}");
    assert_eq!(leases[0]["metadata"]["name"], lease_of("expiry-test").as_str());
    assert_eq!(leases[0]["spec"]["holderIdentity"], "gateway-pod-1");

    wait_ms(35_000).await;
    let answer = world.send(1, "expiry-test").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    world.quiet().await;
    assert_eq!(world.lease_history(), ["create gateway-pod-1", "update gateway-pod-2", "delete gateway-pod-2"]);
    assert!((world.metric(1, "gateway_lock_takeovers_total").await - 1.0).abs() < f64::EPSILON);
    assert_eq!(world.requests("expiry-test").await.iter().map(occurrences).collect::<Vec<_>>(), [1]);
}
