//! Deleting through the embedded API: preconditions, finalizers, garbage collection.

use crate::support::{api, code_and_reason, incident, incidents, lease, leases, refusal, wait_ms};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
};
use serde_json::json;

fn post() -> PostParams {
    PostParams::default()
}

fn with(uid: Option<&str>, version: Option<&str>) -> DeleteParams {
    let preconditions = Preconditions { uid: uid.map(str::to_owned), resource_version: version.map(str::to_owned) };
    DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }
}

fn merge(patch: serde_json::Value) -> (PatchParams, Patch<serde_json::Value>) {
    (PatchParams::default(), Patch::Merge(patch))
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_preconditions_hold_answers_a_status() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let created = leases.create(&post(), &lease("a")).await.unwrap().metadata;
    let params = with(created.uid.as_deref(), created.resource_version.as_deref());
    let status = leases.delete("a", &params).await.unwrap().right().unwrap();
    assert_eq!(status.status, Some(kube::core::response::StatusSummary::Success));
    let details = status.details.unwrap();
    assert_eq!((details.name, details.kind, Some(details.uid)), ("a".to_owned(), "leases".to_owned(), created.uid));
    assert_eq!(code_and_reason(leases.get("a").await), (404, "NotFound".to_owned()));
    assert_eq!(code_and_reason(leases.delete("a", &params).await), (404, "NotFound".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_preconditions_do_not_hold_is_a_conflict() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let created = leases.create(&post(), &lease("a")).await.unwrap().metadata;
    let (uid, version) = (created.uid.unwrap(), created.resource_version.unwrap());
    let status = refusal(leases.delete("a", &with(Some("x"), Some(&version))).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        format!(
            "Operation cannot be fulfilled on Lease.coordination.k8s.io \"a\": the UID in the precondition (x) does not \
             match the UID in record ({uid}). The object might have been deleted and then recreated"
        )
    );
    let status = refusal(leases.delete("a", &with(Some(&uid), Some("1"))).await);
    assert_eq!(status.code, 409);
    assert!(
        status.message.contains("the ResourceVersion in the precondition (1) does not match"),
        "{}",
        status.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_keeps_the_object_until_it_is_removed() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let mut new = incident("a", "k");
    new.metadata.finalizers = Some(vec!["example.org/keep".to_owned()]);
    incidents.create(&post(), &new).await.unwrap();

    let terminating = incidents.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(terminating.metadata.deletion_timestamp.is_some());
    assert_eq!(terminating.metadata.deletion_grace_period_seconds, Some(0));
    assert_eq!(terminating.metadata.generation, Some(2));
    let again = incidents.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(again.metadata.resource_version, terminating.metadata.resource_version);

    let (params, patch) = merge(json!({"metadata": {"finalizers": ["example.org/keep", "b/new", "a/new"]}}));
    let status = refusal(incidents.patch("a", &params, &patch).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(
        status.message,
        "Incident.example.org \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the \
         object is being deleted, found new finalizers []string{\"a/new\", \"b/new\"}"
    );

    let (params, patch) = merge(json!({"metadata": {"annotations": {"still": "writable"}}}));
    incidents.patch("a", &params, &patch).await.unwrap();
    let (params, patch) = merge(json!({"metadata": {"finalizers": null}}));
    incidents.patch("a", &params, &patch).await.unwrap();
    assert!(incidents.get_opt("a").await.unwrap().is_none());
}

fn owned(name: &str, owner: &ConfigMap) -> ConfigMap {
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        name: owner.metadata.name.clone().unwrap(),
        uid: owner.metadata.uid.clone().unwrap(),
        block_owner_deletion: Some(true),
        ..OwnerReference::default()
    };
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

async fn family(client: Client) -> Api<ConfigMap> {
    let maps: Api<ConfigMap> = Api::namespaced(client, "test");
    let metadata = ObjectMeta { name: Some("owner".to_owned()), ..ObjectMeta::default() };
    let owner = maps.create(&post(), &ConfigMap { metadata, ..ConfigMap::default() }).await.unwrap();
    let child = maps.create(&post(), &owned("child", &owner)).await.unwrap();
    maps.create(&post(), &owned("grandchild", &child)).await.unwrap();
    maps
}

async fn names(maps: &Api<ConfigMap>) -> Vec<String> {
    let list = maps.list(&ListParams::default()).await.unwrap();
    list.items.into_iter().filter_map(|map| map.metadata.name).collect()
}

#[tokio::test(start_paused = true)]
async fn dependents_go_a_little_after_their_owner() {
    let api = api();
    let maps = family(api.client("one", "test")).await;
    maps.delete("owner", &DeleteParams::default()).await.unwrap();
    assert_eq!(names(&maps).await, ["child", "grandchild"]);
    wait_ms(1000).await;
    assert_eq!(names(&maps).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_owner_deleted_in_the_foreground_goes_after_its_dependents() {
    let api = api();
    let maps = family(api.client("one", "test")).await;
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&order);
    api.on_commit(move |commit| {
        if commit.new.is_none() {
            seen.lock().unwrap().push(commit.name.clone());
        }
    });
    let foreground =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
    let owner = maps.delete("owner", &foreground).await.unwrap().left().unwrap();
    assert_eq!(owner.metadata.finalizers, Some(vec!["foregroundDeletion".to_owned()]));
    wait_ms(1000).await;
    assert_eq!(*order.lock().unwrap(), ["grandchild", "child", "owner"]);
}

#[tokio::test(start_paused = true)]
async fn orphaned_dependents_stay_without_the_reference() {
    let api = api();
    let maps = family(api.client("one", "test")).await;
    let orphan = DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() };
    maps.delete("owner", &orphan).await.unwrap();
    wait_ms(1000).await;
    assert_eq!(names(&maps).await, ["child", "grandchild"]);
    assert_eq!(maps.get("child").await.unwrap().metadata.owner_references, None);
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_owner_never_was_is_collected() {
    let api = api();
    let maps: Api<ConfigMap> = Api::namespaced(api.client("one", "test"), "test");
    let mut ghost = ConfigMap::default();
    ghost.metadata.name = Some("ghost".to_owned());
    ghost.metadata.uid = Some("no-such-uid".to_owned());
    maps.create(&post(), &owned("child", &ghost)).await.unwrap();
    wait_ms(1000).await;
    assert_eq!(names(&maps).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_takes_its_content_along() {
    let api = api();
    let client = api.client("one", "test");
    leases(client.clone()).create(&post(), &lease("a")).await.unwrap();
    incidents(client.clone()).create(&post(), &incident("a", "k")).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client);
    let status = refusal(namespaces.delete("default", &DeleteParams::default()).await);
    assert_eq!(status.message, r#"namespaces "default" is forbidden: this namespace may not be deleted"#);
    let going = namespaces.delete("test", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(going.status.unwrap().phase.as_deref(), Some("Terminating"));
    wait_ms(1000).await;
    assert!(namespaces.get_opt("test").await.unwrap().is_none());
    assert_eq!((api.objects("leases").len(), api.objects("incidents").len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_deleted_by_selector() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    for (name, key) in [("a", "x"), ("b", "y"), ("c", "x")] {
        incidents.create(&post(), &incident(name, key)).await.unwrap();
    }
    let selector = ListParams::default().fields("spec.key=x");
    let gone = incidents.delete_collection(&DeleteParams::default(), &selector).await.unwrap().left().unwrap();
    assert_eq!(gone.items.len(), 2);
    assert_eq!(api.objects("incidents").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_deletes_nothing() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    leases.create(&post(), &lease("a")).await.unwrap();
    leases.delete("a", &DeleteParams::default().dry_run()).await.unwrap();
    assert_eq!(api.objects("leases").len(), 1);
}
