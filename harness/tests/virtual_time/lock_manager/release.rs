//! Release: what we hold and nothing else, as often as one likes.

use embedded_apiserver::{Effect, Fault};
use gateway::dedup::lock::Acquisition::{Acquired, Contended};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::Value;

use super::world::{World, name};
use harness::testing::wait_ms;

#[tokio::test(start_paused = true)]
async fn a_release_deletes_the_lease_that_we_hold() {
    let world = World::new("release");
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert!(!pod.manager.is_idle());
    assert_eq!(pod.release().await, Ok(()));
    assert_eq!(world.lease(), Value::Null);
    assert_eq!(world.requests(), ["create 201", "delete 200"]);
    assert!(pod.manager.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_release_deletes_the_lease_of_an_earlier_incarnation_of_the_same_pod() {
    let world = World::new("release-restart");
    world.held_by("gateway-pod-1", SignedDuration::from_secs(10));
    assert_eq!(world.pod(1).release().await, Ok(()));
    assert_eq!(world.lease(), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_release_of_nothing_is_no_error() {
    let world = World::new("release-nothing");
    let pod = world.pod(1);
    assert_eq!(pod.release().await, Ok(()), "never acquired");
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(pod.release().await, Ok(()));
    assert_eq!(pod.release().await, Ok(()), "twice");
    assert_eq!(pod.acquire().await, Ok(Acquired));
    world.api.clear_requests();
    let lease = world.pod(1);
    assert_eq!(lease.release().await, Ok(()), "deleted by another process of this pod");
    assert_eq!(pod.release().await, Ok(()));
    assert_eq!(world.requests().last().unwrap(), "delete 404");
}

#[rstest]
#[case::that_we_never_held(false)]
#[case::that_took_over_from_us(true)]
#[tokio::test(start_paused = true)]
async fn a_release_never_deletes_the_lease_of_another(#[case] we_held_it: bool) {
    let world = World::new("release-successor");
    let (pod, successor) = (world.pod(1), world.pod(2));
    if we_held_it {
        assert_eq!(pod.acquire().await, Ok(Acquired));
        wait_ms(31_000).await;
    }
    assert_eq!(successor.acquire().await, Ok(Acquired));
    let lease = world.lease();
    assert_eq!(pod.release().await, Ok(()));
    assert_eq!(world.lease(), lease);
    assert_eq!(pod.acquire().await, Ok(Contended));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_late_does_not_delete_what_we_acquired_since() {
    let world = World::new("release-late");
    let script = world.script();
    let slow = Fault { delay_before: std::time::Duration::from_millis(500), ..Fault::default() };
    script.on(1, "delete", "leases", slow);
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    pod.manager.release_in_background(&name());
    wait_ms(10).await;
    assert_eq!(pod.acquire().await, Ok(Acquired), "adopted while the delete is under way");
    wait_ms(1_000).await;
    assert_eq!(world.requests().last().unwrap(), "delete 409");
    assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-1");
    assert_eq!(pod.release().await, Ok(()));
    assert_eq!(world.lease(), Value::Null);
}

#[rstest]
#[case::late_look(Fault { delay_after: std::time::Duration::from_millis(40), ..Fault::default() }, 40)]
#[case::early_look(Fault::default(), 4)]
#[tokio::test(start_paused = true)]
async fn the_release_of_a_doubtful_acquisition_does_not_delete_what_we_acquire_meanwhile(
    #[case] update: Fault,
    #[case] look_ms: u64,
) {
    let world = World::new("release-doubtful");
    let script = world.script();
    script.on(1, "create", "leases", Fault::answer_lost());
    let look = Fault { delay_before: std::time::Duration::from_millis(look_ms), ..Fault::default() };
    script.on(1, "get", "leases", look);
    script.on(1, "update", "leases", update);
    let pod = world.pod(1);
    assert!(pod.acquire().await.is_err());
    assert_eq!(pod.acquire().await, Ok(Acquired));
    wait_ms(1_000).await;
    assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-1", "{:?}", world.requests());
}

#[rstest]
#[case::lost(Fault::lost())]
#[case::answer_lost(Fault::answer_lost())]
#[case::internal_error(Fault::refused(Effect::internal_error()))]
#[case::unavailable(Fault::refused(Effect::unavailable()))]
#[case::timed_out_after(Fault { after: Some(Effect::timed_out()), ..Fault::default() })]
#[case::throttled(Fault::refused(Effect::throttled(1)))]
#[tokio::test(start_paused = true)]
async fn a_release_in_the_background_survives_api_errors(#[case] fault: Fault) {
    let world = World::new("release-errors");
    let script = world.script();
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    script.on(3, "delete", "leases", fault);
    pod.manager.release_in_background(&name());
    wait_ms(6_000).await;
    assert!(pod.manager.is_idle());
    assert_eq!(world.lease(), Value::Null);
    assert_eq!(pod.failures(), 0, "a release is no acquisition");
}

#[tokio::test(start_paused = true)]
async fn all_locks_can_be_released_at_once() {
    let world = World::new("release-all");
    let pod = world.pod(1);
    for i in 0..5 {
        let name = gateway::remediation::LeaseName::for_key(&format!("{i}-test-fingerprint"));
        assert_eq!(pod.manager.acquire(&name, pod.deadline()).await, Ok(Acquired));
    }
    assert_eq!(world.api.objects("leases").len(), 5);
    pod.manager.release_all();
    wait_ms(10).await;
    assert!(pod.manager.is_idle());
    assert!(world.api.objects("leases").is_empty());
}
