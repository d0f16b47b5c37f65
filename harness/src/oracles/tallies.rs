//! What is counted where: in the status of a RemediationRequest, and on the counter beside it.
//!
//! A gateway may count in the status itself, or on a Lease `gw-count-<uid of the RemediationRequest>` of which the status is
//! a copy that is brought up later. At any moment the larger of the two has counted.

use std::{borrow::Borrow, collections::BTreeMap};

use serde_json::Value;

use super::{
    claims::is_claimed,
    oracle::Write,
    read::{LEASES, REMEDIATION_REQUESTS, fingerprint, name, occurrences, uid},
};

const COUNTER_PREFIX: &str = "gw-count-";
/// Of the annotations of a counter that count.
pub(super) const ANNOTATION_PREFIX: &str = "count.gateway.kubernaut.ai/";

/// Whether a lease is a counter, not a lock.
pub fn is_counter(lease: &Value) -> bool {
    is_counter_name(name(lease))
}

/// Whether the lease of this name is a counter, not a lock.
pub(crate) fn is_counter_name(name: &str) -> bool {
    name.starts_with(COUNTER_PREFIX)
}

/// The uid of the RemediationRequest that a counter counts for.
pub(super) fn counts_for(counter: &Value) -> &str {
    name(counter).strip_prefix(COUNTER_PREFIX).unwrap_or_default()
}

/// What a counter has counted: `base`, `folded` and all registers together.
pub fn counted_on(counter: &Value) -> u64 {
    registers(counter).map(|(_, register)| register.count).sum()
}

/// What is counted on `requests`, each with its counter among `leases` if it has one, by fingerprint.
pub fn counted<'a>(requests: &'a [Value], leases: &[Value]) -> BTreeMap<&'a str, u64> {
    let beside = leases.iter().filter(|lease| is_counter(lease));
    let beside: BTreeMap<&str, u64> = beside.map(|lease| (counts_for(lease), counted_on(lease))).collect();
    let mut counted = BTreeMap::new();
    for request in requests {
        // A baseline counts on the object itself.
        let on_itself = || occurrences(request).max(counted_on(request));
        *counted.entry(fingerprint(request)).or_default() +=
            beside.get(uid(request)).copied().unwrap_or_else(on_itself);
    }
    counted
}

/// One number on a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Register {
    pub(super) count: u64,
    /// 0 where there is none, as in `base`.
    pub(super) sequence: u64,
}

/// The numbers on a counter and whose they are: `base`, `folded`, or a gateway's boot id.
pub(super) fn registers(counter: &Value) -> impl Iterator<Item = (&str, Register)> {
    let annotations = counter["metadata"]["annotations"].as_object().into_iter().flatten();
    annotations.filter_map(|(key, value)| {
        let mut parts = value.as_str()?.split(';');
        let mut number = || parts.next()?.parse().ok();
        let (count, sequence) = (number().unwrap_or(0), number().unwrap_or(0));
        Some((key.strip_prefix(ANNOTATION_PREFIX)?, Register { count, sequence }))
    })
}

/// What its RemediationRequest said when a counter was made.
fn base(counter: &Value) -> u64 {
    registers(counter).find(|(whose, _)| *whose == "base").map_or(0, |(_, register)| register.count)
}

/// Whether nothing is left to be cleaned up or brought up: no lock, no claim, no counter that is ahead of its status or
/// without its RemediationRequest.
pub fn is_at_rest<T: Borrow<Value>>(leases: &[T], requests: &[T]) -> bool {
    let requests = || requests.iter().map(Borrow::borrow);
    let is_projected = |counter: &Value| {
        let request = requests().find(|request| uid(request) == counts_for(counter));
        request.is_some_and(|request| occurrences(request) >= counted_on(counter).min(i32::MAX as u64))
    };
    let is_settled = |lease: &Value| is_counter(lease) && is_projected(lease);
    leases.iter().map(Borrow::borrow).all(is_settled) && !requests().any(is_claimed)
}

/// What is counted on one RemediationRequest.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Empty while only its counter was seen.
    pub(super) name: String,
    pub(super) fingerprint: String,
    /// In the status.
    pub(super) status: u64,
    /// On the newest counter that it has or had.
    pub(super) counter: Option<u64>,
    /// On counters before that, beyond its base: a create that comes late makes another one of what is gone, which the
    /// server's garbage collection removes.
    pub(super) earlier: u64,
    pub(super) exists: bool,
}

impl Tally {
    /// The status may be behind the counter, and say what was taken back.
    pub(super) fn counted(&self) -> u64 {
        self.counter.map_or(self.status, |counter| counter + self.earlier)
    }
}

/// All RemediationRequests that were ever written, by uid, and the uids of each fingerprint.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    by_uid: BTreeMap<String, Tally>,
    uids: BTreeMap<String, Vec<String>>,
}

impl Tallies {
    /// Takes a write over; the tally that it is about, if it is about one.
    pub(super) fn note(&mut self, write: &Write<'_>) -> Option<&Tally> {
        let object = write.new.or(write.old)?;
        match write.resource {
            REMEDIATION_REQUESTS => {
                let tally = self.by_uid.entry(uid(object).to_owned()).or_default();
                if tally.name.is_empty() {
                    tally.name = name(object).to_owned();
                    tally.fingerprint = fingerprint(object).to_owned();
                    self.uids.entry(tally.fingerprint.clone()).or_default().push(uid(object).to_owned());
                }
                // A baseline counts on the object itself.
                tally.status = occurrences(object).max(counted_on(object));
                tally.exists = write.new.is_some();
                Some(tally)
            }
            LEASES if is_counter(object) => {
                let tally = self.by_uid.entry(counts_for(object).to_owned()).or_default();
                if write.old.is_none() && !tally.exists && tally.counter.is_some() {
                    tally.earlier = tally.counted().saturating_sub(base(object));
                }
                // One that is gone has counted what it last said.
                tally.counter = Some(counted_on(object));
                Some(tally)
            }
            _ => None,
        }
    }

    /// All that were ever there.
    pub(super) fn all(&self) -> impl Iterator<Item = &Tally> {
        self.by_uid.values()
    }

    /// What is counted for a fingerprint, on what is gone too.
    pub(super) fn of(&self, fingerprint: &str) -> u64 {
        let uids = self.uids.get(fingerprint).into_iter().flatten();
        uids.filter_map(|uid| self.by_uid.get(uid)).map(Tally::counted).sum()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A counter of the object with uid `u`.
    pub(in crate::oracles) fn counter(annotations: &[(&str, &str)]) -> Value {
        let annotations = annotations.iter().map(|(key, value)| (format!("{ANNOTATION_PREFIX}{key}"), json!(value)));
        let annotations: Value = annotations.collect::<serde_json::Map<_, _>>().into();
        json!({
            "metadata": {
                "name": "gw-count-u", "annotations": annotations,
                "ownerReferences": [{"kind": "RemediationRequest", "name": "a", "uid": "u"}],
            },
        })
    }

    #[test]
    fn a_counter_has_counted_the_sum_of_its_base_its_registers_and_what_was_folded() {
        let time = "2026-11-01T00:00:00Z";
        let mut lease = counter(&[
            ("base", "3"),
            ("folded", "10;4"),
            ("0123456789abcdef", &format!("5;17;{time}")),
            ("fedcba9876543210", &format!("1;2;{time}")),
        ]);
        lease["metadata"]["annotations"]["example.com/count"] = json!("100");
        assert_eq!(counted_on(&lease), 19);
        assert!(is_counter(&lease));
        assert!(!is_counter(&json!({"metadata": {"name": "gw-lock-a"}})));
    }

    #[test]
    fn what_is_counted_is_the_larger_of_status_and_counter_and_stays_when_either_is_gone() {
        let request = json!({
            "metadata": {"name": "a", "uid": "u"}, "spec": {"signalFingerprint": "f"},
            "status": {"deduplication": {"occurrenceCount": 3}},
        });
        let lease = counter(&[("base", "1"), ("b", "3;3;t")]);
        let mut tallies = Tallies::default();
        let mut note = |resource, old, new| {
            tallies.note(&Write { version: 1, resource, verb: "", caller: "", old, new, at_ms: 0 });
            tallies.of("f")
        };
        assert_eq!(note(REMEDIATION_REQUESTS, None, Some(&request)), 3);
        assert_eq!(note(LEASES, None, Some(&lease)), 4);
        assert_eq!(note(REMEDIATION_REQUESTS, Some(&request), None), 4);
        assert_eq!(note(LEASES, Some(&lease), None), 4);
    }

    #[test]
    fn a_counter_made_late_of_what_is_gone_adds_what_it_counts_itself_and_takes_nothing_away() {
        let request = json!({
            "metadata": {"name": "a", "uid": "u"}, "spec": {"signalFingerprint": "f"},
            "status": {"deduplication": {"occurrenceCount": 1}},
        });
        let (first, late) = (counter(&[("base", "1"), ("b", "3;3;t")]), counter(&[("base", "1"), ("c", "1;1;t")]));
        let mut tallies = Tallies::default();
        let mut note = |resource, old, new| {
            tallies.note(&Write { version: 1, resource, verb: "", caller: "", old, new, at_ms: 0 });
            tallies.of("f")
        };
        note(REMEDIATION_REQUESTS, None, Some(&request));
        note(LEASES, None, Some(&first));
        note(REMEDIATION_REQUESTS, Some(&request), None);
        note(LEASES, Some(&first), None);
        assert_eq!(note(LEASES, None, Some(&late)), 5);
        assert_eq!(note(LEASES, Some(&late), None), 5);
    }
}
