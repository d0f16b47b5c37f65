//! The CRD `remediationrequests.kubernaut.ai`; its YAML in `deploy/crd` is generated from here.
#![allow(clippy::duplicated_attributes, reason = "several printer columns")]
#![allow(unreachable_pub, reason = "KubeSchema derives a private copy of each type")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, CustomResourceExt, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The CRD as YAML: what `deploy/crd` holds.
///
/// # Errors
/// If it cannot be serialised, which a test excludes.
pub fn crd_yaml() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&<RemediationRequest as CustomResourceExt>::crd())
}

/// A request to remediate one incident; immutable once created.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "kubernaut.ai",
    version = "v1alpha1",
    kind = "RemediationRequest",
    plural = "remediationrequests",
    singular = "remediationrequest",
    shortname = "rr",
    namespaced,
    status = "RemediationRequestStatus",
    derive = "PartialEq",
    doc = "RemediationRequest: one active one per signal fingerprint.",
    selectable = ".spec.signalFingerprint",
    selectable = ".spec.signalType",
    selectable = ".spec.severity",
    selectable = ".spec.clusterID",
    category = "kubernaut",
    // What fits about 120 columns answers: what is it about, how bad is it, where does it stand, does it go on? A path
    // cannot join two fields, so a target takes two columns.
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.targetResource.kind"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.targetResource.name"),
    printcolumn(name = "Signal NS", type_ = "string", json_path = ".spec.targetResource.namespace"),
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.overallPhase"),
    printcolumn(name = "Count", type_ = "integer", json_path = ".status.deduplication.occurrenceCount"),
    printcolumn(name = "Last Seen", type_ = "date", json_path = ".status.deduplication.lastSeenAt"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Alert", type_ = "string", json_path = ".spec.signalName", priority = 1),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.completionStatus.outcome", priority = 1),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.signalSource", priority = 1),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterID", priority = 1)
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("spec is immutable"))]
#[serde(rename_all = "camelCase")]
pub struct RemediationRequestSpec {
    /// Identity of the incident: 64 lower-case hexadecimal digits.
    #[schemars(regex(pattern = "^[a-f0-9]{64}$"))]
    pub signal_fingerprint: String,
    /// Name of the alert or reason of the event.
    #[schemars(length(max = 253))]
    pub signal_name: String,
    /// As the sender gave it.
    #[schemars(length(min = 1, max = 50))]
    pub severity: String,
    /// What kind of signal it is: this gateway writes `alert`.
    #[schemars(length(min = 1, max = 63))]
    pub signal_type: String,
    /// Who sent the signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub signal_source: Option<String>,
    /// Where the target lives.
    pub target_type: TargetType,
    /// What is to be remediated.
    pub target_resource: TargetResource,
    /// The cluster the signal came from, if it says so.
    #[serde(rename = "clusterID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub cluster_id: Option<String>,
    /// When the condition began.
    #[schemars(with = "Timestamp")]
    pub firing_time: Time,
    /// When the gateway received the signal.
    #[schemars(with = "Timestamp")]
    pub received_time: Time,
    /// Labels as sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signal_labels: BTreeMap<String, String>,
    /// Annotations as sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub signal_annotations: BTreeMap<String, String>,
    /// JSON of what the provider says beyond the fields above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_data: Option<String>,
    /// The alert or event as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_payload: Option<String>,
}

/// Where the target lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names of providers")]
pub enum TargetType {
    Kubernetes,
    Aws,
    Azure,
    Gcp,
    Datadog,
}

/// The resource to be remediated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetResource {
    /// `group/version` or `version`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Kind of the resource, such as `Deployment`.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Absent for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// What happened since. Fields that are not listed belong to other controllers and are kept as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RemediationRequestStatus {
    /// How often the signal was received; absent reads as once. Owned by the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<DeduplicationStatus>,
    /// Where the remediation stands. Owned by the remediation controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overall_phase: Option<OverallPhase>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_status: Option<CompletionStatus>,
    /// When it may begin again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_status: Option<RoutingStatus>,
}

/// How often a signal was received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeduplicationStatus {
    /// When the first signal was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub first_seen_at: Option<Time>,
    /// When the newest signal was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub last_seen_at: Option<Time>,
    /// Signals counted, the one that created the object included.
    pub occurrence_count: i32,
}

/// Where the remediation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the phases of the contract")]
pub enum OverallPhase {
    Pending,
    Processing,
    Analyzing,
    AwaitingApproval,
    Executing,
    Verifying,
    Blocked,
    Completed,
    Failed,
    TimedOut,
    Skipped,
    Cancelled,
}

/// How a remediation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct CompletionStatus {
    /// Such as `Remediated` or `ManualReviewRequired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// When a remediation may begin again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RoutingStatus {
    /// Until then a terminal RemediationRequest still counts further signals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Timestamp>")]
    pub next_allowed_execution: Option<Time>,
}
