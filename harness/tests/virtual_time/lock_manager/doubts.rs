//! Acquisitions whose answers were lost: what may be ours is looked for by one task, however many there are.

use std::time::Duration;

use embedded_apiserver::{Fault, RequestInfo};
use gateway::{dedup::lock::Acquisition::Acquired, remediation::LeaseName};
use jiff::SignedDuration;
use serde_json::Value;

use super::world::World;
use harness::testing::{Logs, wait_ms};

/// Whether a request is sent within `time` from now.
fn within(world: &World, time: SignedDuration) -> impl Fn(&RequestInfo) -> bool + Send + Sync + use<> {
    let (api, end) = (world.api.clone(), world.api.now() + time);
    move |_| api.now() < end
}

/// How often leases were read.
fn looks(world: &World) -> usize {
    world.requests().iter().filter(|request| request.starts_with("get")).count()
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_may_be_ours_is_looked_for_by_one_task_while_many_acquisitions_fail() {
    let world = World::new("doubts");
    let script = world.script();
    script.add(usize::MAX, Fault::lost(), within(&world, SignedDuration::from_secs(30)));
    let pod = world.pod(1);
    let (logs, _guard) = Logs::capture();
    for _ in 0..2_990 {
        let pod = pod.clone();
        tokio::spawn(async move { pod.acquire().await });
        wait_ms(10).await;
    }
    let while_away = looks(&world);
    // The pause doubles from 5 ms to 1 s, and begins anew every 10 s.
    assert!((30..=75).contains(&while_away), "{while_away}");
    let given_up = logs.lines().iter().filter(|line| line.text.contains("could not be released")).count();
    assert!((2..=3).contains(&given_up), "{given_up}: each time that nothing was found out for 10 s");
    wait_ms(1_500).await;
    let back = looks(&world) - while_away;
    assert!((1..=3).contains(&back), "{back}");
    assert!(pod.manager.is_idle());
    assert_eq!(world.lease(), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn each_lease_that_may_be_ours_is_looked_for() {
    let world = World::new("doubt-each");
    let script = world.script();
    script.on(2, "create", "leases", Fault::answer_lost());
    let pod = world.pod(1);
    let acquire = async |key| pod.manager.acquire(&LeaseName::for_key(key), pod.deadline()).await;
    let (one, other) = tokio::join!(acquire("one-fingerprint"), acquire("other-fingerprint"));
    assert!(one.is_err() && other.is_err() && world.api.objects("leases").len() == 2);
    wait_ms(100).await;
    assert_eq!(world.api.objects("leases"), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn what_was_held_until_it_expired_and_is_replaced_without_an_answer_is_released() {
    let world = World::new("doubt-held");
    let script = world.script();
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    wait_ms(31_000).await;
    script.on(1, "update", "leases", Fault::answer_lost());
    assert!(pod.acquire().await.is_err());
    wait_ms(100).await;
    assert_eq!(world.lease(), Value::Null, "{:?}", world.requests());
    assert!(pod.manager.is_idle());
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
    let away = within(&world, SignedDuration::from_secs(15));
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
