//! What a RemediationRequest is made of, and what is counted on it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{crd::TargetResource, fingerprint::Fingerprint};

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A Prometheus Alertmanager webhook.
    Prometheus,
    /// A Kubernetes Event.
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
    /// As sent.
    pub labels: BTreeMap<String, String>,
    /// As sent.
    pub annotations: BTreeMap<String, String>,
    /// What the provider says beyond the fields above.
    pub provider_data: Map<String, Value>,
    /// JSON of the alert or event as received, byte for byte.
    pub original_payload: String,
}
