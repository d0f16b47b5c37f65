//! Look-ups that fail, and those that are not permitted.

use std::time::Duration;

use rstest::rstest;

use super::{
    labels,
    logs::Warnings,
    signals,
    world::{Mood, World},
};
use crate::{config::Scope, signal::ResolveError};

/// Longer than anything is believed.
const LONG: Duration = Duration::from_secs(600);

const POD: [(&str, &str); 2] = [("namespace", "shop"), ("pod", "checkout-5b4f6d-zzzzz")];
const LIVE: [(&str, &str); 2] = [("namespace", "shop"), ("pod", "checkout-7d9f8b6c5d-x2k4q")];
const MACHINE: [(&str, &str); 2] = [("job", "node-exporter"), ("instance", "10.0.0.1:9100")];
const CANARY: [(&str, &str); 2] = [("namespace", "shop"), ("pod", "canary-5b4f6d-zzzzz")];
const VM: [(&str, &str); 3] = [("namespace", "shop"), ("vm", "a"), ("pod", "checkout-7d9f8b6c5d-x2k4q")];

fn world() -> World {
    let world = World::unscoped_with(&signals());
    world.put_checkout();
    world.put("api/v1/namespaces/shop", None, false);
    world.put("apis/apps/v1/namespaces/shop/deployments/checkout", None, false);
    let rollout = Some(("argoproj.io/v1alpha1", "Rollout", "canary"));
    world.put("apis/apps/v1/namespaces/shop/replicasets/canary-6c9d4f7b8", rollout, false);
    world.put_node("worker-1", &["10.0.0.1"]);
    world
}

#[rstest]
#[case::object("/pods/", &LIVE, "Deployment shop/checkout")]
#[case::owner("/replicasets/checkout-7d9f8b6c5d", &LIVE, "Deployment shop/checkout")]
#[case::namespace("/namespaces/shop$", &POD, "Deployment shop/checkout")]
#[case::gone_object("/pods/", &POD, "Deployment shop/checkout")]
#[case::gone_parent("/replicasets/checkout-5b4f6d", &POD, "Deployment shop/checkout")]
#[case::workload("/deployments/checkout", &POD, "Deployment shop/checkout")]
#[case::siblings("LIST /apis/apps/v1/namespaces/shop/replicasets", &CANARY, "Rollout shop/canary")]
#[case::nodes("LIST /api/v1/nodes", &MACHINE, "Node /worker-1")]
#[case::custom("/virtualmachines/", &VM, "Deployment shop/checkout")]
#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_and_what_was_seen_is_still_the_answer(
    #[case] request: &str,
    #[case] pairs: &[(&str, &str)],
    #[case] target: &str,
    // 401: as while an API server starts, or keys are rotated. It is no missing right.
    #[values(Mood::Fails(401), Mood::Fails(500), Mood::Fails(503), Mood::Hangs)] failure: Mood,
) {
    let world = world();
    world.set_mood_of(request, failure);
    let error = world.resolve_labels(&labels(pairs)).await.unwrap_err();
    assert!(matches!(error, ResolveError::Kubernetes { .. }), "never seen: {error}");
    world.set_mood_of(request, Mood::Well);
    world.context.sleep(LONG).await;
    assert_eq!(world.target_of(pairs).await, target, "a failure is not remembered");
    world.context.sleep(LONG).await;
    world.set_mood_of(request, failure);
    let absent = ["/virtualmachines/", "/replicasets/checkout-5b4f6d"].contains(&request)
        || (request, pairs) == ("/pods/", &POD);
    // After that there is no time left for what has to be asked again.
    let is_late = matches!(failure, Mood::Hangs) && request == "/namespaces/shop$";
    if absent || is_late {
        // That something does not exist is no sight of it: it may have been created since.
        assert!(world.resolve_labels(&labels(pairs)).await.is_err());
    } else {
        assert_eq!(world.target_of(pairs).await, target, "seen");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_known_to_be_gone_does_not_exist_again_because_the_api_fails() {
    let world = world();
    let both = [("namespace", "shop"), ("statefulset", "db"), ("pod", "checkout-7d9f8b6c5d-x2k4q")];
    world.put("apis/apps/v1/namespaces/shop/statefulsets/db", None, false);
    assert_eq!(world.target_of(&both).await, "StatefulSet shop/db");
    world.delete("apis/apps/v1/namespaces/shop/statefulsets/db");
    world.context.sleep(LONG).await;
    assert_eq!(world.target_of(&both).await, "Deployment shop/checkout");
    world.context.sleep(LONG).await;
    world.set_mood(Mood::Fails(500));
    assert_eq!(world.target_of(&both).await, "Deployment shop/checkout", "the incident stays the same");
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_the_last_list_lacks_is_not_believed_absent_while_lists_fail() {
    let world = world();
    assert_eq!(world.target_of(&CANARY).await, "Rollout shop/canary");
    world.context.sleep(LONG).await;
    let rollout = Some(("argoproj.io/v1alpha1", "Rollout", "blue"));
    world.put("apis/apps/v1/namespaces/shop/replicasets/blue-6c9d4f7b8", rollout, false);
    world.set_mood_of("LIST", Mood::Fails(500));
    let blue = [("namespace", "shop"), ("pod", "blue-5b4f6d-zzzzz")];
    assert!(world.resolve_labels(&labels(&blue)).await.is_err());
    world.set_mood_of("LIST", Mood::Well);
    assert_eq!(world.target_of(&blue).await, "Rollout shop/blue");
}

#[rstest]
#[case::nodes("LIST /api/v1/nodes", &MACHINE, "Alert default/0123456789abcdef", "Node /worker-1", "no permission to list nodes")]
#[case::siblings("LIST /apis/apps/v1", &CANARY, "Pod shop/canary-5b4f6d-zzzzz", "Rollout shop/canary", "no permission to list ReplicaSets")]
#[case::custom("/virtualmachines/", &VM, "Deployment shop/checkout", "VirtualMachine shop/a", "no permission to read a kind of signal.targets")]
#[tokio::test(start_paused = true)]
async fn what_is_not_permitted_is_done_without_and_told_once_until_it_is(
    #[case] request: &str,
    #[case] pairs: &[(&str, &str)],
    #[case] without: &str,
    #[case] with: &str,
    #[case] warning: &str,
) {
    let (warnings, _guard) = Warnings::capture();
    let world = world();
    world.put("apis/kubevirt.io/v1/namespaces/shop/virtualmachines/a", None, false);
    for _ in 0..2 {
        world.set_mood_of(request, Mood::Fails(403));
        for _ in 0..100 {
            assert_eq!(world.target_of(pairs).await, without);
            world.context.sleep(Duration::from_secs(3)).await;
        }
        let warnings = warnings.take();
        assert!(warnings.len() == 1 && warnings[0].contains(warning), "{warnings:#?}");
        let asked = world.requests().into_iter().filter(|asked| asked.contains(request)).count();
        assert!((1..=11).contains(&asked), "{asked} requests in 300 s, of which each is believed for 30 s");
        world.set_mood_of(request, Mood::Well);
        world.context.sleep(LONG).await;
        assert_eq!(world.target_of(pairs).await, with);
        world.context.sleep(LONG).await;
        if request != "LIST /api/v1/nodes" && request != "LIST /apis/apps/v1" {
            break; // what was seen stays the answer
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_list_of_replicasets_is_too_long_to_hold_is_done_without_and_told() {
    let (warnings, _guard) = Warnings::capture();
    let world = world();
    for at in 0..5000 {
        let deployment = format!("app-{at}");
        let controller = Some(("apps/v1", "Deployment", deployment.as_str()));
        world.put(&format!("apis/apps/v1/namespaces/shop/replicasets/{deployment}-6c9d4f7b8"), controller, false);
    }
    assert_eq!(world.target_of(&CANARY).await, "Pod shop/canary-5b4f6d-zzzzz");
    let warnings = warnings.take();
    assert!(warnings.len() == 1 && warnings[0].contains("too many ReplicaSets"), "{warnings:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_not_be_read_is_told_once_for_all_its_objects_and_again_after_it_was_permitted() {
    let (warnings, _guard) = Warnings::capture();
    let world = world();
    let of = |name| [("namespace", "shop"), ("vm", name), ("pod", "checkout-7d9f8b6c5d-x2k4q")];
    for (name, permitted, told) in [("a", false, 1), ("b", false, 0), ("c", true, 0), ("d", false, 1), ("e", false, 0)]
    {
        world.set_mood_of("/virtualmachines/", if permitted { Mood::Well } else { Mood::Fails(403) });
        world.context.sleep(LONG).await;
        assert_eq!(world.target_of(&of(name)).await, "Deployment shop/checkout");
        assert_eq!(warnings.take().len(), told, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_may_not_be_read_is_in_scope_by_its_namespace_only() {
    let world = World::with(Scope::default(), &signals());
    world.put("api/v1/namespaces/shop", None, true);
    world.put("api/v1/namespaces/store", None, false);
    world.set_mood_of("/virtualmachines/", Mood::Fails(403));
    assert_eq!(world.target_of(&[("namespace", "shop"), ("vm", "a")]).await, "VirtualMachine shop/a");
    let error = world.resolve_labels(&labels(&[("namespace", "store"), ("vm", "a")])).await.unwrap_err();
    assert!(matches!(error, ResolveError::OutOfScope { .. }), "to be asked again for ever would not help: {error}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_one_signal_had_no_time_for_is_asked_for_again_by_those_that_waited_with_it() {
    let world = world();
    let sent = || super::unresolved_with(&labels(&CANARY), &crate::signal::Rules::default());
    // Five look-ups of 10 ms come before the list.
    let soon = world.context.monotonic() + Duration::from_millis(55);
    let (hasty, patient) = futures::join!(world.resolver.resolve(sent(), soon), world.resolve(sent()));
    assert!(hasty.is_err());
    assert_eq!(super::shown(&patient.unwrap().target), "Rollout shop/canary");
}
