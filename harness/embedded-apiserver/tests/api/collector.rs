//! What the garbage collector takes, and when: leases that custom resources own, and what is deleted in the foreground.

use crate::support::{api, incident, incidents, lease, leases, owned_lease, wait_ms};
use embedded_apiserver::EmbeddedApi;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Namespace, Pod},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use rstest::rstest;
use serde_json::json;

fn post() -> PostParams {
    PostParams::default()
}

/// An incident `a`; its uid.
async fn owner(api: &EmbeddedApi, finalizers: &[&str]) -> String {
    let mut owner = incident("a", "k");
    owner.metadata.finalizers = Some(finalizers.iter().map(|&name| name.to_owned()).collect());
    incidents(api.client("one", "test")).create(&post(), &owner).await.unwrap().metadata.uid.unwrap()
}

async fn is_there(leases: &Api<Lease>) -> bool {
    leases.get_opt("count").await.unwrap().is_some()
}

#[rstest]
#[case::of_its_controller(Some(true))]
#[case::of_another_owner(None)]
#[tokio::test(start_paused = true)]
async fn a_lease_goes_a_little_after_the_custom_resource_that_owns_it(#[case] controller: Option<bool>) {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let mut count = owned_lease("count", "a", &owner(&api, &[]).await);
    count.metadata.owner_references.as_mut().unwrap()[0].controller = controller;
    leases.create(&post(), &count).await.unwrap();
    leases.create(&post(), &lease("other")).await.unwrap();
    wait_ms(1000).await;
    assert!(is_there(&leases).await);
    incidents(api.client("one", "test")).delete("a", &DeleteParams::default()).await.unwrap();
    assert!(is_there(&leases).await, "not at once");
    wait_ms(100).await;
    assert!(!is_there(&leases).await);
    assert!(leases.get_opt("other").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lease_stays_while_its_owner_is_terminating() {
    let api = api();
    let (incidents, leases) = (incidents(api.client("one", "test")), leases(api.client("one", "test")));
    let uid = owner(&api, &["example.org/keep"]).await;
    leases.create(&post(), &owned_lease("count", "a", &uid)).await.unwrap();
    incidents.delete("a", &DeleteParams::default()).await.unwrap();
    wait_ms(1000).await;
    assert!(is_there(&leases).await);
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    incidents.patch("a", &PatchParams::default(), &release).await.unwrap();
    wait_ms(100).await;
    assert!(!is_there(&leases).await);
}

#[rstest]
#[case::an_owner_that_never_was("example.org/v1", "Incident", "a", "no-such-uid", false)]
#[case::an_owner_of_another_name("example.org/v1", "Incident", "b", "", false)]
#[case::an_owner_of_another_kind("v1", "ConfigMap", "a", "", false)]
#[case::its_owner("example.org/v1", "Incident", "a", "", true)]
#[case::an_owner_of_a_version_that_is_not_served("example.org/v9", "Incident", "a", "", true)]
#[case::an_owner_of_a_group_that_is_not_served("nonsense.org/v1", "Incident", "a", "no-such-uid", true)]
#[tokio::test(start_paused = true)]
async fn a_new_lease_stays_only_with(
    #[case] api_version: &str,
    #[case] kind: &str,
    #[case] name: &str,
    #[case] uid: &str,
    #[case] stays: bool,
) {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let of_the_owner = owner(&api, &[]).await;
    let mut count = owned_lease("count", name, if uid.is_empty() { &of_the_owner } else { uid });
    let reference = &mut count.metadata.owner_references.as_mut().unwrap()[0];
    (reference.api_version, reference.kind) = (api_version.to_owned(), kind.to_owned());
    leases.create(&post(), &count).await.unwrap();
    assert!(is_there(&leases).await);
    wait_ms(1000).await;
    assert_eq!(is_there(&leases).await, stays);
}

#[tokio::test(start_paused = true)]
async fn what_another_owner_keeps_lets_go_of_the_one_that_waits_for_it() {
    let api = api();
    let (incidents, leases) = (incidents(api.client("one", "test")), leases(api.client("one", "test")));
    let other = incidents.create(&post(), &incident("b", "k")).await.unwrap();
    let mut count = owned_lease("count", "a", &owner(&api, &[]).await);
    let references = count.metadata.owner_references.as_mut().unwrap();
    references[0].block_owner_deletion = Some(true);
    references.extend(owned_lease("", "b", &other.metadata.uid.unwrap()).metadata.owner_references.unwrap());
    leases.create(&post(), &count).await.unwrap();
    incidents.delete("a", &DeleteParams::foreground()).await.unwrap();
    wait_ms(1000).await;
    assert!(incidents.get_opt("a").await.unwrap().is_none());
    let owners = leases.get("count").await.unwrap().metadata.owner_references.unwrap();
    assert_eq!(owners.into_iter().map(|owner| owner.name).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_deleted_in_the_foreground_goes_after_its_content() {
    let api = api();
    let (incidents, namespaces) = (incidents(api.client("one", "test")), Api::<Namespace>::all(api.client("one", "")));
    owner(&api, &["example.org/keep"]).await;
    namespaces.delete("test", &DeleteParams::foreground()).await.unwrap();
    wait_ms(1000).await;
    assert!(namespaces.get_opt("test").await.unwrap().is_some());
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    incidents.patch("a", &PatchParams::default(), &release).await.unwrap();
    wait_ms(1000).await;
    assert!(namespaces.get_opt("test").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_node_that_is_deleted_in_the_foreground_stays_until_it_has_stopped() {
    let api = api();
    let spec = json!({"nodeName": "node-1", "containers": [{"name": "main", "image": "busybox"}]});
    let metadata = json!({"name": "a", "namespace": "test"});
    api.seed(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}));
    let pods: Api<Pod> = Api::namespaced(api.client("one", "test"), "test");
    pods.delete("a", &DeleteParams::foreground()).await.unwrap();
    wait_ms(1000).await;
    assert!(pods.get_opt("a").await.unwrap().is_some());
    pods.delete("a", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert!(pods.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_collected_whose_owner_is_in_another_namespace() {
    let api = api();
    api.seed(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}));
    let leases: Api<Lease> = Api::namespaced(api.client("one", "other"), "other");
    leases.create(&post(), &owned_lease("count", "a", &owner(&api, &[]).await)).await.unwrap();
    wait_ms(1000).await;
    assert!(!is_there(&leases).await);
}
