//! One active RemediationRequest per fingerprint, at every moment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    oracle::{Oracle, Write},
    read::{REMEDIATION_REQUESTS, fingerprint, name},
};

const TERMINAL: [&str; 5] = ["Completed", "Failed", "TimedOut", "Skipped", "Cancelled"];

/// Knows the active ones of each fingerprint.
#[derive(Debug, Default)]
pub struct SingleActive {
    active: BTreeMap<String, BTreeSet<String>>,
    /// When the last backup was made.
    backed_up: BTreeMap<String, BTreeSet<String>>,
    twins_allowed: bool,
}

impl Oracle for SingleActive {
    fn name(&self) -> &'static str {
        "single-active"
    }

    fn allow_twins(&mut self) {
        self.twins_allowed = true;
    }

    fn on_backed_up(&mut self) {
        self.backed_up = self.active.clone();
    }

    fn on_restored(&mut self, _at_ms: i64) {
        self.active = self.backed_up.clone();
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        if write.resource != REMEDIATION_REQUESTS || self.twins_allowed {
            return None;
        }
        let object = write.new.or(write.old)?;
        let active = self.active.entry(fingerprint(object).to_owned()).or_default();
        if !write.new.is_some_and(is_active) {
            active.remove(name(object));
            return None;
        }
        let newest = name(object);
        // Told once for each that is one too many, not again for each of its later versions.
        let other = active.iter().find(|name| *name != newest).cloned();
        let added = active.insert(newest.to_owned());
        let other = other.filter(|_| added)?;
        Some(format!("{} active RemediationRequests of one fingerprint: {newest} beside {other}", active.len()))
    }
}

/// Not terminal, and not being deleted; an absent or unknown phase is active (contract: RemediationRequest).
pub(crate) fn is_active(request: &Value) -> bool {
    let phase = request["status"]["overallPhase"].as_str();
    request["metadata"]["deletionTimestamp"].is_null() && !phase.is_some_and(|phase| TERMINAL.contains(&phase))
}

#[cfg(test)]
mod tests {
    use gateway::remediation::{Phase, Projected, RemediationRequest};
    use kube::CustomResourceExt;
    use serde_json::json;

    use super::*;

    fn request(name: &str, phase: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"signalFingerprint": "f"}, "status": {"overallPhase": phase}})
    }

    fn write<'a>(new: Option<&'a Value>, old: Option<&'a Value>) -> Write<'a> {
        Write { version: 1, resource: REMEDIATION_REQUESTS, verb: "create", caller: "a", old, new, at_ms: 0 }
    }

    #[test]
    fn a_second_active_one_is_a_violation_and_a_successor_of_a_terminal_one_is_not() {
        let mut oracle = SingleActive::default();
        assert_eq!(oracle.on_write(&write(Some(&request("a", "Pending")), None)), None);
        assert!(oracle.on_write(&write(Some(&request("b", "Unheard")), None)).is_some());
        assert_eq!(oracle.on_write(&write(Some(&request("b", "Pending")), None)), None, "told once");
        assert!(oracle.on_write(&write(None, Some(&request("b", "Pending")))).is_none());
        assert!(oracle.on_write(&write(Some(&request("a", "Failed")), None)).is_none());
        assert!(oracle.on_write(&write(Some(&request("c", "")), None)).is_none());
    }

    #[test]
    fn of_every_phase_in_the_crd_the_gateway_and_the_oracle_say_the_same() {
        let crd = serde_json::to_value(RemediationRequest::crd()).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let phases = schema["properties"]["status"]["properties"]["overallPhase"]["enum"].as_array().unwrap();
        assert!(phases.len() > TERMINAL.len(), "{phases:?}");
        for phase in phases.iter().filter_map(Value::as_str) {
            let mut object = request("a", phase);
            object["metadata"] = json!({"name": "a", "uid": "u", "resourceVersion": "1"});
            object["spec"]["signalFingerprint"] = "f".repeat(64).into();
            let record = serde_json::from_value::<Projected>(object.clone()).unwrap().record().unwrap();
            assert_eq!(record.phase == Phase::Active, is_active(&object), "{phase}");
        }
        for phase in TERMINAL {
            assert!(phases.contains(&phase.into()), "{phase} is not in the CRD");
        }
    }
}
