//! A new RemediationRequest from a signal.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use super::{
    crd::{RemediationRequest, RemediationRequestSpec, TargetType},
    metadata::{COMPONENT_LABEL, CREATED_AT, CREATED_BY, MANAGED_BY, MANAGED_BY_LABEL},
    signal::Signal,
};

/// `spec.signalType` of everything that comes in (contract: Signals).
const SIGNAL_TYPE: &str = "alert";

/// The RemediationRequest `name` that `signal` creates in `namespace`; `created_by` tells the writer and its attempt.
pub fn build(signal: &Signal, name: &str, namespace: &str, created_by: &str, now: Timestamp) -> RemediationRequest {
    let text = |value: &str| value.to_owned();
    let metadata = ObjectMeta {
        name: Some(text(name)),
        namespace: Some(text(namespace)),
        labels: Some(BTreeMap::from([
            (text(MANAGED_BY_LABEL), text(MANAGED_BY)),
            (text(COMPONENT_LABEL), text("remediation")),
        ])),
        annotations: Some(BTreeMap::from([(text(CREATED_AT), now.to_string()), (text(CREATED_BY), text(created_by))])),
        ..ObjectMeta::default()
    };
    let spec = RemediationRequestSpec {
        signal_fingerprint: signal.fingerprint.to_string(),
        signal_name: signal.name.clone(),
        severity: signal.severity.clone(),
        signal_type: text(SIGNAL_TYPE),
        signal_source: Some(text(signal.source.as_str())),
        target_type: TargetType::Kubernetes,
        target_resource: signal.target.clone(),
        cluster_id: signal.cluster_id.clone(),
        firing_time: Time(signal.firing_time),
        received_time: Time(signal.received_time),
        signal_labels: signal.labels.clone(),
        signal_annotations: signal.annotations.clone(),
        provider_data: Some(Value::Object(signal.provider_data.clone()).to_string()),
        original_payload: Some(signal.original_payload.clone()),
    };
    RemediationRequest { metadata, spec, status: None }
}
