//! No acknowledged signal lost, none counted twice.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    oracle::{End, Oracle, Signal, Told, Write},
    read::{REMEDIATION_REQUESTS, fingerprint, is_gateway, name, occurrences},
    tallies::{Tallies, counted},
};

/// Acknowledged ≤ counted ≤ attempted, summed over the RemediationRequests of a fingerprint, deleted ones included: at every
/// moment where all signals are seen on their way, and at the end.
///
/// Where twins are allowed, a signal whose create was given up may be counted on both; none may be lost even there. Of what
/// was acknowledged before a restore, or was on its way by then, nothing is known after it but what was restored.
#[derive(Debug, Default)]
pub struct Counts {
    tallies: Tallies,
    /// What others than replicas created and counted stands for signals of their own, by fingerprint.
    counted_by_others: BTreeMap<String, u64>,
    /// Seen on their way, by fingerprint.
    attempted: BTreeMap<String, u64>,
    acknowledged: BTreeMap<String, u64>,
    twins_allowed: bool,
    sees_all_signals: bool,
    /// What was counted, acknowledged, and counted by others, when the last backup was made.
    backed_up: (Tallies, [BTreeMap<String, u64>; 2]),
    /// When the store was last restored from a backup.
    restored_ms: Option<i64>,
}

fn of(counts: &BTreeMap<String, u64>, fingerprint: &str) -> u64 {
    counts.get(fingerprint).copied().unwrap_or(0)
}

impl Oracle for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn allow_twins(&mut self) {
        self.twins_allowed = true;
    }

    fn see_all_signals(&mut self) {
        self.sees_all_signals = true;
    }

    fn on_backed_up(&mut self) {
        self.backed_up = (self.tallies.clone(), [self.acknowledged.clone(), self.counted_by_others.clone()]);
    }

    fn on_restored(&mut self, at_ms: i64) {
        (self.tallies, [self.acknowledged, self.counted_by_others]) = self.backed_up.clone();
        self.restored_ms = Some(at_ms);
    }

    fn on_signal(&mut self, signal: &Signal<'_>) {
        *self.attempted.entry(signal.fingerprint.to_owned()).or_default() += 1;
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        self.note_others(write);
        let tally = self.tallies.note(write)?;
        let fingerprint = tally.fingerprint.clone();
        let sent = of(&self.attempted, &fingerprint) + of(&self.counted_by_others, &fingerprint);
        let counted = self.tallies.of(&fingerprint);
        (counted > sent && self.sees_all_signals && !self.twins_allowed)
            .then(|| format!("{fingerprint}: {sent} signals sent so far, but {counted} counted, by {}", write.caller))
    }

    fn on_answer(&mut self, signal: &Signal<'_>, _told: &Told<'_>) -> Option<String> {
        let Signal { fingerprint, sent_ms, .. } = *signal;
        if self.restored_ms >= Some(sent_ms) {
            return None;
        }
        *self.acknowledged.entry(fingerprint.to_owned()).or_default() += 1;
        let acknowledged = of(&self.acknowledged, fingerprint) + of(&self.counted_by_others, fingerprint);
        let counted = self.tallies.of(fingerprint);
        (counted < acknowledged)
            .then(|| format!("{fingerprint}: {acknowledged} signals acknowledged so far, only {counted} counted"))
    }

    fn at_end(&mut self, end: &End) -> Vec<String> {
        let gone = || self.tallies.all().filter(|tally| !tally.exists && !tally.name.is_empty());
        let mut counted = counted(&end.requests, &end.leases);
        for tally in gone() {
            *counted.entry(tally.fingerprint.as_str()).or_default() += tally.counted();
        }
        let mut wrong = Vec::new();
        let known: BTreeSet<&String> = end.attempted.keys().chain(self.counted_by_others.keys()).collect();
        for fingerprint in known {
            let others = of(&self.counted_by_others, fingerprint);
            let attempted = others + of(&end.attempted, fingerprint);
            let acknowledged = if self.restored_ms.is_some() { &self.acknowledged } else { &end.acknowledged };
            let acknowledged = others + of(acknowledged, fingerprint);
            let counted = counted.remove(fingerprint.as_str()).unwrap_or(0);
            if counted < acknowledged {
                wrong.push(format!("{fingerprint}: {acknowledged} signals acknowledged, only {counted} counted"));
            }
            if counted > attempted && !self.twins_allowed {
                wrong.push(format!("{fingerprint}: {attempted} signals sent, but {counted} counted"));
            }
        }
        if self.restored_ms.is_some() {
            return wrong;
        }
        wrong.extend(counted.keys().map(|unknown| format!("a RemediationRequest of {unknown}, which nobody sent")));
        let names: BTreeSet<&str> = end.requests.iter().map(name).chain(gone().map(|tally| &*tally.name)).collect();
        let unknown = end.told.iter().filter(|told| !names.contains(told.as_str()));
        wrong.extend(unknown.map(|told| format!("a sender was told of {told}, which is not there")));
        wrong
    }
}

impl Counts {
    /// Notes what others than replicas create, and count on what is there.
    fn note_others(&mut self, write: &Write<'_>) {
        // Who wrote is not always known.
        let others = write.resource == REMEDIATION_REQUESTS && !write.caller.is_empty() && !is_gateway(write.caller);
        let Some(new) = write.new.filter(|_| others) else { return };
        let more = occurrences(new).saturating_sub(write.old.map_or(0, occurrences));
        *self.counted_by_others.entry(fingerprint(new).to_owned()).or_default() += more;
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::{
        super::{read::LEASES, tallies::tests::counter},
        *,
    };

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

    #[rstest]
    #[case::exact(2, false, false)]
    #[case::lost(1, false, true)]
    #[case::counted_twice(4, true, false)]
    fn counts_lie_between_acknowledged_and_attempted_at_every_moment(
        #[case] on_counter: u64,
        #[case] too_many: bool,
        #[case] too_few: bool,
    ) {
        let request = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"signalFingerprint": "f"}});
        let lease = counter(&[("base", "1"), ("b", &format!("{};1;t", on_counter - 1))]);
        let mut counts = Counts::default();
        counts.see_all_signals();
        let signal = Signal { pod: "gateway-pod-1", fingerprint: "f", sent_ms: 0 };
        let (verb, caller, old) = ("create", "gateway-pod-1", None);
        let mut wrong = Vec::new();
        for _ in 0..3 {
            counts.on_signal(&signal);
        }
        for (resource, new) in [(REMEDIATION_REQUESTS, &request), (LEASES, &lease)] {
            let new = Some(new);
            wrong.extend(counts.on_write(&Write { version: 1, resource, verb, caller, old, new, at_ms: 0 }));
        }
        assert_eq!(!wrong.is_empty(), too_many, "{wrong:?}");
        let told = Told { name: "a", occurrence: 1, version: 1 };
        assert_eq!(counts.on_answer(&signal, &told), None);
        assert_eq!(counts.on_answer(&signal, &told).is_some(), too_few);
    }

    #[test]
    fn at_the_end_what_is_counted_beside_the_object_counts() {
        let request = json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"signalFingerprint": "f"}});
        let of = |count| BTreeMap::from([("f".to_owned(), count)]);
        for (sent, violations) in [(2, 1), (3, 0), (4, 1)] {
            let leases = vec![counter(&[("base", "1"), ("b", "2;1;t")])];
            let (requests, attempted, acknowledged) = (vec![request.clone()], of(sent), of(sent));
            let end = End { requests, leases, attempted, acknowledged, ..End::default() };
            assert_eq!(Counts::default().at_end(&end).len(), violations);
        }
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
