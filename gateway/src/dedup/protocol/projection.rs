//! The projection: `status.deduplication` is brought up to what the counter says, once in a while.
//!
//! It is what others read, and nothing is decided on it. So the RemediationRequest is written about once a second at most,
//! whatever the load, and whoever writes it as well gets through.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::{
    context::Monotonic,
    remediation::{Counter, Deduplication, Record},
};

/// The earliest and the latest that a count is projected after it, unless another replica does.
pub(in crate::dedup) const DELAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));

/// What the status is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dedup) struct Counted {
    /// Signals counted.
    pub(in crate::dedup) total: u64,
    /// When the first of them was received.
    pub(in crate::dedup) first_seen: Timestamp,
    /// When the newest of them was received.
    pub(in crate::dedup) last_seen: Timestamp,
}

impl Counted {
    /// What `counter` says of the object of `record`, at `now`.
    pub(in crate::dedup) fn of(counter: &Counter, record: &Record, now: Timestamp) -> Self {
        let first_seen = record.deduplication.as_ref().and_then(|deduplication| deduplication.first_seen);
        let last_seen = counter.newest().or(record.created).unwrap_or(now);
        Self { total: counter.total(), first_seen: first_seen.or(record.created).unwrap_or(last_seen), last_seen }
    }

    /// As much of the total as the status can say.
    fn sayable(&self) -> i32 {
        i32::try_from(self.total).unwrap_or(i32::MAX)
    }

    /// Whether the status of `record` says less.
    pub(in crate::dedup) fn is_ahead_of(&self, record: &Record) -> bool {
        let said = record.deduplication.as_ref().map(|deduplication| deduplication.occurrences.unwrap_or(0));
        said.is_none_or(|said| said < i64::from(self.sayable()))
    }
}

/// Which counts are not projected yet, and when they will be.
#[derive(Clone, Debug, Default)]
pub(in crate::dedup) struct Projection {
    pending: Option<Pending>,
}

/// What is to be projected now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dedup) struct Due {
    /// The newest version known of what it is counted on.
    pub(in crate::dedup) record: Arc<Record>,
    pub(in crate::dedup) counted: Counted,
    /// When so much had been counted, or before.
    pub(in crate::dedup) known: Monotonic,
}

#[derive(Clone, Debug)]
struct Pending {
    what: Due,
    at: Monotonic,
    /// What the status said when it became due: who sees that another raises it waits once more, if it has counted meanwhile.
    status_said: u64,
    /// The total then.
    total: u64,
}

impl Projection {
    /// Notes that `new` is to be projected, `at` this moment unless something is due already. What was to be projected to another
    /// object is to be projected now.
    pub(in crate::dedup) fn counted(&mut self, new: Due, at: Monotonic) -> Option<Due> {
        match &mut self.pending {
            Some(Pending { what, .. }) if what.record.uid == new.record.uid => {
                let known = if new.counted.total >= what.counted.total { new.known } else { what.known };
                let total = new.counted.total.max(what.counted.total);
                *what = Due { counted: Counted { total, ..new.counted }, known, ..new };
                None
            }
            pending => {
                let status_said = new.record.occurrences();
                pending.replace(Pending { what: new, at, status_said, total: 0 }).map(|pending| pending.what)
            }
        }
    }

    /// The newest version known of what something is to be projected to.
    pub(in crate::dedup) fn record(&self) -> Option<&Arc<Record>> {
        self.pending.as_ref().map(|pending| &pending.what.record)
    }

    /// When something is to be done.
    pub(in crate::dedup) fn due(&self) -> Option<Monotonic> {
        self.pending.as_ref().map(|pending| pending.at)
    }

    /// Waits until `again`.
    pub(in crate::dedup) fn postpone(&mut self, again: Monotonic) {
        if let Some(pending) = &mut self.pending {
            pending.at = again;
        }
    }

    /// What is to be projected now, and to what, where `viewed` is what the view knows of an object by its uid. If another
    /// replica raises the count meanwhile, and more was counted here since that was found the last time, it is waited for until
    /// `again`: under load one of all writes at a time, and the last count is not put off for ever.
    pub(in crate::dedup) fn take(
        &mut self,
        viewed: impl FnOnce(&str) -> Option<Arc<Record>>,
        again: Monotonic,
    ) -> Option<Due> {
        let mut pending = self.pending.take()?;
        let Due { record, counted, .. } = &mut pending.what;
        if let Some(viewed) = viewed(&record.uid).filter(|viewed| viewed.version > record.version) {
            *record = viewed;
        }
        if !counted.is_ahead_of(record) {
            return None;
        }
        let said = record.occurrences();
        if said > pending.status_said && counted.total > pending.total {
            (pending.status_said, pending.total) = (said, counted.total);
            pending.at = again;
            self.pending = Some(pending);
            return None;
        }
        Some(pending.what)
    }
}

/// The JSON patch that makes the status of `record` say `counted`, if its count is still what it is in this version; `None`
/// if nothing is to be done. A count is lowered only if `exact`: when nothing is being counted any more.
pub(in crate::dedup) fn patch(record: &Record, counted: Counted, exact: bool) -> Option<Value> {
    let Counted { first_seen, last_seen, .. } = counted;
    let total = counted.sayable();
    let test = |path: &str, value: Value| json!({ "op": "test", "path": path, "value": value });
    let add = |path: &str, value: Value| json!({ "op": "add", "path": path, "value": value });
    let mut steps = vec![test("/metadata/uid", json!(record.uid))];
    let whole = json!({ "firstSeenAt": Time(first_seen), "lastSeenAt": Time(last_seen), "occurrenceCount": total });
    match &record.deduplication {
        None if record.has_status => {
            steps.push(test("/status/deduplication", Value::Null));
            steps.push(add("/status/deduplication", whole));
        }
        None => {
            steps.push(test("/status", Value::Null));
            steps.push(add("/status", json!({ "deduplication": whole })));
        }
        Some(Deduplication { occurrences, first_seen: known_first, last_seen: known_last, .. }) => {
            let is_too_much = exact && occurrences.is_some_and(|said| said > i64::from(total));
            if !is_too_much && !counted.is_ahead_of(record) {
                return None;
            }
            const COUNT: &str = "/status/deduplication/occurrenceCount";
            steps.push(test(COUNT, json!(occurrences)));
            steps.push(add(COUNT, json!(total)));
            let last_seen = known_last.map_or(last_seen, |known| known.max(last_seen));
            steps.push(add("/status/deduplication/lastSeenAt", json!(Time(last_seen))));
            if known_first.is_none() {
                steps.push(add("/status/deduplication/firstSeenAt", json!(Time(first_seen))));
            }
        }
    }
    Some(Value::Array(steps))
}
