//! What is told of one alert or event.

use serde::Serialize;

use crate::{
    remediation::{LeaseName, remediation_request_name},
    signal::{Explanation, Ignored, Rejection, UnresolvedSignal},
};

/// What the gateway would make of one alert or event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The alert's or event's name; empty if it cannot be read.
    pub name: String,
    /// Empty if it is not processed.
    pub severity: String,
    /// `prometheus` or `kubernetes-events`; empty if it is not processed.
    pub source: &'static str,
    /// What the gateway would do now.
    pub outcome: Outcome,
    /// The same in a sentence.
    pub message: String,
    /// The cluster that it belongs to, if it says so or this one has a name.
    pub cluster: Option<String>,
    /// What it is about; absent if it is not processed.
    #[serde(flatten)]
    pub explanation: Option<Explanation>,
    /// Whether its target may be acted on; absent where that was not asked.
    pub scope: Option<String>,
    /// The Lease that replicas lock it by.
    pub lease: Option<String>,
    /// The RemediationRequest that it would create or be counted on.
    pub remediation_request: Option<String>,
    /// The namespace of both.
    pub namespace: Option<String>,
}

/// What the gateway would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Create a RemediationRequest (201).
    Create,
    /// Count it on one that is there (202).
    Count,
    /// Nothing: it is no incident (200).
    Ignore,
    /// Nothing: its target must not be acted on (200).
    OutOfScope,
    /// Refuse it for good (400).
    Reject,
    /// Fail, for its sender to try again (500 or 504).
    Fail,
    /// That depends on the cluster, which was not asked.
    Unknown,
}

impl Report {
    pub(super) fn rejected(Rejection { reason, message, name }: &Rejection) -> Self {
        let (name, message) = (name.clone().unwrap_or_default(), format!("it would be rejected ({reason}): {message}"));
        Self { name, message, ..Self::empty(Outcome::Reject) }
    }

    pub(super) fn ignored(name: String, why: &Ignored) -> Self {
        Self { name, message: format!("it would be ignored: {why}"), ..Self::empty(Outcome::Ignore) }
    }

    /// Of a signal as its sender names it, where no cluster is asked.
    pub(super) fn offline(unresolved: &UnresolvedSignal) -> Self {
        let explanation = unresolved.explain_unseen();
        let first = remediation_request_name(&explanation.fingerprint, None);
        let mut report = Self::of(unresolved, explanation, Outcome::Unknown);
        report.message = format!(
            "offline: this depends on what exists in the cluster; the first RemediationRequest of this target is {first}"
        );
        report.remediation_request = Some(first);
        report
    }

    pub(super) fn of(unresolved: &UnresolvedSignal, explanation: Explanation, outcome: Outcome) -> Self {
        let sent = unresolved.as_sent();
        Self {
            name: sent.name.clone(),
            severity: sent.severity.clone(),
            source: sent.source.as_str(),
            cluster: sent.cluster_id.clone(),
            lease: Some(LeaseName::of(&explanation.fingerprint).to_string()),
            explanation: Some(explanation),
            ..Self::empty(outcome)
        }
    }

    pub(super) const fn empty(outcome: Outcome) -> Self {
        Self {
            name: String::new(),
            severity: String::new(),
            source: "",
            outcome,
            message: String::new(),
            cluster: None,
            explanation: None,
            scope: None,
            lease: None,
            remediation_request: None,
            namespace: None,
        }
    }
}
