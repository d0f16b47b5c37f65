//! No acknowledged signal lost, none counted twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    oracle::{End, Oracle, Write},
    read::{REMEDIATION_REQUESTS, fingerprint, is_gateway, name, occurrences},
};

/// Acknowledged ≤ counted ≤ attempted, summed over the RemediationRequests of a fingerprint, deleted ones included.
///
/// Where twins are allowed, a signal whose create was given up may be counted on both; none may be lost even there.
#[derive(Debug, Default)]
pub struct Counts {
    /// The last state of those that are gone.
    deleted: Vec<Value>,
    /// What others than replicas created stands for signals of their own, by fingerprint.
    created_by_others: BTreeMap<String, u64>,
    twins_allowed: bool,
}

impl Oracle for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn allow_twins(&mut self) {
        self.twins_allowed = true;
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        if write.resource != REMEDIATION_REQUESTS {
            return None;
        }
        match (write.old, write.new) {
            // Who wrote is not always known.
            (None, Some(new)) if !write.caller.is_empty() && !is_gateway(write.caller) => {
                *self.created_by_others.entry(fingerprint(new).to_owned()).or_default() += occurrences(new);
            }
            (old, None) => self.deleted.extend(old.cloned()),
            _ => {}
        }
        None
    }

    fn at_end(&mut self, end: &End) -> Vec<String> {
        let all = || end.requests.iter().chain(&self.deleted);
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        for request in all() {
            *counted.entry(fingerprint(request)).or_default() += occurrences(request);
        }
        let mut wrong = Vec::new();
        let of = |counts: &BTreeMap<String, u64>, fingerprint| counts.get(fingerprint).copied().unwrap_or(0);
        let known: BTreeSet<&String> = end.attempted.keys().chain(self.created_by_others.keys()).collect();
        for fingerprint in known {
            let others = of(&self.created_by_others, fingerprint);
            let attempted = others + of(&end.attempted, fingerprint);
            let acknowledged = others + of(&end.acknowledged, fingerprint);
            let counted = counted.remove(fingerprint.as_str()).unwrap_or(0);
            if counted < acknowledged {
                wrong.push(format!("{fingerprint}: {acknowledged} signals acknowledged, only {counted} counted"));
            }
            if counted > attempted && !self.twins_allowed {
                wrong.push(format!("{fingerprint}: {attempted} signals sent, but {counted} counted"));
            }
        }
        wrong.extend(counted.keys().map(|unknown| format!("a RemediationRequest of {unknown}, which nobody sent")));
        let exists = |told: &&String| !all().any(|request| name(request) == *told);
        wrong.extend(
            end.told.iter().filter(exists).map(|told| format!("a sender was told of {told}, which is not there")),
        );
        wrong
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::exact(5, 5, &[5], 0)]
    #[case::unacknowledged_may_count(3, 5, &[4], 0)]
    #[case::summed_over_successors(5, 5, &[2, 3], 0)]
    #[case::lost(5, 5, &[4], 1)]
    #[case::counted_twice(5, 5, &[6], 1)]
    #[case::none_left(5, 5, &[], 1)]
    fn counts_lie_between_acknowledged_and_attempted(
        #[case] acknowledged: u64,
        #[case] attempted: u64,
        #[case] counts: &[u64],
        #[case] violations: usize,
    ) {
        let request = |count: &u64| json!({"spec": {"signalFingerprint": "f"}, "status": {"deduplication": {"occurrenceCount": count}}});
        let end = End {
            requests: counts.iter().map(request).collect(),
            attempted: BTreeMap::from([("f".to_owned(), attempted)]),
            acknowledged: BTreeMap::from([("f".to_owned(), acknowledged)]),
            ..End::default()
        };
        assert_eq!(Counts::default().at_end(&end).len(), violations);
    }

    #[test]
    fn a_deleted_one_still_counts() {
        let gone = json!({"metadata": {"name": "a"}, "spec": {"signalFingerprint": "f"}});
        let write = Write {
            version: 1,
            resource: REMEDIATION_REQUESTS,
            verb: "delete",
            caller: "user",
            old: Some(&gone),
            new: None,
            at_ms: 0,
        };
        let once = BTreeMap::from([("f".to_owned(), 1)]);
        let end = End { attempted: once.clone(), acknowledged: once, told: vec!["a".to_owned()], ..End::default() };
        let mut counts = Counts::default();
        assert_eq!(counts.on_write(&write), None);
        assert!(counts.at_end(&end).is_empty());
        assert_eq!(Counts::default().at_end(&end).len(), 2);
    }

    #[test]
    fn where_twins_are_allowed_a_signal_may_count_twice_and_none_may_be_lost() {
        let request = json!({"spec": {"signalFingerprint": "f"}, "status": {"deduplication": {"occurrenceCount": 3}}});
        let of = |count| BTreeMap::from([("f".to_owned(), count)]);
        let mut counts = Counts::default();
        counts.allow_twins();
        for (sent, violations) in [(2, 0), (4, 1)] {
            let (requests, attempted, acknowledged) = (vec![request.clone()], of(sent), of(sent));
            let end = End { requests, attempted, acknowledged, ..End::default() };
            assert_eq!(counts.at_end(&end).len(), violations);
        }
    }

    #[test]
    fn what_others_create_stands_for_a_signal_of_theirs() {
        let request = json!({"spec": {"signalFingerprint": "f"}});
        let end = End { requests: vec![request.clone()], ..End::default() };
        for (caller, violations) in [("peer-creator", 0), ("gateway-pod-1", 1), ("", 1)] {
            let mut counts = Counts::default();
            let (verb, resource, new) = ("create", REMEDIATION_REQUESTS, Some(&request));
            let write = Write { version: 1, resource, verb, caller, old: None, new, at_ms: 0 };
            assert_eq!(counts.on_write(&write), None);
            assert_eq!(counts.at_end(&end).len(), violations, "{caller}");
        }
    }
}
