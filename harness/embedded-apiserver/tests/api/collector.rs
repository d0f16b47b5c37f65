//! Leases that custom resources own: when the garbage collector takes them.

use crate::support::{api, incident, incidents, lease, leases, owned_lease, wait_ms};
use embedded_apiserver::EmbeddedApi;
use k8s_openapi::api::coordination::v1::Lease;
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
async fn a_lease_is_collected_whose_owner_is_in_another_namespace() {
    let api = api();
    api.seed(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}));
    let leases: Api<Lease> = Api::namespaced(api.client("one", "other"), "other");
    leases.create(&post(), &owned_lease("count", "a", &owner(&api, &[]).await)).await.unwrap();
    wait_ms(1000).await;
    assert!(!is_there(&leases).await);
}
