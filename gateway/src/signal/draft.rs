//! What a body is parsed into.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::remediation::{Source, TargetResource};

/// One signal as its sender put it, checked but without any look at the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The alert's `alertname` or the event's `reason`, 1–253 bytes.
    pub name: String,
    /// As sent, `unknown` if absent, 1–50 bytes. Of an event: its type in lower case.
    pub severity: String,
    /// Who sent it.
    pub source: Source,
    /// What it is about, before following owners.
    pub target: TargetResource,
    /// The label `cluster`, common to the webhook or the alert's own, 1–253 bytes.
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
    pub provider: serde_json::Map<String, serde_json::Value>,
    /// The alert or event as received, byte for byte.
    pub original_payload: String,
}

/// One usable alert or event.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// To be resolved and deduplicated.
    Draft(Box<Draft>),
    /// Valid, but never the cause of a RemediationRequest: a resolved alert, a Normal event.
    Ignored(Ignored),
}

/// Why a valid alert or event is not processed; answered 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The alert's status is `resolved`.
    #[error("the alert is resolved")]
    Resolved,
    /// The event's type is `Normal`.
    #[error("the event is of type Normal")]
    NormalEvent,
}
