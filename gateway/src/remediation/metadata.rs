//! Labels, annotations and the finalizer that this gateway writes.

use serde_json::{Value, json};

/// The value of the label `app.kubernetes.io/managed-by` on everything this gateway creates.
pub const MANAGED_BY: &str = "gateway-service";
/// Which program created an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// What part of the product an object belongs to.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The component that counters are.
pub const COUNTER_COMPONENT: &str = "counter";
/// Which protocol the holder of a lock follows: two must not write side by side. The first version had no such label.
pub const PROTOCOL_LABEL: &str = "gateway.kubernaut.ai/protocol";
/// The protocol of this version: derived names with the place in the succession, counters beside the object.
pub const PROTOCOL: &str = "2";
/// When the gateway created the object, on its own clock (contract: RemediationRequest).
pub const CREATED_AT: &str = "kubernaut.ai/created-at";
/// Which writer created the object in which attempt: a create whose answer was lost is told by it from another's. Where
/// somebody has dropped it, the signal is answered as a duplicate.
pub const CREATED_BY: &str = "kubernaut.ai/created-by";
/// Which writer claimed the object as predecessor, in which attempt and renewal.
pub const CLAIM: &str = "kubernaut.ai/claim";
/// Keeps a claimed predecessor while its successor is created.
pub const SUCCESSION_FINALIZER: &str = "kubernaut.ai/succession";

/// The merge patch that removes the finalizer from an object with these `finalizers`, in exactly this version.
pub fn unclaimed(version: &str, finalizers: &[String]) -> Value {
    let others: Vec<&String> = finalizers.iter().filter(|finalizer| *finalizer != SUCCESSION_FINALIZER).collect();
    json!({ "metadata": { "resourceVersion": version, "finalizers": others } })
}

/// The merge patch that adds the finalizer to an object with these `finalizers`, in exactly this version, in the name of
/// `claim`.
pub fn claimed(uid: &str, version: &str, finalizers: &[String], claim: &str) -> Value {
    let mut finalizers = finalizers.to_vec();
    if !finalizers.iter().any(|finalizer| finalizer == SUCCESSION_FINALIZER) {
        finalizers.push(SUCCESSION_FINALIZER.to_owned());
    }
    let annotations = json!({ CLAIM: claim });
    json!({ "metadata": {
        "resourceVersion": version, "uid": uid, "finalizers": finalizers, "annotations": annotations,
    }})
}
