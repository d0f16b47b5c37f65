//! What a RemediationRequest is made of, and what is counted on it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::{Map, Value};

use super::{
    crd::{RemediationRequest, RemediationRequestSpec, TargetResource, TargetType},
    fingerprint::Fingerprint,
    metadata::{COMPONENT_LABEL, CREATED_AT, CREATED_BY, MANAGED_BY, MANAGED_BY_LABEL},
};

/// `spec.signalType` of everything that comes in (contract: Signals).
const SIGNAL_TYPE: &str = "alert";

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Alertmanager, by its webhook.
    Prometheus,
    /// An event exporter, which posts Kubernetes Events.
    KubernetesEvents,
}

impl Source {
    /// The value of `spec.signalSource` and of the metric label `source_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::KubernetesEvents => "kubernetes-events",
        }
    }
}

/// One signal, ready to be deduplicated.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// The incident it belongs to.
    pub fingerprint: Fingerprint,
    /// The alert's or event's name, at most 253 bytes.
    pub name: String,
    /// As sent, `unknown` if absent, 1–50 bytes.
    pub severity: String,
    /// Who sent it.
    pub source: Source,
    /// What it is about, after following owners.
    pub target: TargetResource,
    /// The label `cluster`, at most 253 bytes.
    pub cluster_id: Option<String>,
    /// When the condition began.
    pub firing_time: Timestamp,
    /// When this replica received it.
    pub received_time: Timestamp,
    /// Labels of the alert, or of the Event object.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the alert, or of the Event object.
    pub annotations: BTreeMap<String, String>,
    /// What the provider says beyond the fields above.
    pub provider_data: Map<String, Value>,
    /// JSON of the alert or event as received, byte for byte.
    pub original_payload: String,
}

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
