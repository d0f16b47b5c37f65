//! What is refused although it is valid: by quotas, and by policies, webhooks and missing subresources as faults.

use std::sync::Arc;

use crate::support::{api, code_and_reason, incident, incidents, lease, leases, refusal};
use embedded_apiserver::{Admission, EmbeddedApi, Fault, NoFaults, Refusal, Script};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use rstest::rstest;
use serde_json::json;

fn post() -> PostParams {
    PostParams::default()
}

async fn create(incidents: &Api<DynamicObject>, name: &str) -> kube::Result<DynamicObject> {
    incidents.create(&post(), &incident(name, "k")).await
}

async fn set_key(incidents: &Api<DynamicObject>, name: &str, key: &str) -> kube::Result<DynamicObject> {
    incidents.patch(name, &PatchParams::default(), &Patch::Merge(json!({"spec": {"key": key}}))).await
}

async fn set_count(incidents: &Api<DynamicObject>) -> kube::Result<DynamicObject> {
    incidents.patch_status("a", &PatchParams::default(), &Patch::Merge(json!({"status": {"count": 1}}))).await
}

fn quota(api: &EmbeddedApi, hard: &str) {
    api.seed(json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": "test"},
        "spec": {"hard": {"count/incidents.example.org": hard, "requests.cpu": "1"}},
    }));
}

#[tokio::test(start_paused = true)]
async fn a_quota_limits_the_objects_of_its_namespace() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    quota(&api, "1");
    create(&incidents, "a").await.unwrap();
    let status = refusal(create(&incidents, "b").await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        status.message,
        "incidents.example.org \"b\" is forbidden: exceeded quota: few, requested: count/incidents.example.org=1, used: \
         count/incidents.example.org=1, limited: count/incidents.example.org=1"
    );
    assert_eq!(code_and_reason(create(&incidents, "a").await).0, 403, "before it is seen that the name is taken");
    assert_eq!(refusal(incidents.create(&post(), &incident("b", "NOT VALID")).await).code, 422, "after validation");
    set_key(&incidents, "a", "l").await.unwrap();
    leases(api.client("one", "test")).create(&post(), &lease("a")).await.unwrap();
    incidents.delete("a", &DeleteParams::default()).await.unwrap();
    create(&incidents, "b").await.unwrap();
    quota(&api, "2");
    create(&incidents, "c").await.unwrap();
    api.unseed("resourcequotas", "test", "few");
    create(&incidents, "d").await.unwrap();
}

#[rstest]
#[case::a_quota(Refusal::Quota, 403, "Forbidden", "incidents.example.org \"b\" is forbidden: exceeded quota: quota, ")]
#[case::a_policy(
    Refusal::Policy,
    422,
    "Invalid",
    "incidents.example.org \"b\" is forbidden: ValidatingAdmissionPolicy 'policy' "
)]
#[case::a_webhook(
    Refusal::Webhook,
    400,
    "BadRequest",
    "admission webhook \"webhook.example.org\" denied the request: "
)]
#[tokio::test(start_paused = true)]
async fn a_create_is_refused_for_a_while_before_it_is_seen_that_the_name_is_taken(
    #[case] why: Refusal,
    #[case] code: u16,
    #[case] reason: &str,
    #[case] message: &str,
) {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let admission = Arc::new(Admission::over(Arc::new(NoFaults)));
    api.set_faults(Arc::clone(&admission) as _);
    create(&incidents, "a").await.unwrap();
    admission.refuse("create", "incidents", why);
    let status = refusal(create(&incidents, "b").await);
    assert_eq!((status.code, status.reason.as_str()), (code, reason));
    assert!(status.message.starts_with(message), "{}", status.message);
    assert_eq!(code_and_reason(create(&incidents, "a").await).0, code);
    set_key(&incidents, "a", "l").await.unwrap();
    admission.admit("create", "incidents");
    create(&incidents, "b").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_update_that_a_policy_refuses_must_be_of_something_that_is_there() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "a").await.unwrap();
    let script = Arc::new(Script::new());
    script.on(2, "patch", "incidents", Fault::denied(Refusal::Policy));
    api.set_faults(Arc::clone(&script) as _);
    assert_eq!(code_and_reason(set_key(&incidents, "none", "l").await).0, 404);
    assert_eq!(code_and_reason(set_key(&incidents, "a", "l").await), (422, "Invalid".to_owned()));
    assert_eq!(set_key(&incidents, "a", "l").await.unwrap().data["spec"]["key"], "l");
}

#[tokio::test(start_paused = true)]
async fn a_status_is_missing_for_a_while_although_its_object_is_there() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    create(&incidents, "a").await.unwrap();
    let admission = Arc::new(Admission::over(Arc::new(NoFaults)));
    api.set_faults(Arc::clone(&admission) as _);
    admission.refuse("patch", "incidents/status", Refusal::Missing);
    let status = refusal(set_count(&incidents).await);
    assert_eq!((status.code, status.message.as_str()), (404, "incidents.example.org \"a\" not found"));
    incidents.get("a").await.unwrap();
    admission.admit("patch", "incidents/status");
    set_count(&incidents).await.unwrap();
}
