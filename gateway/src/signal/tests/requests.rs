//! What the resolution of alerts asks of the API.

use std::time::Duration;

use futures::future::join_all;
use rstest::rstest;

use super::{labels, signals, world::World};
use crate::config::Scope;

const POD: &str = "checkout-7d9f8b6c5d-x2k4q";

/// A namespace with Deployments, a DaemonSet, a Rollout, Jobs, kube-state-metrics and a Node.
fn world(scope: Scope) -> World {
    let world = World::with(scope, &signals());
    world.put_checkout();
    world.put("api/v1/namespaces/shop", None, true);
    world.put("apis/apps/v1/namespaces/shop/deployments/checkout", None, false);
    world.put("apis/apps/v1/namespaces/shop/daemonsets/agent", None, false);
    world.put("api/v1/namespaces/shop/services/kube-state-metrics", None, false);
    let rollout = Some(("argoproj.io/v1alpha1", "Rollout", "canary"));
    world.put("apis/apps/v1/namespaces/shop/replicasets/canary-6c9d4f7b8", rollout, false);
    for job in ["train", "import-987654"] {
        world.put(&format!("apis/batch/v1/namespaces/shop/jobs/{job}"), None, false);
    }
    // Its ReplicaSet is gone already.
    world.put("apis/apps/v1/namespaces/shop/deployments/moved", None, false);
    let replicaset = Some(("apps/v1", "ReplicaSet", "moved-5b4f6d"));
    world.put("api/v1/namespaces/shop/pods/moved-5b4f6d-zzzzz", replicaset, false);
    world.put_node("worker-1", &["10.0.0.1"]);
    world
}

/// What an alert may cost beyond its owner chain.
const BEYOND_THE_CHAIN: usize = 3;

/// GETs of objects among `asked`: not of the Namespace, which the scope needs anyway and which serves all that is in it, and
/// no list of ReplicaSets, which does too.
fn gets(asked: &[String]) -> usize {
    let of_namespace = |path: &str| path.strip_prefix("/api/v1/namespaces/").is_some_and(|name| !name.contains('/'));
    asked.iter().filter(|path| !path.starts_with("LIST ") && !of_namespace(path)).count()
}

/// The chain counts what is there and has to be read to find the next owner; of a pod that is gone, the pod alone.
#[rstest]
#[case::live_pod(&[("namespace", "shop"), ("pod", POD)], "Deployment shop/checkout", 2, 2)]
#[case::gone_pod_of_a_live_replicaset(&[("namespace", "shop"), ("pod", "checkout-7d9f8b6c5d-zzzzz")], "Deployment shop/checkout", 3, 2)]
#[case::gone_pod_of_a_gone_replicaset(&[("namespace", "shop"), ("pod", "checkout-5b4f6d-zzzzz")], "Deployment shop/checkout", 4, 1)]
#[case::gone_pod_of_a_daemonset(&[("namespace", "shop"), ("pod", "agent-zzzzz")], "DaemonSet shop/agent", 2, 1)]
#[case::gone_pod_with_an_ordinal(&[("namespace", "shop"), ("pod", "db-0")], "Pod shop/db-0", 2, 1)]
#[case::gone_pod_like_a_daemonsets(&[("namespace", "shop"), ("pod", "other-zzzzz")], "Pod shop/other-zzzzz", 4, 1)]
#[case::gone_pod_of_an_indexed_job(&[("namespace", "shop"), ("pod", "train-0-zzzzz")], "Job shop/train", 4, 1)]
#[case::gone_pod_like_an_indexed_jobs(&[("namespace", "shop"), ("pod", "gone-0-zzzzz")], "Pod shop/gone-0-zzzzz", 4, 1)]
#[case::gone_pod_of_an_indexed_jobs_second(&[("namespace", "shop"), ("pod", "train-1-zzzzz")], "Job shop/train", 4, 1)]
#[case::gone_pod_of_a_job_with_a_number(&[("namespace", "shop"), ("pod", "import-987654-zzzzz")], "Job shop/import-987654", 5, 1)]
#[case::gone_pod_of_a_gone_cronjob(&[("namespace", "shop"), ("pod", "nightly-29410080-zzzzz")], "Pod shop/nightly-29410080-zzzzz", 4, 1)]
#[case::gone_replicaset(&[("namespace", "shop"), ("replicaset", "checkout-5b4f6d")], "Deployment shop/checkout", 3, 1)]
#[case::gone_job(&[("namespace", "shop"), ("job_name", "nightly-29410080")], "Job shop/nightly-29410080", 3, 1)]
#[case::gone_pod_in_an_unknown_namespace(&[("namespace", "far"), ("pod", POD)], "Deployment far/checkout", 2, 1)]
#[case::workload(&[("namespace", "shop"), ("deployment", "gone")], "Deployment shop/gone", 0, 0)]
#[case::node_beside_its_exporter(&[("job", "kube-state-metrics"), ("service", "kube-state-metrics"), ("namespace", "shop"), ("node", "worker-1")], "Node /worker-1", 2, 0)]
#[case::node_beside_a_namespace(&[("job", "kube-state-metrics"), ("service", "x"), ("pod", "kube-state-metrics-0"), ("namespace", "shop"), ("node", "worker-1")], "Alert shop/0123456789abcdef", 3, 0)]
#[case::node_beside_what_no_service_is_called(&[("job", "kube-state-metrics"), ("service", "Payment API"), ("namespace", "shop"), ("node", "worker-1")], "Alert shop/0123456789abcdef", 1, 0)]
#[case::node_beside_what_no_pod_is_called(&[("job", "kube-state-metrics"), ("pod", "a/log?watch=1&"), ("namespace", "shop"), ("node", "worker-1")], "Alert shop/0123456789abcdef", 1, 0)]
#[case::node_by_address(&[("job", "node-exporter"), ("instance", "10.0.0.1:9100")], "Node /worker-1", 1, 0)]
#[case::custom(&[("namespace", "shop"), ("vm", "a")], "VirtualMachine shop/a", 0, 0)]
#[case::custom_and_a_pod(&[("namespace", "shop"), ("vm", "a"), ("pod", POD)], "Deployment shop/checkout", 3, 2)]
#[case::three_that_do_not_exist(&[("namespace", "shop"), ("statefulset", "a"), ("ingress", "a"), ("pod", "a")], "StatefulSet shop/a", 3, 0)]
#[case::four_that_do_not_exist(&[("namespace", "shop"), ("vm", "a"), ("statefulset", "a"), ("ingress", "a"), ("pod", "a")], "VirtualMachine shop/a", 3, 0)]
#[case::live_pod_last_of_three(&[("namespace", "shop"), ("statefulset", "a"), ("ingress", "a"), ("pod", POD)], "Deployment shop/checkout", 4, 2)]
#[case::orphan_last_of_three(&[("namespace", "shop"), ("statefulset", "a"), ("ingress", "a"), ("pod", "moved-5b4f6d-zzzzz")], "Deployment shop/moved", 6, 2)]
#[case::gone_job_first_of_three(&[("namespace", "shop"), ("job_name", "a-29410080"), ("ingress", "a"), ("pod", "a")], "Job shop/a-29410080", 5, 1)]
// A pod that is gone is never chosen before more than one other, a ReplicaSet.
#[case::gone_pod_first_of_two(&[("namespace", "shop"), ("pod", "other-zzzzz"), ("replicaset", "a")], "Pod shop/other-zzzzz", 4, 1)]
#[case::gone_pod_first_of_two_revisions(&[("namespace", "shop"), ("pod", "gone-5b4f6d-zzzzz"), ("replicaset", "a")], "Pod shop/gone-5b4f6d-zzzzz", 6, 1)]
#[case::gone_pod_first_of_three(&[("namespace", "shop"), ("pod", "gone-5b4f6d-zzzzz"), ("replicaset", "a"), ("ingress", "a")], "Ingress shop/a", 3, 0)]
#[case::gone_pod_of_an_unknown_controller(&[("namespace", "shop"), ("pod", "canary-5b4f6d-zzzzz")], "Rollout shop/canary", 6, 1)]
#[case::gone_pod_of_nothing(&[("namespace", "shop"), ("pod", "gone-5b4f6d-zzzzz")], "Pod shop/gone-5b4f6d-zzzzz", 6, 1)]
#[tokio::test(start_paused = true)]
async fn an_alert_costs_a_few_requests_and_the_next_one_none(
    #[case] pairs: &[(&str, &str)],
    #[case] target: &str,
    #[case] requests: usize,
    #[case] chain: usize,
) {
    let unscoped = || world(Scope { require_managed_label: false, ..Scope::default() });
    let world = unscoped();
    assert_eq!(world.target_of(pairs).await, target);
    let asked = world.requests();
    assert_eq!(asked.len(), requests, "{asked:#?}");
    assert!(gets(&asked) <= chain + BEYOND_THE_CHAIN, "{asked:#?}");
    assert_eq!(world.target_of(pairs).await, target);
    assert_eq!(world.requests(), Vec::<String>::new(), "it is known");
    let world = unscoped();
    let labels = labels(pairs);
    let signals = join_all((0..100).map(|_| world.resolve_labels(&labels))).await;
    assert!(signals.into_iter().all(|signal| super::shown(&signal.unwrap().target) == target));
    assert_eq!(world.requests().len(), requests, "a hundred at once ask as often as one");
}

/// Sends one alert about each of the pods, evenly over a minute, and counts requests.
async fn over_a_minute(world: &World, pods: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let pause = Duration::from_secs(60) / u32::try_from(pods.len()).unwrap();
    for pod in pods {
        let signal = world.resolve_labels(&labels(&[("namespace", "shop"), ("pod", &pod)])).await.unwrap();
        assert!(pod.starts_with(&signal.target.name) && signal.target.kind == "Deployment", "{:?}", signal.target);
        world.context.sleep(pause).await;
    }
    world.requests()
}

/// A thousand pods of ten Deployments.
fn pods() -> impl ExactSizeIterator<Item = (usize, String)> {
    const ALPHABET: &[u8] = b"bcdfghjklm";
    let letter = |at: usize| char::from(ALPHABET[at % 10]);
    (0..1000)
        .map(move |at| (at % 10, format!("app-{0}-7d9f8b6c5d-x2k{1}{2}", at % 10, letter(at / 10), letter(at / 100))))
}

#[rstest]
#[case::managed(true)]
#[case::by_the_workload(false)]
#[tokio::test(start_paused = true)]
async fn a_thousand_live_pods_cost_a_request_each_and_a_few_for_each_workload(#[case] namespace_managed: bool) {
    let world = World::new(Scope::default());
    world.put("api/v1/namespaces/shop", None, namespace_managed);
    for app in 0..10 {
        let (deployment, replicaset) = (format!("app-{app}"), format!("app-{app}-7d9f8b6c5d"));
        world.put(&format!("apis/apps/v1/namespaces/shop/deployments/{deployment}"), None, true);
        let controller = Some(("apps/v1", "Deployment", &*deployment));
        world.put(&format!("apis/apps/v1/namespaces/shop/replicasets/{replicaset}"), controller, false);
    }
    for (app, pod) in pods() {
        let controller = Some(("apps/v1", "ReplicaSet", &*format!("app-{app}-7d9f8b6c5d")));
        world.put(&format!("api/v1/namespaces/shop/pods/{pod}"), controller, false);
    }
    let requests = over_a_minute(&world, pods().map(|(_, pod)| pod)).await;
    // Ten ReplicaSets and the namespace; without its label, that again every 30 s, and the Deployments.
    let others = if namespace_managed { 10 + 1 } else { 10 + 3 + 10 };
    assert_eq!(requests.len(), 1000 + others);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_pods_that_are_gone_cost_a_request_each_and_a_few_for_each_workload() {
    let world = World::new(Scope::default());
    world.put("api/v1/namespaces/shop", None, true);
    for app in 0..10 {
        world.put(&format!("apis/apps/v1/namespaces/shop/deployments/app-{app}"), None, false);
    }
    let requests = over_a_minute(&world, pods().map(|(_, pod)| pod)).await;
    let of = |plural: &str| requests.iter().filter(|path| path.contains(plural)).count();
    let counts = (of("/pods/"), of("/replicasets/"), of("/deployments/"), of("LIST"));
    // That a ReplicaSet is gone is believed for 30 s.
    assert_eq!(counts, (1000, 30, 10, 0));
    assert_eq!(requests.len(), 1000 + 30 + 10 + 1, "and one for the namespace");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_alerts_about_machines_cost_a_list_of_the_nodes() {
    let world = World::unscoped_with(&signals());
    for at in 0..100 {
        world.put_node(&format!("worker-{at}"), &[&format!("10.0.0.{at}")]);
    }
    for at in 0..1000 {
        let (node, instance) = (at % 100, format!("10.0.0.{}:9100", at % 100));
        let target = world.target_of(&[("job", "node-exporter"), ("instance", &instance)]).await;
        assert_eq!(target, format!("Node /worker-{node}"));
        world.context.sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(world.requests(), ["LIST /api/v1/nodes"]);
}
