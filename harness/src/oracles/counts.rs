//! No acknowledged signal lost, none counted twice, and every 2xx durable.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{End, Oracle, REMEDIATION_REQUESTS, Write, fingerprint, name, occurrences};

/// Acknowledged ≤ counted ≤ attempted, summed over the RemediationRequests of a fingerprint, deleted ones included.
#[derive(Debug, Default)]
pub struct Counts {
    /// The last state of those that are gone.
    deleted: Vec<Value>,
}

impl Oracle for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        if write.resource == REMEDIATION_REQUESTS && write.new.is_none() {
            self.deleted.extend(write.old.cloned());
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
        for (fingerprint, attempted) in &end.attempted {
            let counted = counted.remove(fingerprint.as_str()).unwrap_or(0);
            let acknowledged = end.acknowledged.get(fingerprint).copied().unwrap_or(0);
            if counted < acknowledged {
                wrong.push(format!("{fingerprint}: {acknowledged} signals acknowledged, only {counted} counted"));
            }
            if counted > *attempted {
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
}
