//! Signals: what senders say, brought into one form.
//!
//! A body is parsed into [`Draft`]s, one per alert or event; a draft whose target's owner and scope are known becomes a
//! [`Signal`], which is what the deduplication works on.
//!
//! ```text
//! bytes → strict → alertmanager | event → Draft → resolve (owner, scope; one cache) → Signal
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;

pub mod alertmanager;
mod cache;
pub mod event;
mod fingerprint;
mod kind;
mod limits;
mod naming;
mod owner;
mod rejection;
pub mod resolve;
mod scope;
mod strict;
pub mod target;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use fingerprint::hex;
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use rejection::{Rejection, reason};
pub use resolve::{ResolveError, Resolver};

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

/// The Kubernetes resource a signal is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetResource {
    /// `group/version` or `version`; empty if the kind is none that this gateway knows.
    pub api_version: String,
    /// CamelCase kind.
    pub kind: String,
    /// RFC 1123 name.
    pub name: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
}

/// One signal, ready to be deduplicated.
#[derive(Clone, Debug)]
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
    /// JSON of what the provider says beyond the fields above.
    pub provider_data: String,
    /// JSON of the alert or event as received.
    pub original_payload: String,
}

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
