//! Owners, found in each way.

use std::time::Duration;

use rstest::rstest;

use super::{adding, now, unresolved_of, world::World};
use crate::signal::{kind::Kind, naming};

const POD: &str = "checkout-7d9f8b6c5d-x2k4q";
const POD_PATH: &str = "api/v1/namespaces/shop/pods/checkout-7d9f8b6c5d-x2k4q";
const REPLICASET_PATH: &str = "apis/apps/v1/namespaces/shop/replicasets/checkout-7d9f8b6c5d";
/// Longer than the default `scope.cacheTtl`.
const LONG: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn pods_of_one_deployment_share_its_fingerprint() {
    let world = World::unscoped();
    world.put_checkout();
    let one = world.resolve(unresolved_of(&[("pod", POD)])).await.unwrap();
    let other = world.resolve(unresolved_of(&[("pod", "checkout-7d9f8b6c5d-8zq7w")])).await.unwrap();
    let deployment = world.resolve(unresolved_of(&[("deployment", "checkout")])).await.unwrap();
    assert_eq!(one.target.api_version, "apps/v1");
    assert_eq!(one.fingerprint, other.fingerprint);
    assert_eq!(one.fingerprint, deployment.fingerprint);
    assert_eq!(world.requests().len(), 3, "two pods, one ReplicaSet, and nothing for the Deployment");
    assert_eq!(world.outcome("Pod", "api"), 2);
    assert_eq!(one.provider_data["originalTarget"]["name"], POD);
}

#[rstest]
#[case("pod", "api/v1/namespaces/shop/pods/db-0", "db-0", ("apps/v1", "StatefulSet", "db"), "StatefulSet/db")]
#[case("pod", "api/v1/namespaces/shop/pods/log-x2k4q", "log-x2k4q", ("apps/v1", "DaemonSet", "log"), "DaemonSet/log")]
#[case("pod", "api/v1/namespaces/shop/pods/rc-x2k4q", "rc-x2k4q", ("v1", "ReplicationController", "rc"), "ReplicationController/rc")]
#[case("job_name", "apis/batch/v1/namespaces/shop/jobs/n-1", "n-1", ("batch/v1", "CronJob", "n"), "CronJob/n")]
#[case("pod", "api/v1/namespaces/shop/pods/etcd", "etcd", ("v1", "Node", "worker-1"), "Pod/etcd")]
#[case("replicaset", "apis/apps/v1/namespaces/shop/replicasets/r-1", "r-1", ("argoproj.io/v1alpha1", "Rollout", "r"), "Rollout/r")]
#[case("pod", "api/v1/namespaces/shop/pods/v", "v", ("batch.volcano.sh/v1alpha1", "Job", "v"), "Job/v")]
#[tokio::test(start_paused = true)]
async fn a_controller_stands_for_what_it_controls_but_a_node_does_not(
    #[case] label: &str,
    #[case] path: &str,
    #[case] name: &str,
    #[case] controller: (&str, &str, &str),
    #[case] owner: &str,
) {
    let world = World::unscoped();
    world.put(path, Some(controller), false);
    assert_eq!(world.owner_of(label, name).await, owner);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_a_cronjobs_job_belongs_to_the_cronjob() {
    let world = World::unscoped();
    world.put("api/v1/namespaces/shop/pods/n-1-abcde", Some(("batch/v1", "Job", "n-1")), false);
    world.put("apis/batch/v1/namespaces/shop/jobs/n-1", Some(("batch/v1", "CronJob", "n")), false);
    assert_eq!(world.owner_of("pod", "n-1-abcde").await, "CronJob/n");
}

#[rstest]
#[case("deployment")]
#[case("statefulset")]
#[case("cronjob")]
#[case("node")]
#[case("persistentvolumeclaim")]
#[tokio::test(start_paused = true)]
async fn kinds_at_the_end_of_every_chain_cost_no_request(#[case] label: &str) {
    let world = World::unscoped();
    world.owner_of(label, "a").await;
    assert!(world.requests().is_empty());
    assert!(!String::from_utf8(world.metrics.render().unwrap()).unwrap().contains("gateway_owner_resolution_total{"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_controller_stands_for_itself() {
    let world = World::unscoped();
    world.put("api/v1/namespaces/shop/pods/bare", None, false);
    assert_eq!(world.owner_of("pod", "bare").await, "Pod/bare");
    assert_eq!(world.outcome("Pod", "none"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_seen_before_its_deletion_keeps_its_owner_beyond_the_ttl() {
    let world = World::unscoped();
    world.put("api/v1/namespaces/shop/pods/checkout", Some(("apps/v1", "ReplicaSet", "odd")), false);
    world.put("apis/apps/v1/namespaces/shop/replicasets/odd", Some(("apps/v1", "Deployment", "d")), false);
    assert_eq!(world.owner_of("pod", "checkout").await, "Deployment/d");
    world.delete("api/v1/namespaces/shop/pods/checkout");
    world.delete("apis/apps/v1/namespaces/shop/replicasets/odd");
    assert_eq!(world.owner_of("pod", "checkout").await, "Deployment/d");
    assert_eq!(world.outcome("Pod", "cache"), 1);
    world.context.sleep(LONG).await;
    assert_eq!(world.owner_of("pod", "checkout").await, "Deployment/d");
    assert_eq!(world.outcome("Pod", "stale_cache"), 1);
    world.requests();
    assert_eq!(world.owner_of("pod", "checkout").await, "Deployment/d");
    assert!(world.requests().is_empty(), "that it is gone is remembered too");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_the_operators_own_label_names_belongs_to_its_workload_too() {
    let world = World::unscoped_with(&adding("podref", ["", "v1", "Pod", "pods"], true));
    world.put_checkout();
    assert_eq!(world.target_of(&[("namespace", "shop"), ("podref", POD)]).await, "Deployment shop/checkout");
    let both = [("namespace", "shop"), ("podref", POD), ("statefulset", "db")];
    world.put("apis/apps/v1/namespaces/shop/statefulsets/db", None, false);
    assert_eq!(world.target_of(&both).await, "StatefulSet shop/db", "and counts no more than another word for a Pod");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_gone_and_was_never_seen_belongs_to_the_deployment_in_its_name() {
    let world = World::unscoped();
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/checkout");
    assert_eq!(world.outcome("Pod", "naming"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_replicaset_is_gone_belongs_to_the_deployment_in_its_name() {
    let world = World::unscoped();
    world.put_checkout();
    world.delete(REPLICASET_PATH);
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/checkout");
    assert_eq!(world.outcome("Pod", "naming"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_which_nothing_is_known_stands_for_itself() {
    let world = World::unscoped();
    assert_eq!(world.owner_of("pod", "db-0").await, "Pod/db-0");
    assert_eq!(world.outcome("Pod", "self"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_owner_of_the_same_name_but_another_uid_is_not_followed() {
    let world = World::unscoped();
    world.put(POD_PATH, Some(("apps/v1", "ReplicaSet", "odd")), false);
    world.put("apis/apps/v1/namespaces/shop/replicasets/odd", Some(("apps/v1", "Deployment", "other")), false);
    world.set_uid("apis/apps/v1/namespaces/shop/replicasets/odd", "another");
    assert_eq!(world.owner_of("pod", POD).await, "ReplicaSet/odd");
    assert_eq!(world.outcome("Pod", "self"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_was_made_anew_under_its_name_is_looked_up_again() {
    let world = World::unscoped();
    let path = "apis/apps/v1/namespaces/shop/replicasets/odd";
    world.put(path, Some(("apps/v1", "Deployment", "old")), false);
    world.set_uid(path, "old");
    world.owner_of("replicaset", "odd").await;
    world.put(path, Some(("apps/v1", "Deployment", "new")), false);
    world.put(POD_PATH, Some(("apps/v1", "ReplicaSet", "odd")), false);
    world.context.sleep(Duration::from_secs(60)).await;
    assert_eq!(world.owner_of("pod", POD).await, "Deployment/new");
}

#[tokio::test(start_paused = true)]
async fn owners_that_own_each_other_end_after_a_few_steps() {
    let world = World::unscoped();
    for (name, owner) in [("a", "b"), ("b", "a")] {
        let path = format!("apis/batch/v1/namespaces/shop/jobs/{name}");
        world.put(&path, Some(("batch/v1", "Job", owner)), false);
    }
    world.owner_of("job_name", "a").await;
    assert_eq!(world.requests().len(), 2);
}

#[rstest]
#[case("Pod", "checkout-7d9f8b6c5d-x2k4q", Some("Deployment/checkout"))]
#[case("Pod", "my-app-5b4f6d-zzzzz", Some("Deployment/my-app"))]
#[case("Pod", "nightly-29410080-x2k4q", Some("CronJob/nightly"))]
#[case("Pod", "nightly-29452486-x2k4q", Some("CronJob/nightly"))]
#[case("Pod", "nightly-99999999-x2k4q", Some("Deployment/nightly"))]
#[case("Pod", "nightly-29999999-x2k4q", None)]
#[case("Pod", "web-0", None)]
#[case("Pod", "fluent-bit-x2k4q", None)]
#[case("Pod", "checkout-7d9f8b6c5d-x2k4a", None)]
#[case("Pod", "checkout-7d9f8b6c5d-x2k4", None)]
#[case("Pod", "checkout-7d9f8-x2k4q", None)]
#[case("Pod", "checkout-7d9f8b6c5dd-x2k4q", None)]
#[case("Pod", "checkout-backend-x2k4q", None)]
#[case("Pod", "7d9f8b6c5d-x2k4q", None)]
#[case("Pod", "-7d9f8b6c5d-x2k4q", None)]
#[case("Pod", "a-deployment-with-a-name-so-long-that-the-hash-is-cut-7d9f8b-x2k4q", None)]
#[case("ReplicaSet", "checkout-7d9f8b6c5d", Some("Deployment/checkout"))]
#[case("ReplicaSet", "checkout", None)]
#[case("Job", "nightly-29410080", Some("CronJob/nightly"))]
#[case("Job", "report-20240105", None)]
#[case("Job", "checkout-7d9f8b6c5d", None)]
#[case("StatefulSet", "checkout-7d9f8b6c5d", None)]
fn a_name_tells_the_controller_only_if_it_leaves_no_doubt(
    #[case] kind: &str,
    #[case] name: &str,
    #[case] controller: Option<&str>,
) {
    let told = naming::told(Kind::named(kind).unwrap(), name, now());
    assert_eq!(told.certain().map(|(kind, name)| format!("{}/{name}", kind.name)).as_deref(), controller);
}

#[rstest]
#[case("checkout-7d9f8b6c5d-x2k4q", "ReplicaSet/checkout-7d9f8b6c5d Deployment/checkout Job/checkout-7d9f8b6c5d")]
#[case("nightly-29410080-x2k4q", "Job/nightly-29410080 CronJob/nightly")]
#[case("train-0-x2k4q", "DaemonSet/train-0 Job/train-0 Job/train")]
#[case("front-3-x2k4q", "Job/front-3 ReplicationController/front-3 Job/front")]
#[case("agent-x2k4q", "DaemonSet/agent Job/agent ReplicationController/agent")]
#[case("db-0", "StatefulSet/db")]
#[case("etcd", "")]
fn the_name_of_a_pod_tells_at_most_three_owners(#[case] name: &str, #[case] owners: &str) {
    let told = naming::told(Kind::named("Pod").unwrap(), name, now());
    let guesses: Vec<_> = told.guesses.iter().map(|(kind, name)| format!("{}/{name}", kind.name)).collect();
    assert_eq!(guesses.join(" "), owners);
}
