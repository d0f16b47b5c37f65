//! What a signal means, given what is known of its fingerprint: a pure function, without await or clock.

use std::sync::Arc;

use jiff::Timestamp;

use crate::remediation::{Fingerprint, Record, remediation_request_name};

/// What to do with a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dedup) enum Verdict {
    /// Count it on this one.
    Duplicate(Arc<Record>),
    /// Create its RemediationRequest, after claiming the predecessor if there is one.
    Create(Plan),
}

/// A RemediationRequest to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dedup) struct Plan {
    /// The latest one before it, which must be claimed first.
    pub(in crate::dedup) predecessor: Option<Arc<Record>>,
    /// Whether the predecessor is the newest, too: then it may yet be found to suppress signals.
    pub(in crate::dedup) after_newest: bool,
    /// Its name, derived from the predecessor.
    pub(in crate::dedup) name: String,
}

impl Plan {
    /// The plan to follow `predecessor`, the latest of `fingerprint`.
    pub(in crate::dedup) fn after(
        fingerprint: &Fingerprint,
        predecessor: Option<Arc<Record>>,
        after_newest: bool,
    ) -> Self {
        let known = predecessor.as_ref().map(|record| (record.ordinal, &*record.uid));
        Self { name: remediation_request_name(fingerprint, known), predecessor, after_newest }
    }
}

/// Decides on a signal of `fingerprint`, of which `records` are all that exist (protocol: the fence).
///
/// Of several active ones (a foreign creator's twin), the oldest is chosen: by creation, then ordinal, which a foreign one
/// lacks, then uid, so that every replica chooses alike. Whether a terminal one still suppresses signals is asked of the
/// newest in the same order: of several that another program left behind, the last word counts. The predecessor is the
/// latest by ordinal; time decides only among those that have the same, as all of another program and of the first
/// version of this one.
pub(in crate::dedup) fn decide(fingerprint: &Fingerprint, records: &[Arc<Record>], now: Timestamp) -> Verdict {
    let active = records.iter().filter(|r| r.is_active()).min_by(|a, b| age_key(a).cmp(&age_key(b)));
    if let Some(active) = active {
        return Verdict::Duplicate(Arc::clone(active));
    }
    let newest = records.iter().max_by(|a, b| age_key(a).cmp(&age_key(b)));
    if let Some(newest) = newest.filter(|newest| newest.counts_signals(now)) {
        return Verdict::Duplicate(Arc::clone(newest));
    }
    let latest = records.iter().max_by(|a, b| a.place().cmp(&b.place()));
    let after_newest = latest.map(|latest| &latest.uid) == newest.map(|newest| &newest.uid);
    Verdict::Create(Plan::after(fingerprint, latest.cloned(), after_newest))
}

/// What would become of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It would be counted on the RemediationRequest of this name.
    Count(String),
    /// It would create the RemediationRequest of this name.
    Create(String),
}

/// What would become of a signal of `fingerprint` at `now`, where `records` are all RemediationRequests of it.
pub fn outlook(fingerprint: &Fingerprint, records: Vec<Record>, now: Timestamp) -> Outlook {
    let records: Vec<_> = records.into_iter().map(Arc::new).collect();
    match decide(fingerprint, &records, now) {
        Verdict::Duplicate(record) => Outlook::Count(record.name.to_string()),
        Verdict::Create(plan) => Outlook::Create(plan.name),
    }
}

/// Whether `other` is active and older than `record`: then the signals of both belong to it.
pub(in crate::dedup) fn is_older_twin(other: &Record, record: &Record) -> bool {
    other.is_active() && age_key(other) < age_key(record)
}

fn age_key(record: &Record) -> (Option<Timestamp>, u32, &str) {
    (record.created, record.ordinal, &record.uid)
}
