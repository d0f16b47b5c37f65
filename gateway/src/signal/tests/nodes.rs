//! Nodes by the address in `instance`.

use std::time::Duration;

use rstest::rstest;

use super::world::{Mood, World};
use crate::config::Signals;

const TTL: Duration = Duration::from_secs(300);
const NEGATIVE_TTL: Duration = Duration::from_secs(30);

fn world() -> World {
    World::unscoped_with(&Signals { node_by_instance: true, ..Signals::default() })
}

async fn node_of(world: &World, instance: &str) -> String {
    world.target_of(&[("job", "node-exporter"), ("instance", instance)]).await
}

const ITSELF: &str = "Alert default/0123456789abcdef";

#[rstest]
#[case("10.0.0.1:9100", "Node /worker-1")]
#[case("10.0.0.1", "Node /worker-1")]
#[case("worker-1", "Node /worker-1")]
#[case("worker-1:9100", "Node /worker-1")]
#[case("Worker-1.EU.internal:9100", "Node /worker-1")]
#[case("[fd00::1]:9100", "Node /worker-1")]
#[case("fd00::1", "Node /worker-1")]
#[case("[FD00:0:0::1]:9100", "Node /worker-1")]
#[case("[::ffff:10.0.0.1]:9100", "Node /worker-1")]
#[case("fd00::1:9100", ITSELF)]
#[case("10.0.0.1:http", ITSELF)]
#[case("10.0.0.11:9100", ITSELF)]
#[case("[fd00::2]:9100", ITSELF)]
#[tokio::test(start_paused = true)]
async fn the_node_with_the_address_or_the_name_is_the_target(#[case] instance: &str, #[case] target: &str) {
    let world = world();
    world.put_node("worker-1", &["10.0.0.1", "fd00::1", "worker-1.eu.internal"]);
    world.put_node("worker-2", &["10.0.0.2", "fd00::12"]);
    assert_eq!(node_of(&world, instance).await, target);
}

#[rstest]
#[case(":9100")]
#[case("[]:9100")]
#[tokio::test(start_paused = true)]
async fn an_instance_without_a_host_costs_no_request(#[case] instance: &str) {
    let world = world();
    assert_eq!(node_of(&world, instance).await, ITSELF);
    assert!(world.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_a_large_cluster_are_read_once() {
    let world = world();
    for at in 0..1201 {
        world.put_node(&format!("worker-{at}"), &[&format!("10.0.{}.{}", at / 250, at % 250)]);
    }
    for at in [0, 499, 500, 1000, 1200] {
        assert_eq!(
            node_of(&world, &format!("10.0.{}.{}:9100", at / 250, at % 250)).await,
            format!("Node /worker-{at}")
        );
    }
    assert_eq!(world.requests(), ["LIST /api/v1/nodes"; 3]);
}

#[tokio::test(start_paused = true)]
async fn of_two_nodes_with_one_address_the_first_by_name_is_meant_by_every_replica() {
    let world = world();
    world.put_node("b", &["10.0.0.1"]);
    world.put_node("a", &["10.0.0.1"]);
    world.put_node("c", &["10.0.0.1", "a"]);
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, "Node /a");
    assert_eq!(node_of(&world.replica(), "10.0.0.1:9100").await, "Node /a");
    assert_eq!(node_of(&world, "a:9100").await, "Node /a", "its own name is nobody else's");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_another_node_has_taken_over_is_that_nodes_once_the_list_is_old() {
    let world = world();
    world.put_node("old", &["10.0.0.1"]);
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, "Node /old");
    world.delete("api/v1/nodes/old");
    world.put_node("new", &["10.0.0.1"]);
    world.context.sleep(TTL).await;
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, "Node /new");
}

#[tokio::test(start_paused = true)]
async fn a_new_node_is_found_after_the_short_ttl() {
    let world = world();
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, ITSELF);
    world.put_node("new", &["10.0.0.1"]);
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, ITSELF);
    assert_eq!(world.requests().len(), 1);
    world.context.sleep(NEGATIVE_TTL).await;
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, "Node /new");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_never_seen_is_tried_again_while_lists_fail() {
    let world = world();
    world.put_node("worker-1", &["10.0.0.1"]);
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, "Node /worker-1");
    world.put_node("worker-2", &["10.0.0.2"]);
    world.context.sleep(TTL).await;
    world.set_mood(Mood::Fails(500));
    let labels =
        [("job", "node-exporter"), ("instance", "10.0.0.2:9100")].map(|(name, value)| (name.into(), value.into()));
    assert!(world.resolve_labels(&labels.into()).await.is_err(), "a guess would split its incident");
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, "Node /worker-1", "but that one was seen");
    world.context.sleep(Duration::from_secs(1)).await;
    world.set_mood(Mood::Well);
    assert_eq!(node_of(&world, "10.0.0.2:9100").await, "Node /worker-2");
}

#[tokio::test(start_paused = true)]
async fn nodes_are_not_asked_for_unless_the_operator_wants_it() {
    let world = World::unscoped();
    world.put_node("worker-1", &["10.0.0.1"]);
    assert_eq!(node_of(&world, "10.0.0.1:9100").await, ITSELF);
    assert!(world.requests().is_empty());
}
