//! What others own survives: of a RemediationRequest that exists, replicas write `status.deduplication` and the claim, and
//! nothing else.

use gateway::remediation::{CLAIM, SUCCESSION_FINALIZER};
use serde_json::Value;

use super::{
    oracle::{Oracle, Write},
    read::{REMEDIATION_REQUESTS, is_gateway, name},
    tallies::ANNOTATION_PREFIX,
};

/// Compares each version that a replica wrote with the one before it.
#[derive(Debug, Default)]
pub struct Ownership;

/// What the API server itself changes with every write, and what is looked into by itself.
const APART: [&str; 4] = ["resourceVersion", "managedFields", "annotations", "finalizers"];

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
            ("spec", differ(old, new, "/spec", &[])),
            ("status", differ(old, new, "/status", &["deduplication"])),
            ("metadata", metadata_differs(old, new)),
        ];
        let changed: Vec<&str> = changed.iter().filter(|(_, changed)| *changed).map(|(part, _)| *part).collect();
        (!changed.is_empty())
            .then(|| format!("{} changed what others own in {} of {}", write.caller, changed.join(" and "), name(new)))
    }
}

/// Whether the objects' fields at `pointer` differ, but for these.
fn differ(old: &Value, new: &Value, pointer: &str, but: &[&str]) -> bool {
    fields(old, pointer, but).ne(fields(new, pointer, but))
}

/// The fields at `pointer` but these; empty reads as absent.
fn fields<'a>(object: &'a Value, pointer: &str, but: &[&str]) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let fields = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    fields.filter(|(field, value)| !but.contains(&field.as_str()) && !is_empty(value))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Whether metadata differ in more than the claim and what is the API server's.
fn metadata_differs(old: &Value, new: &Value) -> bool {
    differ(old, new, "/metadata", &APART)
        || foreign_annotations(old).ne(foreign_annotations(new))
        || finalizers(old).ne(finalizers(new))
}

/// Registers are counts, which a baseline keeps on the object itself.
fn foreign_annotations(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    fields(object, "/metadata/annotations", &[CLAIM]).filter(|(key, _)| !key.starts_with(ANNOTATION_PREFIX))
}

fn finalizers(object: &Value) -> impl Iterator<Item = &Value> {
    let finalizers = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    finalizers.filter(|finalizer| **finalizer != SUCCESSION_FINALIZER)
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
                "annotations": {"kubernaut.ai/created-by": "1"},
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
    #[case::annotation(json!({"metadata": {"annotations": {"kubernaut.ai/created-by": "2"}}}), Some("metadata"))]
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
