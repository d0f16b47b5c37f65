//! Errors of the API server at each request of an acquisition, before and after it has taken effect.

use embedded_apiserver::{Effect, Fault};
use gateway::{
    dedup::lock::Acquisition::{self, Acquired, Contended},
    kubernetes::Error,
};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::Value;

use super::world::World;
use harness::testing::{Logs, wait_ms};

/// A request of an acquisition, and what must be there for it to be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Nothing is there.
    Create,
    /// Another holds the lock.
    Get,
    /// Another's lease has expired.
    Update,
}

impl At {
    fn arrange(self, world: &World) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => {
                world.held_by("gateway-pod-2", SignedDuration::ZERO);
                "get"
            }
            Self::Update => {
                world.held_by("gateway-pod-2", SignedDuration::from_secs(3_600));
                "update"
            }
        }
    }
}

fn after(effect: Effect) -> Fault {
    Fault { after: Some(effect), ..Fault::default() }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_api_error_is_an_error_counted_and_logged_once_and_leaves_no_lease_of_ours(
    #[values(At::Create, At::Get, At::Update)] at: At,
    #[values(
        Fault::lost(),
        Fault::answer_lost(),
        Fault::refused(Effect::internal_error()),
        after(Effect::internal_error()),
        Fault::refused(Effect::unavailable()),
        Fault::refused(Effect::timed_out()),
        Fault::refused(Effect::throttled(1))
    )]
    fault: Fault,
) {
    let world = World::new("errors");
    let script = world.script();
    let verb = at.arrange(&world);
    script.on(usize::MAX, verb, "leases", fault.clone());
    let pod = world.pod(1);
    let (logs, _guard) = Logs::capture();
    let error = pod.acquire().await.unwrap_err();
    let is_throttled = matches!(error, Error::Throttled { .. });
    assert_eq!(error.is_ambiguous(), !is_throttled, "{error:?}");
    assert_eq!((pod.failures(), pod.metrics.lock_contention.get()), (1, 0));
    assert_eq!(logs.errors("lock acquisition failed").len(), 1, "{:?}", logs.lines());
    script.clear();
    wait_ms(1_000).await;
    let holder = &world.lease()["spec"]["holderIdentity"];
    assert_ne!(*holder, "gateway-pod-1", "an acquisition that failed leaves no lease");
    assert!(pod.manager.is_idle());
    let free = matches!(at, At::Create | At::Update) || *holder == Value::Null;
    assert_eq!(pod.acquire().await, Ok(if free { Acquired } else { Contended }), "and the next one succeeds");
}

#[rstest]
#[case::unavailable_before(At::Create, Fault::refused(Effect::unavailable()), Acquired)]
#[case::unavailable_after(At::Create, after(Effect::unavailable()), Acquired)]
#[case::timed_out_after(At::Create, after(Effect::timed_out()), Acquired)]
#[case::throttled(At::Create, Fault::refused(Effect::throttled(1)), Acquired)]
#[case::unavailable_before(At::Get, Fault::refused(Effect::unavailable()), Contended)]
#[case::unavailable_before(At::Update, Fault::refused(Effect::unavailable()), Acquired)]
#[case::throttled(At::Update, Fault::refused(Effect::throttled(1)), Acquired)]
#[tokio::test(start_paused = true)]
async fn a_server_that_is_busy_for_a_moment_is_asked_again_without_an_error(
    #[case] at: At,
    #[case] fault: Fault,
    #[case] expected: Acquisition,
) {
    let world = World::new("busy");
    let script = world.script();
    script.on(1, at.arrange(&world), "leases", fault);
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(expected));
    assert_eq!(pod.failures(), 0);
    let ours = world.lease()["spec"]["holderIdentity"] == "gateway-pod-1";
    assert_eq!(ours, expected == Acquired);
    assert_eq!(pod.release().await, Ok(()));
    let left = world.lease();
    assert!(left == Value::Null || left["spec"]["holderIdentity"] == "gateway-pod-2", "{left}");
}

#[rstest]
#[case::unavailable(Effect::unavailable())]
#[case::timed_out(Effect::timed_out())]
#[tokio::test(start_paused = true)]
async fn a_take_over_whose_answer_was_lost_leaves_no_lease_that_nobody_knows_to_hold(#[case] effect: Effect) {
    let world = World::new("lost-take-over");
    let script = world.script();
    let verb = At::Update.arrange(&world);
    script.on(1, verb, "leases", after(effect));
    let pod = world.pod(1);
    // The second try conflicts with the first one.
    let result = pod.acquire().await;
    assert!(result.is_ok(), "{result:?}");
    if result == Ok(Contended) {
        wait_ms(1_000).await;
        assert_eq!(world.lease(), Value::Null);
    }
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(pod.failures(), 0);
}

#[rstest]
#[case::and_then_it_exists(None, Ok(Contended))]
#[case::and_then_it_is_throttled(Some(Fault::refused(Effect::throttled(30))), Err(()))]
#[tokio::test(start_paused = true)]
async fn a_create_whose_first_answer_was_lost_leaves_no_lease_that_nobody_knows_to_hold(
    #[case] second: Option<Fault>,
    #[case] expected: Result<Acquisition, ()>,
) {
    let world = World::new("lost-create");
    let (holder, pod) = (world.pod(2), world.pod(1));
    // It is asked for first, since another held it a moment ago.
    assert_eq!((holder.acquire().await, pod.acquire().await), (Ok(Acquired), Ok(Contended)));
    holder.release().await.unwrap();
    let script = world.script();
    script.on(1, "create", "leases", after(Effect::unavailable()));
    if let Some(fault) = second {
        script.on(1, "create", "leases", fault);
    }
    assert_eq!(pod.acquire().await.map_err(|_| ()), expected, "{:?}", world.requests());
    assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-1");
    wait_ms(1_000).await;
    assert_eq!(world.lease(), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_was_lost_is_released_in_the_background() {
    let world = World::new("ambiguous");
    let script = world.script();
    script.on(1, "create", "leases", Fault::answer_lost());
    let pod = world.pod(1);
    assert!(matches!(pod.acquire().await, Err(Error::Unreachable(_))));
    assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-1", "it took effect");
    wait_ms(20).await;
    assert_eq!(world.lease(), Value::Null);
    assert_eq!(world.requests(), ["create reset", "get 200", "delete 200"]);
}

#[tokio::test(start_paused = true)]
async fn a_release_in_the_background_persists_while_the_api_server_is_down() {
    let world = World::new("persistent");
    let script = world.script();
    script.on(1, "create", "leases", Fault::answer_lost());
    let began = world.api.now();
    let api = world.api.clone();
    let down = move |_: &_| api.now() < began + SignedDuration::from_secs(5);
    let pod = world.pod(1);
    assert!(pod.acquire().await.is_err());
    script.add(usize::MAX, Fault::lost(), down);
    wait_ms(4_900).await;
    assert!(!pod.manager.is_idle() && world.lease() != Value::Null);
    wait_ms(2_000).await;
    assert!(pod.manager.is_idle());
    assert_eq!(world.lease(), Value::Null);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_an_error_that_is_logged_as_such(#[values(At::Create, At::Get, At::Update)] at: At) {
    let world = World::new("forbidden");
    let verb = at.arrange(&world);
    world.grant_all_but(verb);
    let pod = world.pod(1);
    let (logs, _guard) = Logs::capture();
    assert!(matches!(pod.acquire().await, Err(Error::Forbidden(_))));
    assert_eq!(pod.failures(), 1);
    let errors = logs.errors("lock acquisition failed");
    assert_eq!(errors.len(), 1);
    let text = &errors[0].text;
    assert!(text.contains("permission denied") && text.contains(&format!("cannot {verb} resource")), "{text}");
    assert!(text.contains("Role needs get, create, update, delete and list on leases"), "{text}");
    assert!(pod.manager.is_idle(), "nothing is released that was certainly not acquired");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_gone_when_it_is_looked_at_is_created() {
    let world = World::new("get-not-found");
    let (holder, pod) = (world.pod(2), world.pod(1));
    assert_eq!(holder.acquire().await, Ok(Acquired));
    assert_eq!(pod.acquire().await, Ok(Contended));
    holder.release().await.unwrap();
    world.api.clear_requests();
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(world.requests(), ["get 404", "create 201"]);
    assert_eq!(pod.failures(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_does_not_exist_is_an_error_with_a_hint() {
    let world = World::new("exists");
    let nowhere = World { api: world.api.clone(), namespace: "nowhere".to_owned(), began: world.began };
    let pod = nowhere.pod(1);
    let (logs, _guard) = Logs::capture();
    assert!(matches!(pod.acquire().await, Err(Error::NotFound(_))));
    assert!(logs.errors("does the gateway's namespace exist?").len() == 1);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_is_an_error_at_the_deadline() {
    let world = World::new("silent");
    let script = world.script();
    let slow = Fault { delay_before: std::time::Duration::from_secs(3_600), ..Fault::default() };
    script.on(1, "create", "leases", slow);
    let pod = world.pod(1);
    let (logs, _guard) = Logs::capture();
    assert_eq!(pod.acquire().await, Err(Error::Deadline));
    assert_eq!(logs.errors("is the Kubernetes API server up and reachable").len(), 1);
    assert_eq!(pod.context.monotonic(), gateway::context::Monotonic::from_start(std::time::Duration::from_secs(15)));
    assert_eq!(pod.failures(), 1);
}
