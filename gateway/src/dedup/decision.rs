//! What a signal means, given what is known of its fingerprint: a pure function, without await or clock.

use std::{cmp::Reverse, sync::Arc};

use jiff::Timestamp;

use crate::remediation::{Fingerprint, Lineage, Record, remediation_request_name};

/// What to do with a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Count it on this one.
    Duplicate(Arc<Record>),
    /// Create its RemediationRequest, after claiming the predecessor if there is one.
    Create(Plan),
}

/// A RemediationRequest to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The latest one before it, which must be claimed first.
    pub(super) predecessor: Option<Arc<Record>>,
    /// Its name and place.
    pub(super) lineage: Lineage,
}

impl Plan {
    /// The plan to follow `predecessor`, the latest of `fingerprint`.
    pub(super) fn after(fingerprint: &Fingerprint, predecessor: Option<Arc<Record>>) -> Self {
        let uid = predecessor.as_ref().map(|p| p.uid.clone());
        let lineage = Lineage {
            name: remediation_request_name(fingerprint, uid.as_deref()),
            predecessor: uid,
            ordinal: predecessor.as_ref().map_or(1, |p| p.ordinal.saturating_add(1)),
        };
        Self { predecessor, lineage }
    }
}

/// Decides on a signal of `fingerprint`, of which `records` are all that exist (protocol: the fence).
///
/// Of several that count signals (a foreign creator's twin), the older one is chosen: by creation, then ordinal, which a
/// foreign one may lack, then uid, so that every replica chooses alike. The predecessor is the latest by ordinal, never by
/// time.
pub(super) fn decide(fingerprint: &Fingerprint, records: &[Arc<Record>], now: Timestamp) -> Verdict {
    let active = records.iter().filter(|r| r.is_active()).min_by(|a, b| age_key(a).cmp(&age_key(b)));
    if let Some(active) = active {
        return Verdict::Duplicate(Arc::clone(active));
    }
    let latest = records.iter().max_by_key(|r| (r.ordinal, Reverse(age_key(r))));
    match latest {
        Some(latest) if latest.counts_signals(now) => Verdict::Duplicate(Arc::clone(latest)),
        latest => Verdict::Create(Plan::after(fingerprint, latest.cloned())),
    }
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
        Verdict::Duplicate(record) => Outlook::Count(record.name.clone()),
        Verdict::Create(plan) => Outlook::Create(plan.lineage.name),
    }
}

/// Whether `other` is active and older than `record`: then the signals of both belong to it.
pub(super) fn is_older_twin(other: &Record, record: &Record) -> bool {
    other.is_active() && age_key(other) < age_key(record)
}

fn age_key(record: &Record) -> (Option<Timestamp>, u64, &str) {
    (record.created, record.ordinal, &record.uid)
}
