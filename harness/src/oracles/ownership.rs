//! What others own survives: of a RemediationRequest that exists, replicas write `status.deduplication` and the claim, and
//! nothing else.

use gateway::remediation::{CLAIM, SUCCESSION_FINALIZER};
use serde_json::Value;

use super::{Oracle, REMEDIATION_REQUESTS, Write, is_gateway, name};

/// Compares each version that a replica wrote with the one before it.
#[derive(Debug, Default)]
pub struct Ownership;

/// What the API server itself changes with every write.
const SERVERS: [&str; 2] = ["resourceVersion", "managedFields"];

impl Oracle for Ownership {
    fn name(&self) -> &'static str {
        "ownership"
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        let old = write.old.filter(|_| write.resource == REMEDIATION_REQUESTS && is_gateway(write.caller))?;
        let Some(new) = write.new else {
            // Letting a claim go may be what a deletion has waited for.
            let waited = !old["metadata"]["deletionTimestamp"].is_null();
            return (!waited).then(|| format!("{} deleted {}", write.caller, name(old)));
        };
        let changed = [
            ("spec", without(old, "/spec", &[]) != without(new, "/spec", &[])),
            ("status", without(old, "/status", &["deduplication"]) != without(new, "/status", &["deduplication"])),
            ("metadata", metadata(old) != metadata(new)),
        ];
        let changed: Vec<&str> = changed.iter().filter(|(_, changed)| *changed).map(|(part, _)| *part).collect();
        (!changed.is_empty())
            .then(|| format!("{} changed what others own in {} of {}", write.caller, changed.join(" and "), name(new)))
    }
}

/// The object at `pointer` without these fields; empty reads as absent.
fn without(object: &Value, pointer: &str, fields: &[&str]) -> Value {
    let mut part = object.pointer(pointer).cloned().unwrap_or(Value::Null);
    if let Value::Object(map) = &mut part {
        map.retain(|field, value| !fields.contains(&field.as_str()) && !is_empty(value));
    }
    if is_empty(&part) { Value::Null } else { part }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// All metadata but the claim and what is the API server's.
fn metadata(object: &Value) -> Value {
    let mut rest = without(object, "/metadata", &SERVERS);
    let annotations = without(object, "/metadata/annotations", &[CLAIM]);
    let mut finalizers = object["metadata"]["finalizers"].clone();
    if let Value::Array(finalizers) = &mut finalizers {
        finalizers.retain(|finalizer| finalizer != SUCCESSION_FINALIZER);
    }
    rest["annotations"] = annotations;
    rest["finalizers"] = if is_empty(&finalizers) { Value::Null } else { finalizers };
    rest
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn request() -> Value {
        json!({
            "metadata": {
                "name": "a", "uid": "u", "resourceVersion": "1", "finalizers": ["example.com/backup"],
                "annotations": {"kubernaut.ai/ordinal": "1"},
            },
            "spec": {"signalFingerprint": "f"},
            "status": {"overallPhase": "Executing", "deduplication": {"occurrenceCount": 1}},
        })
    }

    #[rstest]
    #[case::count(json!({"status": {"deduplication": {"occurrenceCount": 2}}}), None)]
    #[case::version(json!({"metadata": {"resourceVersion": "2"}}), None)]
    #[case::claim(
        json!({"metadata": {"finalizers": ["example.com/backup", SUCCESSION_FINALIZER], "annotations": {CLAIM: "w/1"}}}),
        None
    )]
    #[case::phase(json!({"status": {"overallPhase": null}}), Some("status"))]
    #[case::condition(json!({"status": {"conditions": [{"type": "Ready"}]}}), Some("status"))]
    #[case::whole_status(json!({"status": null}), Some("status"))]
    #[case::spec(json!({"spec": {"severity": "critical"}}), Some("spec"))]
    #[case::annotation(json!({"metadata": {"annotations": {"kubernaut.ai/ordinal": "2"}}}), Some("metadata"))]
    #[case::label(json!({"metadata": {"labels": {"a": "b"}}}), Some("metadata"))]
    #[case::finalizer_of_another(json!({"metadata": {"finalizers": []}}), Some("metadata"))]
    fn a_replica_writes_the_count_and_the_claim_only(#[case] patch: Value, #[case] wrong: Option<&str>) {
        let old = request();
        let mut new = request();
        json_patch::merge(&mut new, &patch);
        for (caller, wrong) in [("gateway-pod-1", wrong), ("remediation-controller", None)] {
            let (resource, verb) = (REMEDIATION_REQUESTS, "patch");
            let write = Write { version: 2, resource, verb, caller, old: Some(&old), new: Some(&new), at_ms: 0 };
            let message = Ownership.on_write(&write);
            assert_eq!(message.is_some(), wrong.is_some(), "{caller}: {message:?}");
            assert!(message.is_none_or(|message| message.contains(wrong.unwrap_or_default())));
        }
    }

    #[rstest]
    #[case::of_another(json!(null), true)]
    #[case::that_was_waited_for(json!("2026-11-01T00:00:00Z"), false)]
    fn a_replica_deletes_none(#[case] deletion: Value, #[case] violated: bool) {
        let mut old = request();
        old["metadata"]["deletionTimestamp"] = deletion;
        let (resource, verb, caller) = (REMEDIATION_REQUESTS, "patch", "gateway-pod-1");
        let write = Write { version: 2, resource, verb, caller, old: Some(&old), new: None, at_ms: 0 };
        assert_eq!(Ownership.on_write(&write).is_some(), violated);
    }
}
