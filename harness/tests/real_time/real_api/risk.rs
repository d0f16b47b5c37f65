//! No API server, no permission on leases.

use std::time::Duration;

use futures::future::join_all;
use gateway::context::Context;
use harness::{
    cluster::{Permissions, permit},
    control_plane::{ControlPlane, USERS, available_for_tests, for_tests},
    oracles::occurrences,
    testing::Logs,
};

use super::world::{World, client};

const FAILURES: &str = "gateway_lock_acquisition_failures_total";

#[tokio::test]
async fn a_signal_fails_at_once_while_the_api_server_is_stopped_and_is_counted_when_it_is_back() {
    if !available_for_tests() {
        return;
    }
    // One of its own: others must not feel it.
    let plane = ControlPlane::start().await.unwrap();
    let world = World::new(&plane, 3).await;
    plane.apiserver().kill();
    for index in 0..3 {
        let answer = world.send(index, "unavailable").await;
        // Not 504, as at the deadline.
        assert_eq!(answer.status, 500, "{answer:?}");
        assert!(world.metric(index, FAILURES).await >= 1.0);
    }
    plane.apiserver().restart().unwrap();
    plane.ready().await.unwrap();
    for index in 0..3 {
        world.send_until_accepted(index, "unavailable").await;
    }
    world.quiet().await;
    let counts: Vec<u64> = world.requests("unavailable").await.iter().map(occurrences).collect();
    assert!(counts.len() == 1 && counts[0] >= 3, "{counts:?}");
}

/// Stopped as by SIGSTOP: connections are taken, and nothing is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_stands_still_fails_all_until_it_goes_on_and_soon_is_asked_nothing_more() {
    if !available_for_tests() {
        return;
    }
    let plane = ControlPlane::start().await.unwrap();
    let world = World::new(&plane, 1).await;
    assert_eq!(world.send(0, "known").await.status, 201);
    plane.apiserver().pause().unwrap();
    let answers = (0..90_u32).map(|number| {
        let world = &world;
        async move {
            Context::system().sleep(number * Duration::from_millis(200)).await;
            let answer = world.send(0, if number % 2 == 0 { "known" } else { "new" }).await;
            assert!(answer.status.is_server_error(), "{answer:?}");
        }
    });
    join_all(answers).await;
    // Open, or half open while it is asked once.
    assert!(world.metric(0, "gateway_circuit_breaker_state{name=\"kubernetes-api\"}").await > 0.0);
    plane.apiserver().resume().unwrap();
    for resource in ["known", "new"] {
        world.send_until_accepted(0, resource).await;
    }
    world.quiet().await;
}

#[tokio::test]
async fn gateways_without_permission_on_leases_log_it_and_fail_every_signal_until_it_is_granted() {
    let Some(plane) = for_tests().await else { return };
    let mut world = World::empty(&plane, Permissions::WithoutLeases).await;
    for number in 1..=2 {
        let client = client(&plane, number).await;
        world.start(number, client, Context::system()).await;
    }
    let (logs, guard) = Logs::capture();
    for index in 0..2 {
        let answer = world.send(index, "forbidden").await;
        assert_eq!(answer.status, 500, "{answer:?}");
        assert!(!answer.body.to_string().contains("gateway-pod"), "no internals: {answer:?}");
        assert!((world.metric(index, FAILURES).await - 1.0).abs() < f64::EPSILON);
    }
    drop(guard);
    let denied = logs.errors("permission denied");
    assert_eq!(denied.len(), 2, "{:?}", logs.lines());
    for (line, user) in denied.iter().zip(USERS) {
        let refusal = format!(r#"User "{user}" cannot create resource "leases" in API group "coordination.k8s.io""#);
        assert!(line.text.contains(&refusal) && line.text.contains("the gateway's Role needs"), "{line:?}");
    }
    assert!(world.requests("forbidden").await.is_empty(), "nothing is created without the lock");

    permit(&world.stage.client, &world.stage.namespace, &USERS[..2], Permissions::Full).await.unwrap();
    let answer = world.send_until_accepted(0, "forbidden").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    world.quiet().await;
}
