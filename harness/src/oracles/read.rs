//! What oracles read in objects and names.

use serde_json::Value;

/// Whether a user is one of the replicas: others may do as they please.
pub(crate) fn is_replica(caller: &str) -> bool {
    caller.starts_with("gateway-pod-")
}

/// Whether a user is a replica, or the service account that replicas share.
pub(crate) fn is_gateway(caller: &str) -> bool {
    is_replica(caller) || caller.strip_prefix("system:serviceaccount:").is_some_and(|name| name.ends_with(":gateway"))
}

/// `spec.signalFingerprint` of a RemediationRequest.
pub fn fingerprint(request: &Value) -> &str {
    request["spec"]["signalFingerprint"].as_str().unwrap_or_default()
}

/// `status.deduplication.occurrenceCount`, 1 where it is absent: what everybody reads. What is counted may be ahead of it.
pub fn occurrences(request: &Value) -> u64 {
    request["status"]["deduplication"]["occurrenceCount"].as_u64().unwrap_or(1)
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(crate) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// The plural of the leases: locks and counters.
pub(crate) const LEASES: &str = "leases";
/// The plural of the resource that most oracles look at.
pub(crate) const REMEDIATION_REQUESTS: &str = "remediationrequests";
