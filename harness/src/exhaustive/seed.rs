//! What every run of a case begins with.

use std::sync::OnceLock;

use bytes::Bytes;
use gateway::remediation::{CREATED_AT, CREATED_BY, Fingerprint};
use serde_json::{Value, json};

use super::case::Existing;
use crate::{load::webhook, replica::NAMESPACE};

/// The name of the RemediationRequest that exists from the beginning.
pub(super) const PREDECESSOR: &str = "rr-predecessor";
/// Longer ago than any decision that was made on it (protocol: *D*).
const LONG_AGO: &str = "2026-10-01T00:00:00Z";

/// The webhook that all senders send, and its fingerprint.
pub(super) fn signal() -> (Bytes, &'static str) {
    static SIGNAL: OnceLock<(Bytes, String)> = OnceLock::new();
    let (body, fingerprint) = SIGNAL.get_or_init(|| {
        let body = webhook("checkout", LONG_AGO).to_string();
        (body.into(), Fingerprint::of("shop:Deployment:checkout").as_str().to_owned())
    });
    (body.clone(), fingerprint)
}

/// A RemediationRequest of the fingerprint that was created long ago. A completed one counts nothing, so that
/// what is counted is what senders sent, whether retention removes it or not.
pub(super) fn existing(existing: Existing) -> Value {
    let (phase, count) = match existing {
        Existing::Completed => ("Completed", 0),
        Existing::Active => ("Processing", 1),
    };
    let (_, fingerprint) = signal();
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {
            "name": PREDECESSOR,
            "namespace": NAMESPACE,
            "creationTimestamp": LONG_AGO,
            "annotations": { CREATED_AT: LONG_AGO, CREATED_BY: "gateway-pod-0/0/1" },
        },
        "spec": {
            "signalFingerprint": fingerprint,
            "signalName": "KubeDeploymentReplicasMismatch",
            "severity": "warning",
            "signalType": "alert",
            "targetType": "kubernetes",
            "targetResource": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "namespace": "shop" },
            "firingTime": LONG_AGO,
            "receivedTime": LONG_AGO,
        },
        "status": {
            "overallPhase": phase,
            "deduplication": { "firstSeenAt": LONG_AGO, "lastSeenAt": LONG_AGO, "occurrenceCount": count },
        },
    })
}
