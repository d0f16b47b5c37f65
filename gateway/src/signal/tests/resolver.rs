//! The cache, the failures of the API, and the scope.

use std::time::Duration;

use futures::future::join_all;
use rstest::rstest;
use serde_json::json;

use super::{
    adding, alert, parse, shown, unresolved, unresolved_of, webhook,
    world::{DEADLINE, Mood, World},
};
use crate::{
    config::Scope,
    kubernetes::Error,
    signal::{Parsed, ResolveError, Rules, event},
};

const POD: &str = "checkout-7d9f8b6c5d-x2k4q";
const NEGATIVE_TTL: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn a_hundred_concurrent_alerts_of_one_pod_ask_once_for_each_object() {
    let world = World::new(Scope::default());
    world.put_checkout();
    world.put("api/v1/namespaces/shop", None, true);
    let signals = join_all((0..100).map(|_| world.resolve(unresolved_of(&[("pod", POD)])))).await;
    assert!(signals.iter().all(|signal| signal.as_ref().is_ok_and(|signal| signal.target.kind == "Deployment")));
    let mut requests = world.requests();
    requests.sort_unstable();
    assert_eq!(
        requests,
        [
            "/api/v1/namespaces/shop",
            "/api/v1/namespaces/shop/pods/checkout-7d9f8b6c5d-x2k4q",
            "/apis/apps/v1/namespaces/shop/replicasets/checkout-7d9f8b6c5d",
        ]
    );
    assert_eq!((world.outcome("Pod", "api"), world.outcome("Pod", "cache")), (1, 99));
    assert_eq!(world.resolver.remembered(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_concurrent_alerts_share_one_failure() {
    let world = World::unscoped();
    world.set_mood(Mood::Fails(500));
    let signals = join_all((0..100).map(|_| world.resolve(unresolved_of(&[("pod", POD)])))).await;
    assert!(signals.iter().all(|signal| matches!(signal, Err(ResolveError::Kubernetes { .. }))));
    assert_eq!(world.requests().len(), 1);
    assert_eq!(world.resolver.remembered(), 0);
    world.set_mood(Mood::Well);
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/checkout", "a failure is not remembered");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_shared_only_by_those_who_waited_for_it() {
    let world = World::unscoped();
    world.put_checkout();
    world.set_mood(Mood::Fails(500));
    let mut slow = Box::pin(world.resolve(unresolved_of(&[("pod", POD)])));
    let failing = world.resolve(unresolved_of(&[("pod", POD)]));
    let (failing, aboard) = futures::join!(failing, async { futures::poll!(&mut slow) });
    assert!(failing.is_err() && aboard.is_pending(), "the slow one has not looked at the failure yet");
    world.set_mood(Mood::Well);
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/checkout");
    assert!(slow.await.is_ok(), "by now the cache knows better than the failure");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_ask_themselves_when_the_one_who_asked_is_cancelled() {
    let world = World::unscoped();
    world.put_checkout();
    let cancelled = world.context.timeout(Duration::from_millis(5), world.resolve(unresolved_of(&[("pod", POD)])));
    let waiting = world.resolve(unresolved_of(&[("pod", POD)]));
    let (cancelled, waiting) = futures::join!(cancelled, waiting);
    assert!(cancelled.is_err());
    assert_eq!(waiting.unwrap().target.kind, "Deployment");
    assert_eq!(world.resolver.remembered(), 2);
    let lonely = world.resolve(unresolved_of(&[("pod", "db-0")]));
    assert!(world.context.timeout(Duration::from_millis(5), lonely).await.is_err());
    assert_eq!(world.resolver.remembered(), 2, "and no call stays behind");
}

#[tokio::test(start_paused = true)]
async fn one_signal_running_out_of_time_does_not_fail_those_that_wait_with_it() {
    let world = World::unscoped();
    world.put_checkout();
    let soon = world.context.monotonic() + Duration::from_millis(5);
    let hasty = world.resolver.resolve(unresolved_of(&[("pod", POD)]), soon);
    let patient = world.resolve(unresolved_of(&[("pod", POD)]));
    let (hasty, patient) = futures::join!(hasty, patient);
    assert!(matches!(hasty, Err(ResolveError::Kubernetes { source: Error::Deadline, .. })));
    assert_eq!(patient.unwrap().target.kind, "Deployment");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_waited_for_until_the_deadline() {
    let world = World::unscoped();
    world.set_mood(Mood::Hangs);
    let start = world.context.monotonic();
    let signals = join_all((0..3).map(|_| world.resolve(unresolved_of(&[("pod", POD)])))).await;
    for signal in signals {
        let error = signal.unwrap_err();
        assert!(matches!(error, ResolveError::Kubernetes { source: Error::Deadline, .. }), "{error}");
        assert_eq!(error.to_string(), format!("could not look up Pod shop/{POD}: no response within the deadline"));
    }
    assert_eq!(world.context.monotonic().since(start), DEADLINE);
    assert_eq!(world.resolver.remembered(), 0);
}

#[rstest]
#[case(403)]
#[case(500)]
#[case(503)]
#[case(429)]
#[tokio::test(start_paused = true)]
async fn a_failing_api_never_splits_an_incident(#[case] code: u16) {
    let world = World::unscoped();
    world.put_checkout();
    world.set_mood(Mood::Fails(code));
    let error = world.resolve(unresolved_of(&[("pod", POD)])).await.unwrap_err();
    assert!(matches!(error, ResolveError::Kubernetes { .. }), "the name alone does not decide: {error}");
    world.set_mood(Mood::Well);
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/checkout");
    world.context.sleep(TTL).await;
    world.set_mood(Mood::Fails(code));
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/checkout", "what was seen is still the best answer");
    assert_eq!(world.outcome("Pod", "stale_cache"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failing_api_is_not_answered_for_by_another_object_of_the_same_name() {
    let world = World::unscoped();
    world.put_checkout();
    let replicaset = "checkout-7d9f8b6c5d";
    world.set_uid(&format!("apis/apps/v1/namespaces/shop/replicasets/{replicaset}"), "old");
    world.owner_of("replicaset", replicaset).await;
    world.context.sleep(Duration::from_secs(200)).await;
    // The pod refers to the new ReplicaSet, the cache still holds the old one, and then the API fails.
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/checkout");
    world.context.sleep(NEGATIVE_TTL).await;
    world.set_mood(Mood::Fails(500));
    let error = world.resolve(unresolved_of(&[("pod", POD)])).await.unwrap_err();
    assert!(
        matches!(error, ResolveError::Kubernetes { ref object, .. } if object.starts_with("ReplicaSet")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn absence_is_believed_for_a_shorter_time() {
    let world = World::unscoped();
    assert_eq!(world.owner_of("pod", "db-0").await, "Pod/db-0");
    world.put("api/v1/namespaces/shop/pods/db-0", Some(("apps/v1", "StatefulSet", "db")), false);
    assert_eq!(world.owner_of("pod", "db-0").await, "Pod/db-0");
    world.context.sleep(NEGATIVE_TTL).await;
    assert_eq!(world.owner_of("pod", "db-0").await, "StatefulSet/db");
    world.requests();
    world.context.sleep(TTL - Duration::from_secs(1)).await;
    assert_eq!(world.owner_of("pod", "db-0").await, "StatefulSet/db");
    assert!(world.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_cache_forgets_what_was_fetched_longest_ago() {
    let world = World::new(Scope { require_managed_label: false, cache_size: 3, ..Scope::default() });
    for i in 0..5 {
        world.owner_of("pod", &format!("db{i}")).await;
    }
    assert_eq!(world.resolver.remembered(), 3);
    world.requests();
    world.owner_of("pod", "db4").await;
    world.owner_of("pod", "db2").await;
    assert!(world.requests().is_empty());
    world.owner_of("pod", "db1").await;
    assert_eq!(world.requests(), ["/api/v1/namespaces/shop/pods/db1"]);
}

#[rstest]
#[case::namespace("api/v1/namespaces/shop", None)]
#[case::owner("apis/apps/v1/namespaces/shop/deployments/checkout", None)]
#[case::object("api/v1/namespaces/shop/pods/checkout-7d9f8b6c5d-x2k4q", Some(("apps/v1", "ReplicaSet", "checkout-7d9f8b6c5d")))]
#[tokio::test(start_paused = true)]
async fn a_label_on_the_namespace_the_owner_or_the_object_is_enough(
    #[case] path: &str,
    #[case] controller: Option<(&str, &str, &str)>,
) {
    let world = World::new(Scope::default());
    world.put_checkout();
    world.put(path, controller, true);
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/checkout");
}

#[rstest]
#[case(
    &[("pod", POD)],
    "Deployment checkout in namespace shop is not managed (hint: `kubectl label deployments checkout --namespace shop \
     kubernaut.ai/managed=true` or `kubectl label namespace shop kubernaut.ai/managed=true`)"
)]
#[case(
    &[("node", "worker-1"), ("namespace", "")],
    "Node worker-1 in the cluster is not managed (hint: `kubectl label nodes worker-1 kubernaut.ai/managed=true`)"
)]
#[case(
    &[("queue", "a")],
    "Alert 0123abcd in namespace shop is not managed (hint: `kubectl label namespace shop kubernaut.ai/managed=true`)"
)]
#[tokio::test(start_paused = true)]
async fn what_is_not_managed_is_rejected_with_the_command_that_changes_it(
    #[case] labels: &[(&str, &str)],
    #[case] message: &str,
) {
    let world = World::new(Scope::default());
    world.put_checkout();
    world.put("api/v1/namespaces/shop", None, false);
    let mut alert = alert(labels);
    alert["fingerprint"] = json!("0123ABCD");
    let signal = unresolved(parse(&webhook(&[alert])).unwrap().alerts.remove(0));
    let error = world.resolve(signal).await.unwrap_err();
    assert_eq!(error, ResolveError::OutOfScope { message: message.to_owned() });
}

#[tokio::test(start_paused = true)]
async fn a_label_that_is_added_counts_after_the_short_ttl() {
    let world = World::new(Scope::default());
    world.put("api/v1/nodes/worker-1", None, false);
    assert!(world.resolve(unresolved_of(&[("node", "worker-1"), ("namespace", "")])).await.is_err());
    world.put("api/v1/nodes/worker-1", None, true);
    assert!(world.resolve(unresolved_of(&[("node", "worker-1"), ("namespace", "")])).await.is_err());
    world.context.sleep(NEGATIVE_TTL).await;
    assert!(world.resolve(unresolved_of(&[("node", "worker-1"), ("namespace", "")])).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_counts_as_managed_if_it_was() {
    let world = World::new(Scope::default());
    world.put("api/v1/namespaces/shop/pods/bare", None, true);
    assert_eq!(world.owner_of("pod", "bare").await, "Pod/bare");
    world.delete("api/v1/namespaces/shop/pods/bare");
    world.context.sleep(TTL).await;
    assert_eq!(world.owner_of("pod", "bare").await, "Pod/bare");
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_cannot_be_looked_up_is_no_rejection() {
    let world = World::new(Scope::default());
    world.set_mood(Mood::Fails(500));
    let error = world.resolve(unresolved_of(&[("deployment", "checkout")])).await.unwrap_err();
    assert!(matches!(error, ResolveError::Kubernetes { ref object, .. } if object == "Namespace shop"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_managed_when_last_seen_is_not_rejected_for_it_while_the_api_fails() {
    let world = World::new(Scope::default());
    world.put("api/v1/namespaces/shop", None, false);
    world.put("apis/apps/v1/namespaces/shop/deployments/checkout", None, false);
    let checkout = || unresolved_of(&[("deployment", "checkout")]);
    assert!(matches!(world.resolve(checkout()).await, Err(ResolveError::OutOfScope { .. })));
    world.context.sleep(TTL).await;
    world.set_mood(Mood::Fails(500));
    drop(world.requests());
    let error = world.resolve(checkout()).await.unwrap_err();
    assert!(matches!(error, ResolveError::Kubernetes { ref object, .. } if object == "Namespace shop"), "{error}");
    assert_eq!(world.requests(), ["/api/v1/namespaces/shop"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_managed_when_last_seen_is_accepted_while_its_namespace_cannot_be_looked_up() {
    let world = World::new(Scope::default());
    world.put("api/v1/namespaces/shop", None, false);
    world.put("apis/apps/v1/namespaces/shop/deployments/checkout", None, true);
    assert!(world.resolve(unresolved_of(&[("deployment", "checkout")])).await.is_ok());
    world.context.sleep(TTL).await;
    world.set_mood(Mood::Fails(500));
    assert!(world.resolve(unresolved_of(&[("deployment", "checkout")])).await.is_ok());
}

#[rstest]
#[case::an_owner_that_is_labelled(true)]
#[case::an_owner_that_is_not(false)]
#[tokio::test(start_paused = true)]
async fn an_owner_of_the_operators_own_kind_has_its_label_looked_at(#[case] managed: bool) {
    let signals = adding("rollout", ["argoproj.io", "v1alpha1", "Rollout", "rollouts"], true);
    let world = World::with(Scope::default(), &signals);
    world.put("api/v1/namespaces/shop", None, false);
    world.put("api/v1/namespaces/shop/pods/a", Some(("argoproj.io/v1alpha1", "Rollout", "canary")), false);
    world.put("apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/canary", None, managed);
    let labels = [("alertname", "A"), ("namespace", "shop"), ("pod", "a")];
    let resolved = world.resolve_labels(&labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()).await;
    match resolved {
        Ok(signal) => assert_eq!((managed, shown(&signal.target).as_str()), (true, "Rollout shop/canary")),
        Err(error) => {
            let hint = "`kubectl label rollouts canary --namespace shop kubernaut.ai/managed=true`";
            assert!(!managed && error.to_string().contains(hint), "{error}");
        }
    }
}

#[rstest]
#[case::in_another_version("example.com", "example.com/v1beta1", "apis/example.com/v1/racks/r1")]
#[case::of_the_core_group("", "v1", "api/v1/racks/r1")]
#[tokio::test(start_paused = true)]
async fn a_resource_of_the_operators_own_kind_is_rejected_with_its_command_too(
    #[case] group: &str,
    #[case] api_version: &str,
    #[case] path: &str,
) {
    let signals = adding("rack", [group, "v1", "Rack", "racks"], false);
    let world = World::with(Scope::default(), &signals);
    let labels = [("alertname", "A"), ("rack", "r1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let involved = json!({"apiVersion": api_version, "kind": "Rack", "name": "r1"});
    let event = json!({"type": "Warning", "reason": "Hot", "involvedObject": involved}).to_string();
    let Ok(Parsed::Signal(event)) = event::parse(event.as_bytes(), super::now(), &Rules::new(&signals)) else {
        panic!("{event}")
    };
    let by_alert = world.resolve_labels(&labels.clone().into()).await.unwrap_err().to_string();
    let by_event = world.resolve(*event.clone()).await.unwrap_err().to_string();
    for error in [by_alert, by_event] {
        assert!(error.contains("(hint: `kubectl label racks r1 kubernaut.ai/managed=true`)"), "{error}");
    }
    world.put(path, None, true);
    world.context.sleep(TTL).await;
    let of_alert = world.resolve_labels(&labels.into()).await.unwrap();
    assert_eq!(world.resolve(*event).await.unwrap().fingerprint, of_alert.fingerprint);
}
