//! Server-side apply through the embedded API.

use crate::support::{api, incidents, refusal};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Resource, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn server_side_apply_creates_updates_and_reports_conflicts() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let apply =
        |key: &str| Patch::Apply(json!({"apiVersion": "example.org/v1", "kind": "Incident", "spec": {"key": key}}));
    incidents.patch("a", &PatchParams::apply("one"), &apply("k")).await.unwrap();
    let status = refusal(incidents.patch("a", &PatchParams::apply("two"), &apply("l")).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let forced = incidents.patch("a", &PatchParams::apply("two").force(), &apply("l")).await.unwrap();
    assert_eq!(forced.data["spec"]["key"], "l");
}

fn owners(object: &impl Resource) -> Vec<(Option<String>, Option<String>)> {
    let owners = object.managed_fields().iter();
    owners.map(|owner| (owner.manager.clone(), owner.subresource.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn who_applies_an_object_and_its_status_owns_both_and_comes_to_rest() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let me = PatchParams::apply("me");
    let applied = |part: &str, value: Value| {
        Patch::Apply(json!({"apiVersion": "example.org/v1", "kind": "Incident", part: value}))
    };
    let spec = applied("spec", json!({"key": "k", "other": "o"}));
    let status = applied("status", json!({"count": 1}));
    incidents.patch("a", &me, &spec).await.unwrap();
    let first = incidents.patch_status("a", &me, &status).await.unwrap();
    let both = [(Some("me".to_owned()), None), (Some("me".to_owned()), Some("status".to_owned()))];
    assert_eq!(owners(&first), both);
    incidents.patch("a", &me, &spec).await.unwrap();
    let again = incidents.patch_status("a", &me, &status).await.unwrap();
    assert_eq!(again.resource_version(), first.resource_version(), "the same again is no write");
    let without = incidents.patch("a", &me, &applied("spec", json!({"key": "k"}))).await.unwrap();
    assert_eq!(without.data["spec"], json!({"key": "k", "mode": "auto"}), "a field that is dropped goes");
    assert_eq!(without.data["status"], json!({"count": 1}));
    let other = incidents.patch("a", &PatchParams::apply("other"), &applied("spec", json!({"key": "l"}))).await;
    assert_eq!(refusal(other).code, 409);
}

#[tokio::test(start_paused = true)]
async fn applying_a_status_takes_no_labels_away() {
    let api = api();
    let deployments: Api<Deployment> = Api::namespaced(api.client("one", "test"), "test");
    let me = PatchParams::apply("me");
    let template =
        json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "main", "image": "busybox"}]}});
    let applied = |metadata: Value, part: &str, value: Value| {
        Patch::Apply(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, part: value}))
    };
    let spec = json!({"selector": {"matchLabels": {"app": "a"}}, "template": template});
    deployments.patch("a", &me, &applied(json!({"labels": {"team": "x"}}), "spec", spec)).await.unwrap();
    let status = applied(json!({}), "status", json!({"replicas": 1}));
    let written = deployments.patch_status("a", &me, &status).await.unwrap();
    assert_eq!(written.labels().get("team").map(String::as_str), Some("x"));
    assert_eq!(written.status.unwrap().replicas, Some(1));
}
