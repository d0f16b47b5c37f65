//! What the tests of the embedded API share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use embedded_apiserver::{EmbeddedApi, Options};
use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ObjectMeta, WatchEvent},
    core::Status,
};
use serde_json::{Value, json};

/// The wall time at which every test starts.
pub(crate) const EPOCH: &str = "2026-01-01T00:00:00.25Z";

/// A server with the namespace `test` and the resource `incidents.example.org`.
pub(crate) fn api() -> EmbeddedApi {
    api_with(Options::default())
}

/// As [`api`], with other options.
pub(crate) fn api_with(options: Options) -> EmbeddedApi {
    let api = EmbeddedApi::new(Options { crds: vec![crd()], epoch: EPOCH.parse().unwrap(), ..options });
    api.seed(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}));
    api
}

/// A namespaced resource with a status subresource, a selectable field and a schema.
pub(crate) fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "incidents.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": {"plural": "incidents", "singular": "incident", "kind": "Incident", "shortNames": ["inc"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.key"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["key"], "properties": {
                        "key": {"type": "string", "maxLength": 20, "pattern": "^[a-z0-9]*$"},
                        "other": {"type": "string"},
                        "mode": {"type": "string", "default": "auto"},
                    }},
                    "status": {"type": "object", "properties": {
                        "count": {"type": "integer"}, "phase": {"type": "string"},
                    }},
                }}},
            }],
        },
    })
}

/// A resource whose spec is immutable by a CEL rule, with a nested status.
pub(crate) fn ticket_crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "tickets.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": {"plural": "tickets", "singular": "ticket", "kind": "Ticket"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.key"}],
                "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
                    "spec": {
                        "type": "object", "required": ["key", "title"],
                        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "spec is immutable"}],
                        "properties": {
                            "key": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
                            "title": {"type": "string"},
                        },
                    },
                    "status": {"type": "object", "properties": {"deduplication": {
                        "type": "object", "properties": {"occurrenceCount": {"type": "integer", "format": "int32"}},
                    }}},
                }}},
            }],
        },
    })
}

/// The resource of [`crd`].
pub(crate) fn incident_resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("example.org", "v1", "Incident"), "incidents")
}

/// Access to it.
pub(crate) fn incidents(client: Client) -> Api<DynamicObject> {
    Api::namespaced_with(client, "test", &incident_resource())
}

/// One of them.
pub(crate) fn incident(name: &str, key: &str) -> DynamicObject {
    DynamicObject::new(name, &incident_resource()).data(json!({"spec": {"key": key}}))
}

/// Access to the leases of the namespace `test`.
pub(crate) fn leases(client: Client) -> Api<Lease> {
    Api::namespaced(client, "test")
}

/// A lease that names an owner, an incident of this name and uid.
pub(crate) fn owned_lease(name: &str, owner: &str, uid: &str) -> Lease {
    let owner = OwnerReference {
        api_version: "example.org/v1".to_owned(),
        kind: "Incident".to_owned(),
        name: owner.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    };
    let mut lease = lease(name);
    lease.metadata.owner_references = Some(vec![owner]);
    lease
}

/// A lease of one holder for 30 s.
pub(crate) fn lease(name: &str) -> Lease {
    let spec =
        LeaseSpec { holder_identity: Some("one".to_owned()), lease_duration_seconds: Some(30), ..LeaseSpec::default() };
    Lease { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, spec: Some(spec) }
}

/// The `Status` of a refused request.
pub(crate) fn refusal<T: std::fmt::Debug>(result: kube::Result<T>) -> Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Code and reason of a refused request.
pub(crate) fn code_and_reason<T: std::fmt::Debug>(result: kube::Result<T>) -> (u16, String) {
    let status = refusal(result);
    (status.code, status.reason)
}

/// Waits in virtual time.
pub(crate) async fn wait_ms(ms: u64) {
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// How long a request takes, in virtual time. It must succeed.
pub(crate) async fn elapsed_ms<T: std::fmt::Debug>(request: impl Future<Output = kube::Result<T>>) -> u128 {
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    let start = tokio::time::Instant::now();
    request.await.unwrap();
    start.elapsed().as_millis()
}

/// What a watch tells.
pub(crate) type Events = BoxStream<'static, kube::Result<WatchEvent<DynamicObject>>>;

/// The events that are there now.
pub(crate) async fn arrived(events: &mut Events) -> Vec<kube::Result<WatchEvent<DynamicObject>>> {
    let mut arrived = Vec::new();
    // One millisecond of virtual time passes only when nothing else can happen.
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), events.next()).await {
        arrived.push(event);
    }
    arrived
}

/// A change of an object, as `KIND name`.
pub(crate) fn change(event: &WatchEvent<DynamicObject>) -> String {
    let (kind, object) = match event {
        WatchEvent::Added(object) => ("ADDED", object),
        WatchEvent::Modified(object) => ("MODIFIED", object),
        WatchEvent::Deleted(object) => ("DELETED", object),
        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => panic!("no change of an object: {event:?}"),
    };
    format!("{kind} {}", object.metadata.name.as_deref().unwrap_or_default())
}
