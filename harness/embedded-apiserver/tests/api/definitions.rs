//! Definitions that are replaced while the server runs, and finalizers that are removed by force.

use std::time::Duration;

use crate::support::{api, code_and_reason, crd, incident, incidents, refusal};
use embedded_apiserver::{EmbeddedApi, Restore};
use futures::StreamExt;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

/// The definition without `spec.other` and `status.count`.
fn lesser() -> Value {
    let mut crd = crd();
    let properties = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties").unwrap();
    for (part, field) in [("spec", "other"), ("status", "count")] {
        properties[part]["properties"].as_object_mut().unwrap().remove(field);
    }
    crd
}

async fn set(incidents: &Api<DynamicObject>, status: Value) -> kube::Result<DynamicObject> {
    let patch = Patch::Merge(json!({"status": status}));
    incidents.patch_status("a", &PatchParams::default(), &patch).await
}

/// A server with an incident `a` that has every field.
async fn whole() -> (EmbeddedApi, Api<DynamicObject>) {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let mut new = incident("a", "k");
    new.data["spec"]["other"] = "x".into();
    incidents.create(&PostParams::default(), &new).await.unwrap();
    set(&incidents, json!({"count": 1, "phase": "Open"})).await.unwrap();
    (api, incidents)
}

/// `spec.other` and `status`, from a GET.
async fn read(incidents: &Api<DynamicObject>) -> (Value, Value) {
    let found = incidents.get("a").await.unwrap();
    (found.data["spec"]["other"].clone(), found.data["status"].clone())
}

#[tokio::test(start_paused = true)]
async fn fields_that_a_definition_does_not_know_are_hidden_until_a_write_drops_them() {
    let (api, incidents) = whole().await;
    let version = incidents.get("a").await.unwrap().metadata.resource_version;
    let before = api.replace_crd(lesser()).unwrap();
    assert_eq!(read(&incidents).await, (Value::Null, json!({"phase": "Open"})));
    let list = incidents.list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items[0].data["status"], json!({"phase": "Open"}));
    assert_eq!(incidents.get("a").await.unwrap().metadata.resource_version, version, "nothing was written");

    api.replace_crd(before.clone());
    assert_eq!(read(&incidents).await, (json!("x"), json!({"count": 1, "phase": "Open"})));

    api.replace_crd(lesser());
    set(&incidents, json!({"phase": "Closed", "count": 7})).await.unwrap();
    api.replace_crd(before);
    assert_eq!(read(&incidents).await, (Value::Null, json!({"phase": "Closed"})));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_drops_what_is_hidden() {
    let (api, incidents) = whole().await;
    let before = api.replace_crd(lesser()).unwrap();
    set(&incidents, json!({"phase": "Open"})).await.unwrap();
    api.replace_crd(before);
    assert_eq!(read(&incidents).await, (Value::Null, json!({"phase": "Open"})));
}

#[tokio::test(start_paused = true)]
async fn a_backup_has_what_is_hidden() {
    let (api, incidents) = whole().await;
    let before = api.replace_crd(lesser()).unwrap();
    let backup = api.snapshot();
    set(&incidents, json!({"phase": "Closed"})).await.unwrap();
    api.restore(&backup, Restore::Everything);
    assert_eq!(read(&incidents).await, (Value::Null, json!({"phase": "Open"})));
    api.replace_crd(before);
    assert_eq!(read(&incidents).await, (json!("x"), json!({"count": 1, "phase": "Open"})));
}

#[tokio::test(start_paused = true)]
async fn watches_end_a_second_after_their_definition_was_replaced_and_their_version_is_too_old() {
    let (api, incidents) = whole().await;
    let version = api.resource_version().to_string();
    let mut events = incidents.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    api.replace_crd(lesser());
    set(&incidents, json!({"phase": "Closed"})).await.unwrap();
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    let early = tokio::time::timeout(Duration::from_millis(900), events.next()).await;
    assert!(early.is_err(), "{early:?}");
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    let late = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
    assert!(matches!(late, Ok(None)), "{late:?}");
    let mut events = incidents.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    assert!(matches!(events.next().await, Some(Ok(WatchEvent::Error(status))) if status.code == 410));
}

#[tokio::test(start_paused = true)]
async fn the_same_definition_changes_nothing() {
    let (api, incidents) = whole().await;
    let version = api.resource_version();
    let mut events = incidents.watch(&WatchParams::default(), &version.to_string()).await.unwrap().boxed();
    let before = api.replace_crd(crd()).unwrap();
    api.replace_crd(before);
    assert_eq!(api.resource_version(), version);
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    let ended = tokio::time::timeout(Duration::from_secs(5), events.next()).await;
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_definition_without_the_status_subresource_makes_it_404() {
    let (api, incidents) = whole().await;
    let mut without = crd();
    without["spec"]["versions"][0].as_object_mut().unwrap().remove("subresources");
    let before = api.replace_crd(without).unwrap();
    let status = refusal(set(&incidents, json!({"count": 2})).await);
    assert_eq!((status.code, status.message.as_str()), (404, "incidents.example.org \"a\" not found"));
    api.replace_crd(before);
    assert_eq!(set(&incidents, json!({"count": 2})).await.unwrap().data["status"]["count"], 2);
}

#[tokio::test(start_paused = true)]
async fn finalizers_are_removed_by_force_and_what_waited_for_them_goes() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let mut held = incident("a", "k");
    held.metadata.finalizers = Some(vec!["example.org/keep".to_owned()]);
    incidents.create(&PostParams::default(), &held).await.unwrap();
    assert!(api.strip_finalizers("incidents", "test", "a"));
    assert_eq!(incidents.get("a").await.unwrap().metadata.finalizers, None);
    let version = api.resource_version();
    assert!(api.strip_finalizers("incidents", "test", "a"));
    assert_eq!(api.resource_version(), version, "there is nothing to do");

    held.metadata.name = Some("b".to_owned());
    incidents.create(&PostParams::default(), &held).await.unwrap();
    incidents.delete("b", &DeleteParams::default()).await.unwrap();
    assert!(api.strip_finalizers("incidents", "test", "b"));
    assert_eq!(code_and_reason(incidents.get("b").await).0, 404);
    assert!(!api.strip_finalizers("incidents", "test", "b"));
}
