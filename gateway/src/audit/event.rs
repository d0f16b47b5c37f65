//! The events, in DataStorage's schema (contract: Audit).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    config::{Change, Identity},
    dedup::{self, Accepted},
    remediation::Signal,
};

/// Labels larger than this are left out: the queue is bounded in events, so events must be bounded in bytes. All labels
/// are in the RemediationRequest.
const LABEL_BYTES_MAX: usize = 4096;

/// Whether what an event tells of succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The action took effect.
    Success,
    /// The action failed or was refused.
    Failure,
}

/// One audit event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    version: &'static str,
    event_type: &'static str,
    event_timestamp: Timestamp,
    event_category: &'static str,
    event_action: &'static str,
    event_outcome: Outcome,
    actor_type: &'static str,
    actor_id: &'static str,
    resource_type: &'static str,
    resource_id: String,
    correlation_id: String,
    event_data: Value,
}

impl Event {
    /// `gateway.signal.received`: the signal was taken on, and is durable in `accepted`.
    pub fn signal_received(at: Timestamp, signal: &Signal, accepted: &Accepted) -> Self {
        let data = data("gateway.signal.received", signal, Some(accepted));
        Self {
            actor_type: "external",
            actor_id: signal.source.as_str(),
            ..Self::of_signal(at, "received", accepted, data)
        }
    }

    /// `gateway.signal.deduplicated`: the signal was counted on an existing RemediationRequest.
    pub fn signal_deduplicated(at: Timestamp, signal: &Signal, accepted: &Accepted) -> Self {
        let data = data("gateway.signal.deduplicated", signal, Some(accepted));
        Self::of_signal(at, "deduplicated", accepted, data)
    }

    /// `gateway.crd.created`: the signal created its RemediationRequest.
    pub fn crd_created(at: Timestamp, signal: &Signal, accepted: &Accepted) -> Self {
        let data = data("gateway.crd.created", signal, Some(accepted));
        Self::of_signal(at, "created", accepted, data)
    }

    /// `gateway.crd.failed`: no RemediationRequest could be created for the signal, or counted on.
    ///
    /// Which one it would have been is not known, so the fingerprint correlates it.
    pub fn crd_failed(at: Timestamp, signal: &Signal, error: &dedup::Error) -> Self {
        let (event_type, mut data) = data("gateway.crd.failed", signal, None);
        data["error_details"] = error_details(&error.to_string());
        let fingerprint = signal.fingerprint.to_string();
        Self::new(at, "failed", Outcome::Failure, ("Signal", fingerprint.clone()), fingerprint, (event_type, data))
    }

    /// `gateway.signal.received` and, by `result`, `gateway.crd.created` or `gateway.signal.deduplicated`; only
    /// `gateway.crd.failed` if there is none.
    pub fn of_result(at: Timestamp, signal: &Signal, result: &Result<Accepted, dedup::Error>) -> Vec<Self> {
        match result {
            Ok(accepted) => {
                let second = match accepted.outcome {
                    dedup::Outcome::Created => Self::crd_created(at, signal, accepted),
                    dedup::Outcome::Deduplicated => Self::signal_deduplicated(at, signal, accepted),
                };
                vec![Self::signal_received(at, signal, accepted), second]
            }
            Err(error) => vec![Self::crd_failed(at, signal, error)],
        }
    }

    /// `gateway.config.reloaded`: the gateway in the pod `identity` follows a changed configuration.
    pub fn config_reloaded(at: Timestamp, identity: &Identity, changed: &[Change], needs_restart: &[String]) -> Self {
        let event_type = "gateway.config.reloaded";
        let change = |Change { key, from, to }: &Change| json!({ "key": key, "from": from, "to": to });
        let changes: Vec<Value> = changed.iter().map(change).collect();
        let data = json!({ "event_type": event_type, "changes": changes, "needs_restart": needs_restart });
        Self::of_config(at, ("reloaded", Outcome::Success), identity, (event_type, data))
    }

    /// `gateway.config.refused`: the gateway in the pod `identity` keeps its configuration, since a changed one cannot take effect.
    pub fn config_refused(at: Timestamp, identity: &Identity, error: &str) -> Self {
        let event_type = "gateway.config.refused";
        let data = json!({ "event_type": event_type, "error_details": error_details(error) });
        Self::of_config(at, ("refused", Outcome::Failure), identity, (event_type, data))
    }

    fn of_config(
        at: Timestamp,
        (action, outcome): (&'static str, Outcome),
        Identity { pod_name, pod_namespace, pod_uid: _ }: &Identity,
        data: (&'static str, Value),
    ) -> Self {
        let pod = ("Pod", format!("{pod_namespace}/{pod_name}"));
        Self::new(at, action, outcome, pod, pod_name.clone(), data)
    }

    fn of_signal(at: Timestamp, action: &'static str, accepted: &Accepted, data: (&'static str, Value)) -> Self {
        let id = format!("{}/{}", accepted.namespace, accepted.name);
        Self::new(at, action, Outcome::Success, ("RemediationRequest", id), accepted.name.clone(), data)
    }

    fn new(
        at: Timestamp,
        event_action: &'static str,
        event_outcome: Outcome,
        (resource_type, resource_id): (&'static str, String),
        correlation_id: String,
        (event_type, event_data): (&'static str, Value),
    ) -> Self {
        Self {
            version: "1.0",
            event_type,
            event_timestamp: at,
            event_category: "gateway",
            event_action,
            event_outcome,
            actor_type: "service",
            actor_id: "gateway",
            resource_type,
            resource_id,
            correlation_id,
            event_data,
        }
    }
}

fn error_details(message: &str) -> Value {
    json!({ "component": "gateway", "message": message })
}

/// `event_data`, whose own `event_type` tells DataStorage its schema.
fn data(event_type: &'static str, signal: &Signal, accepted: Option<&Accepted>) -> (&'static str, Value) {
    let mut data = json!({
        "event_type": event_type,
        "signal_type": "alert",
        "signal_source": signal.source.as_str(),
        "signal_name": signal.name,
        "severity": signal.severity,
        "fingerprint": signal.fingerprint.as_str(),
        "namespace": signal.target.namespace,
        "resource_kind": signal.target.kind,
        "resource_name": signal.target.name,
    });
    let label_bytes: usize = signal.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    if label_bytes <= LABEL_BYTES_MAX {
        data["signal_labels"] = json!(signal.labels);
    }
    if let Some(accepted) = accepted {
        let status = match accepted.outcome {
            dedup::Outcome::Created => "new",
            dedup::Outcome::Deduplicated => "duplicate",
        };
        data["deduplication_status"] = json!(status);
        data["occurrence_count"] = json!(accepted.occurrence_count);
        data["remediation_request"] = json!(format!("{}/{}", accepted.namespace, accepted.name));
    }
    (event_type, data)
}
