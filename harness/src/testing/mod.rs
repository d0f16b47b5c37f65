//! What the tests of whole gateways share: sending, waiting, counting, and what is logged meanwhile.
#![allow(clippy::disallowed_methods, reason = "tests own the clock")]

mod access;
mod logs;
mod objects;
mod proxy;

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use embedded_apiserver::{Latency, RequestRecord, Script};
use gateway::{
    config::TargetKind,
    context::Monotonic,
    remediation::{Fingerprint, LeaseName, remediation_request_name},
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub use self::{
    access::{account, forbidden, grant_on_leases, guarded_fleet, start_accounts},
    logs::{Line, Logs},
    objects::name_of,
    proxy::{Passed, Proxy, Wrong},
};
use crate::{
    fleet::Fleet,
    load::webhook,
    replica::{Answer, NAMESPACE, Replica},
};

/// Where Alertmanager posts.
pub const PROMETHEUS: &str = "/api/v1/signals/prometheus";
/// The metric of the test plan.
pub const FAILURES: &str = "gateway_lock_acquisition_failures_total";
/// What every alert says about when it began: shortly before [`crate::fleet::EPOCH`].
pub const STARTS_AT: &str = "2026-10-31T23:00:00Z";

/// Waits in virtual time.
pub async fn wait(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits in virtual time.
pub async fn wait_ms(ms: u64) {
    wait(Duration::from_millis(ms)).await;
}

/// Long enough for releases, finalizer removals, counts under way and their projection.
pub async fn rest() {
    wait_ms(6_000).await;
}

/// Says why nothing is tested, past the capture of a passing test's output.
///
/// # Panics
/// If the environment variable `REQUIRE_TOOLS` is set, as in CI.
#[track_caller]
pub fn skip(why: &str) {
    assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "REQUIRE_TOOLS is set, but {why}");
    drop(writeln!(io::stderr(), "skipped: {why}"));
}

/// The fingerprint of alerts on the Deployment `resource`.
pub fn fingerprint(resource: &str) -> Fingerprint {
    Fingerprint::of(&format!("shop:Deployment:{resource}"))
}

/// A RemediationRequest about the Deployment `resource`, to be seeded.
pub fn stored(resource: &str) -> Value {
    let fingerprint = fingerprint(resource);
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest",
        "metadata": { "name": remediation_request_name(&fingerprint, None), "namespace": NAMESPACE },
        "spec": {
            "signalFingerprint": fingerprint.as_str(), "signalName": "A", "severity": "warning",
            "signalType": "alert", "targetType": "kubernetes",
            "targetResource": { "kind": "Deployment", "name": resource, "namespace": "shop" },
            "firingTime": "2026-10-31T23:00:00Z", "receivedTime": "2026-10-31T23:00:00Z",
        },
    })
}

/// The lease of alerts on the Deployment `resource`.
pub fn lease_of(resource: &str) -> String {
    LeaseName::of(&fingerprint(resource)).to_string()
}

/// Sends one alert on the Deployment `resource`.
pub async fn send(fleet: &Fleet, replica: &Replica, resource: &str) -> Answer {
    let body = webhook(resource, STARTS_AT).to_string();
    fleet.send(replica, PROMETHEUS, body, fingerprint(resource).as_str()).await
}

/// Sends `count` alerts on `resource` at once, in turn to each of `replicas`.
pub async fn storm(fleet: &Fleet, replicas: &[Replica], resource: &str, count: usize) -> Vec<Answer> {
    let sends = (0..count).map(|i| send(fleet, &replicas[i % replicas.len()], resource));
    futures::future::join_all(sends).await
}

/// Sends until it is answered 2xx, as Alertmanager does after a 5xx; the last answer and how many there were.
pub async fn send_until_accepted(fleet: &Fleet, replica: &Replica, resource: &str) -> (Answer, usize) {
    for tries in 1..=20 {
        let answer = send(fleet, replica, resource).await;
        if answer.status.is_success() {
            return (answer, tries);
        }
        assert!(answer.status.is_server_error(), "Alertmanager would not send again: {answer:?}");
        wait_ms(1_000).await;
    }
    panic!("not accepted in 20 tries");
}

/// Ends all replicas, so that they do not go on behind the next run of the same test.
pub fn discard(replicas: &[Replica]) {
    for replica in replicas {
        replica.crash();
    }
}

/// How many answers have `status`.
pub fn answered(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status.as_u16() == status).count()
}

/// Requests take 1 ms to read and 4 ms to write, and what the script says goes wrong.
pub fn script(fleet: &Fleet) -> Arc<Script> {
    let script = Arc::new(Script::over(Arc::new(Latency::default())));
    fleet.api.set_faults(script.clone());
    script
}

/// The requests of the budget: on leases and RemediationRequests, watches and background lists apart.
pub fn spent(fleet: &Fleet) -> Vec<RequestRecord> {
    let budgeted = |record: &RequestRecord| {
        let kind = record.resource.starts_with("leases") || record.resource.starts_with("remediationrequests");
        kind && record.verb != "watch" && record.caller.starts_with("gateway-pod-")
    };
    fleet.api.requests().into_iter().filter(budgeted).collect()
}

/// `verb resource code` of each, in order.
pub fn lines(records: &[RequestRecord]) -> Vec<String> {
    records.iter().map(|r| format!("{} {} {}", r.verb, r.resource, r.code)).collect()
}

/// Asserts that no oracle has found anything, once all has come to rest.
#[track_caller]
pub fn assert_quiet(fleet: &Fleet) {
    let violations = fleet.finish();
    assert!(violations.is_empty(), "{violations:#?}\n{:#?}", fleet.requests());
}

/// `status.deduplication.occurrenceCount`.
pub fn count_of(request: &Value) -> u64 {
    request["status"]["deduplication"]["occurrenceCount"].as_u64().unwrap_or(1)
}

/// The one RemediationRequest there is.
#[track_caller]
pub fn only(fleet: &Fleet) -> Value {
    let requests = fleet.requests();
    assert_eq!(requests.len(), 1, "{requests:#?}");
    requests.into_iter().next().unwrap()
}

/// Merges `patch` into `name` as a remediation controller would; `subresource` may be `status`.
pub async fn patch(fleet: &Fleet, name: &str, subresource: &str, patch: Value) {
    use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
    let gvk = GroupVersionKind::gvk("kubernaut.ai", "v1alpha1", "RemediationRequest");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "remediationrequests");
    let client = fleet.api.client("remediation-controller", NAMESPACE);
    let api: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
    let patched = match subresource {
        "" => api.patch(name, &params, &patch).await,
        _ => api.patch_subresource(subresource, name, &params, &patch).await,
    };
    patched.unwrap();
}

/// Ends the remediation `name` in `phase`.
pub async fn end(fleet: &Fleet, name: &str, phase: &str) {
    patch(fleet, name, "status", json!({ "status": { "overallPhase": phase } })).await;
}

/// Deletes the RemediationRequest `name` as a user would.
pub async fn delete(fleet: &Fleet, name: &str) {
    use kube::api::{Api, DeleteParams};
    let client = fleet.api.client("kubernetes-admin", NAMESPACE);
    let api: Api<gateway::remediation::RemediationRequest> = Api::namespaced(client, NAMESPACE);
    api.delete(name, &DeleteParams::default()).await.unwrap();
}

/// What an operator sets in `signal.targets` for the kind VirtualMachine of KubeVirt.
pub fn virtual_machines() -> TargetKind {
    TargetKind {
        group: "kubevirt.io".to_owned(),
        version: "v1".to_owned(),
        kind: "VirtualMachine".to_owned(),
        plural: "virtualmachines".to_owned(),
        namespaced: true,
    }
}

/// An HTTP answer with its headers.
pub struct Exchange {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// Its JSON, null if it is none.
    pub body: Value,
}

impl Exchange {
    /// A header's text, empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Asserts that it is a problem of RFC 9457 with this status.
    #[track_caller]
    pub fn assert_problem(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], json!(status), "{}", self.body);
        for member in ["type", "title", "detail", "instance", "request_id"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {}", self.body);
        }
    }
}

/// Sends any request to a router.
pub async fn exchange(router: Router, request: Request<Body>) -> Exchange {
    let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Exchange { status: head.status, headers: head.headers, body: serde_json::from_slice(&body).unwrap_or_default() }
}

/// Posts `body` as JSON to the Prometheus route of `replica`.
pub async fn post(replica: &Replica, body: impl Into<Body>) -> Exchange {
    let request = Request::post(PROMETHEUS).header("content-type", "application/json").body(body.into()).unwrap();
    exchange(replica.sender(), request).await
}

/// A moment of a replica's clock, in 15 seconds.
pub fn soon(now: Monotonic) -> Monotonic {
    now + Duration::from_secs(15)
}
