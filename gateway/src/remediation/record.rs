//! What of a RemediationRequest decides, without its payload.

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    num::NonZeroU64,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    author::Author,
    crd::RemediationRequest,
    fingerprint::Fingerprint,
    lenient::{fields, lenient, present},
    metadata::{CLAIM, CREATED_AT, CREATED_BY, MANAGED_BY, MANAGED_BY_LABEL, SUCCESSION_FINALIZER},
    names,
};
use crate::kubernetes;

/// A version of the store, ordered as the API server's history is (Kubernetes ≥ 1.35 promises comparable integers, and
/// etcd has always given them).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceVersion(u64);

impl ResourceVersion {
    /// Reads `metadata.resourceVersion`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for ResourceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a remediation still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Any phase that is not terminal, unknown ones and none at all included.
    Active,
    /// Completed, Failed, TimedOut, Skipped or Cancelled: never left again.
    Terminal,
}

impl Phase {
    fn of(overall_phase: Option<&str>) -> Self {
        match overall_phase {
            Some("Completed" | "Failed" | "TimedOut" | "Skipped" | "Cancelled") => Self::Terminal,
            _ => Self::Active,
        }
    }
}

/// The outcome with which a terminal RemediationRequest goes on to count signals until a person has looked.
const MANUAL_REVIEW_REQUIRED: &str = "ManualReviewRequired";

/// `status.deduplication` as read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct Deduplication {
    /// When the first signal was received.
    #[serde(rename = "firstSeenAt", deserialize_with = "lenient")]
    pub first_seen: Option<Timestamp>,
    /// When the newest signal was received.
    #[serde(rename = "lastSeenAt", deserialize_with = "lenient")]
    pub last_seen: Option<Timestamp>,
    /// How many were counted.
    #[serde(rename = "occurrenceCount", deserialize_with = "lenient")]
    pub occurrences: Option<i64>,
    /// A digest of `writers`, which the first version changes with each count, and nobody else.
    #[serde(deserialize_with = "digest")]
    pub writers: Option<NonZeroU64>,
}

/// How far the clocks of a gateway and of the API server may be apart where one tells of the other's time.
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What of one version of a RemediationRequest decides. There are many: with what it takes to be shared it fits 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.uid`: its identity.
    pub uid: Box<str>,
    /// `metadata.resourceVersion`.
    pub version: ResourceVersion,
    /// `spec.signalFingerprint`.
    pub fingerprint: Fingerprint,
    /// From `status.overallPhase`.
    pub phase: Phase,
    /// `status.completionStatus.outcome` is ManualReviewRequired.
    pub manual_review: bool,
    /// `status.routingStatus.nextAllowedExecution`.
    pub next_allowed: Option<Timestamp>,
    /// `metadata.deletionTimestamp` is set.
    pub terminating: bool,
    /// Its place in the succession, 0 if its name does not tell.
    pub ordinal: u32,
    /// Another version of the gateway has created it: it has the gateways' label and a name that this one does not derive,
    /// and says that it was created when it was. One that somebody has restored says another time.
    pub by_another_version: bool,
    /// Writer and attempt that created it.
    pub created_by: Option<Author>,
    /// `metadata.finalizers`.
    pub finalizers: Box<[String]>,
    /// Writer and attempt that claimed it last.
    pub claim: Option<Author>,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// Whether there is a `status` at all.
    pub has_status: bool,
    /// `status.deduplication`, `None` where it is absent.
    pub deduplication: Option<Deduplication>,
}

impl Record {
    /// Whether a signal at `now` is a duplicate of it: it is active, or terminal but still suppressing.
    pub fn counts_signals(&self, now: Timestamp) -> bool {
        let suppresses = || self.manual_review || self.next_allowed.is_some_and(|next| next > now);
        !self.terminating && (self.phase == Phase::Active || suppresses())
    }

    /// Whether it is active: what there must be one of at most.
    pub fn is_active(&self) -> bool {
        !self.terminating && self.phase == Phase::Active
    }

    /// What orders the records of a fingerprint by succession: ordinals, then time among those of the same ordinal, as all
    /// of another program are; the uid makes the order one for every replica.
    pub fn place(&self) -> (u32, Option<Timestamp>, &str) {
        (self.ordinal, self.created, &self.uid)
    }

    /// Whether its deletion waits for a succession.
    pub fn is_claimed(&self) -> bool {
        self.finalizers.iter().any(|f| f == SUCCESSION_FINALIZER)
    }

    /// Signals counted on it by its status; what is absent reads as one.
    pub fn occurrences(&self) -> u64 {
        let stored = self.deduplication.as_ref().and_then(|deduplication| deduplication.occurrences);
        stored.and_then(|count| u64::try_from(count).ok()).unwrap_or(1).max(1)
    }
}

/// An object that is no usable RemediationRequest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("RemediationRequest {name:?} has no valid {field}")]
pub struct Unreadable {
    name: String,
    field: &'static str,
}

impl From<Unreadable> for kubernetes::Error {
    fn from(error: Unreadable) -> Self {
        Self::Unexpected(error.to_string())
    }
}

/// A RemediationRequest as it is read: lenient, so that one odd object does not stop a watch, and without payload.
#[derive(Clone, Debug, Default, Deserialize, Resource)]
#[resource(inherit = RemediationRequest)]
pub struct Projected {
    /// Metadata of the object, unchanged.
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default, deserialize_with = "fields")]
    spec: ProjectedSpec,
    #[serde(default, deserialize_with = "present")]
    status: Option<ProjectedStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProjectedSpec {
    #[serde(deserialize_with = "lenient")]
    signal_fingerprint: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProjectedStatus {
    #[serde(deserialize_with = "lenient")]
    overall_phase: Option<String>,
    #[serde(deserialize_with = "fields")]
    completion_status: Outcome,
    #[serde(deserialize_with = "fields")]
    routing_status: Routing,
    #[serde(deserialize_with = "lenient")]
    deduplication: Option<Deduplication>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Outcome {
    #[serde(deserialize_with = "lenient")]
    outcome: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Routing {
    #[serde(deserialize_with = "lenient")]
    next_allowed_execution: Option<Timestamp>,
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU64>, D::Error> {
    let writers: Option<Value> = lenient(deserializer)?;
    Ok(writers.map(|writers| {
        let mut hasher = DefaultHasher::new();
        writers.to_string().hash(&mut hasher);
        NonZeroU64::MIN.saturating_add(hasher.finish())
    }))
}

impl Projected {
    /// What of it decides.
    ///
    /// # Errors
    /// If it lacks a name, uid, resourceVersion or fingerprint.
    pub fn record(self) -> Result<Record, Unreadable> {
        let Self { metadata, spec, status } = self;
        let has_status = status.is_some();
        let status = status.unwrap_or_default();
        let name = metadata.name.unwrap_or_default();
        let missing = |field| Unreadable { name: name.clone(), field };
        let annotations = metadata.annotations.unwrap_or_default();
        let annotation = |key: &str| annotations.get(key).map(|text| Author::of(text));
        let fingerprint =
            Fingerprint::parse(&spec.signal_fingerprint).ok_or_else(|| missing("spec.signalFingerprint"))?;
        let ordinal = names::ordinal(&name, &fingerprint);
        let created = metadata.creation_timestamp.map(|time| time.0);
        let of_a_gateway =
            metadata.labels.is_some_and(|labels| labels.get(MANAGED_BY_LABEL).is_some_and(|l| l == MANAGED_BY));
        let said: Option<Timestamp> = annotations.get(CREATED_AT).and_then(|time| time.parse().ok());
        let is_fresh = said.zip(created).is_some_and(|(said, at)| said.duration_since(at).abs() <= CLOCKS_APART_MAX);
        Ok(Record {
            uid: metadata.uid.ok_or_else(|| missing("uid"))?.into(),
            version: metadata
                .resource_version
                .as_deref()
                .and_then(ResourceVersion::parse)
                .ok_or_else(|| missing("resourceVersion"))?,
            phase: Phase::of(status.overall_phase.as_deref()),
            manual_review: status.completion_status.outcome.as_deref() == Some(MANUAL_REVIEW_REQUIRED),
            next_allowed: status.routing_status.next_allowed_execution,
            terminating: metadata.deletion_timestamp.is_some(),
            ordinal,
            by_another_version: of_a_gateway && ordinal == 0 && is_fresh,
            created_by: annotation(CREATED_BY),
            finalizers: metadata.finalizers.unwrap_or_default().into(),
            claim: annotation(CLAIM),
            created,
            has_status,
            deduplication: status.deduplication,
            name: name.into(),
            fingerprint,
        })
    }
}
