//! Every 2xx is durable at the moment it is told: what it says must be committed by then.

use std::collections::BTreeMap;

use super::{
    oracle::{Oracle, Signal, Told, Write},
    tallies::Tallies,
};

/// Knows the highest count that was ever committed on each RemediationRequest.
#[derive(Debug, Default)]
pub struct Durable {
    known: Known,
    /// When the last backup was made.
    backed_up: Known,
    /// When the store was last restored from a backup.
    restored_ms: Option<i64>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// By name: fingerprint and count. Deletion makes nothing undone that was told before.
    committed: BTreeMap<String, (String, u64)>,
    tallies: Tallies,
}

impl Oracle for Durable {
    fn name(&self) -> &'static str {
        "durable"
    }

    fn on_backed_up(&mut self) {
        self.backed_up = self.known.clone();
    }

    fn on_restored(&mut self, at_ms: i64) {
        self.known = self.backed_up.clone();
        self.restored_ms = Some(at_ms);
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        let Known { committed, tallies } = &mut self.known;
        let tally = tallies.note(write)?;
        let known = committed.entry(tally.name.clone()).or_default();
        *known = (tally.fingerprint.clone(), known.1.max(tally.counted()));
        None
    }

    fn on_answer(&mut self, signal: &Signal<'_>, told: &Told<'_>) -> Option<String> {
        let Signal { pod, fingerprint, sent_ms } = signal;
        // It may have been committed before the restore, and told only now.
        if self.restored_ms >= Some(*sent_ms) {
            return None;
        }
        let Told { name, occurrence, .. } = told;
        let Some((of, most)) = self.known.committed.get(*name) else {
            return Some(format!("{pod} told a sender of {name}, which was never committed"));
        };
        if of != fingerprint {
            return Some(format!(
                "{pod} told a sender of {fingerprint} that it is counted on {name}, which is of {of}"
            ));
        }
        let too_far = *occurrence == 0 || occurrence > most;
        too_far.then(|| format!("{pod} told a sender that it is number {occurrence} on {name}, which counts {most}"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::{
        super::{
            read::{LEASES, REMEDIATION_REQUESTS},
            tallies::tests::counter,
        },
        *,
    };

    #[rstest]
    #[case::created("a", 1, None)]
    #[case::counted("a", 3, None)]
    #[case::not_counted_yet("a", 4, Some("counts 3"))]
    #[case::no_ordinal("a", 0, Some("number 0"))]
    #[case::not_there("b", 1, Some("never committed"))]
    fn what_a_sender_is_told_must_be_committed(
        #[case] name: &str,
        #[case] occurrence: u64,
        #[case] wrong: Option<&str>,
    ) {
        let request = json!({
            "metadata": {"name": "a"},
            "spec": {"signalFingerprint": "f"},
            "status": {"deduplication": {"occurrenceCount": 3}},
        });
        let mut oracle = Durable::default();
        let (old, new) = (None, Some(&request));
        let (resource, verb, caller) = (REMEDIATION_REQUESTS, "patch", "gateway-pod-1");
        assert_eq!(oracle.on_write(&Write { version: 1, resource, verb, caller, old, new, at_ms: 0 }), None);
        let gone = Write { version: 2, resource, verb: "delete", caller: "user", old: new, new: None, at_ms: 0 };
        assert_eq!(oracle.on_write(&gone), None);
        let signal = |fingerprint| Signal { pod: "gateway-pod-1", fingerprint, sent_ms: 0 };
        let told = Told { name, occurrence, version: 1 };
        let message = oracle.on_answer(&signal("f"), &told);
        assert_eq!(message.is_some(), wrong.is_some(), "{message:?}");
        assert!(message.is_none_or(|message| wrong.is_some_and(|wrong| message.contains(wrong))));
        assert!(oracle.on_answer(&signal("another"), &told).is_some(), "another's");
    }

    #[test]
    fn what_is_counted_beside_the_object_is_committed_before_the_status_says_so() {
        let request = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"signalFingerprint": "f"}});
        let lease = counter(&[("base", "1"), ("b", "1;1;t")]);
        let mut oracle = Durable::default();
        for (resource, new) in [(REMEDIATION_REQUESTS, &request), (LEASES, &lease)] {
            let (verb, caller, new) = ("create", "gateway-pod-1", Some(new));
            assert_eq!(oracle.on_write(&Write { version: 1, resource, verb, caller, old: None, new, at_ms: 0 }), None);
        }
        let signal = Signal { pod: "gateway-pod-1", fingerprint: "f", sent_ms: 0 };
        for (occurrence, wrong) in [(2, false), (3, true)] {
            let told = Told { name: "a", occurrence, version: 1 };
            assert_eq!(oracle.on_answer(&signal, &told).is_some(), wrong);
        }
    }
}
