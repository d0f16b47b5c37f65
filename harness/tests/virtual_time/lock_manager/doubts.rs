//! Acquisitions whose answers were lost: what may be ours is looked for by one task, however many there are.

use std::time::Duration;

use embedded_apiserver::{Fault, RequestInfo};
use gateway::dedup::lock::Acquisition::Acquired;
use jiff::SignedDuration;
use serde_json::Value;

use super::world::{Pod, World};
use harness::testing::wait_ms;

/// Whether a request comes before this long after the beginning.
fn until(world: &World, time: SignedDuration) -> impl Fn(&RequestInfo) -> bool + Send + Sync + use<> {
    let (api, end) = (world.api.clone(), world.api.now() + time);
    move |_| api.now() < end
}

/// `count` acquisitions, one every 10 ms.
async fn acquire_often(pod: &Pod, count: usize) {
    for _ in 0..count {
        let pod = pod.clone();
        tokio::spawn(async move { pod.acquire().await });
        wait_ms(10).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_may_be_ours_is_looked_for_once_a_second_while_many_acquisitions_fail() {
    let world = World::new("doubts");
    let script = world.script();
    script.add(usize::MAX, Fault::lost(), until(&world, SignedDuration::from_secs(3)));
    let pod = world.pod(1);
    acquire_often(&pod, 295).await;
    let looked = |world: &World| world.requests().iter().filter(|request| request.starts_with("get")).count();
    let while_away = looked(&world);
    assert!((3..=14).contains(&while_away), "{while_away}: the pause doubles from 5 ms to 1 s");
    wait_ms(1_500).await;
    let back = looked(&world) - while_away;
    assert!((1..=3).contains(&back), "{back}");
    assert!(pod.manager.is_idle());
    assert_eq!(world.lease(), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_created_while_it_is_looked_for_is_found_by_a_second_look() {
    let world = World::new("doubt-again");
    let script = world.script();
    script.on(1, "create", "leases", Fault::lost());
    script.on(1, "create", "leases", Fault::answer_lost());
    let slow_answer = Fault { delay_after: Duration::from_millis(40), ..Fault::default() };
    script.on(1, "get", "leases", slow_answer);
    let pod = world.pod(1);
    assert!(pod.acquire().await.is_err());
    wait_ms(20).await;
    assert!(pod.acquire().await.is_err());
    assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-1", "created after the look, before its answer");
    wait_ms(100).await;
    assert_eq!(world.requests(), ["create reset", "create reset", "get 404", "get 200", "delete 200"]);
    assert_eq!(world.lease(), Value::Null);
    assert!(pod.manager.is_idle());
    assert_eq!(pod.acquire().await, Ok(Acquired));
}

#[tokio::test(start_paused = true)]
async fn each_doubt_is_looked_into_for_as_long_as_the_first_one() {
    let world = World::new("doubt-longer");
    let script = world.script();
    let away = until(&world, SignedDuration::from_secs(15));
    script.add(usize::MAX, Fault::lost(), move |request: &RequestInfo| request.verb == "get" && away(request));
    script.on(1, "create", "leases", Fault::lost());
    script.on(1, "create", "leases", Fault::answer_lost());
    let pod = world.pod(1);
    assert!(pod.acquire().await.is_err());
    wait_ms(9_000).await;
    assert!(pod.acquire().await.is_err());
    wait_ms(5_500).await;
    assert!(!pod.manager.is_idle() && world.lease() != Value::Null, "the first one's 10 s are over");
    wait_ms(2_500).await;
    assert_eq!(world.lease(), Value::Null);
    assert!(pod.manager.is_idle());
}
