//! The RemediationRequests that a replica knows, by fingerprint: pure state, fed by lists and watch events.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    history::{Asked, continues},
    versions::{Trace, is_raised},
};
use crate::{
    context::Monotonic,
    remediation::{Fingerprint, Record, ResourceVersion},
};

/// Marks are this far apart at least: together they reach back longer than any view counts as fresh.
const MARK_SPACING: Duration = Duration::from_millis(50);
/// Marks kept at most, the newest ones.
const MARKS_MAX: usize = 4096;

/// A consistent prefix of history: everything up to `version`, nothing after it.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// How often all was dropped.
    epoch: u64,
    /// `None` before the first list.
    version: Option<ResourceVersion>,
    /// Ordered by uid.
    by_fingerprint: BTreeMap<Fingerprint, Vec<Arc<Record>>>,
    by_uid: BTreeSet<ByUid>,
    /// Active ones whose count was raised since that was asked for last, by uid.
    raised: BTreeMap<Box<str>, u64>,
    marks: VecDeque<(ResourceVersion, Monotonic)>,
    as_of: Option<Monotonic>,
}

/// What an event changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Whose records are others now.
    pub(super) fingerprints: Vec<Fingerprint>,
    /// Fingerprints that have more than one active RemediationRequest since now, with their names.
    pub(super) twins: Vec<(Fingerprint, Vec<String>)>,
    /// What another version of the gateway has done since the first list, to which object.
    pub(super) others: Vec<(Trace, String)>,
    /// All that was known before is dropped: it does not go on as it was.
    pub(super) rewound: bool,
}

impl Index {
    pub(super) fn version(&self) -> Option<ResourceVersion> {
        self.version
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Where the index stands as `fingerprint` is asked about.
    pub(super) fn asked(&self, fingerprint: &Fingerprint) -> Asked {
        let (fingerprint, known) = (fingerprint.clone(), self.of(fingerprint));
        Asked { fingerprint, epoch: self.epoch, version: self.version, known }
    }

    /// Drops all that is known.
    pub(super) fn rewind(&mut self) -> Change {
        let fingerprints = self.by_fingerprint.keys().cloned().collect();
        *self = Self { epoch: self.epoch + 1, ..Self::default() };
        Change { fingerprints, rewound: true, ..Change::default() }
    }

    /// What changed last.
    pub(super) fn newest(&self) -> Option<Arc<Record>> {
        self.all().max_by_key(|record| record.version).cloned()
    }

    /// The uids of active ones whose count was raised since the last call, and what their status says.
    pub(super) fn take_raised(&mut self) -> BTreeMap<Box<str>, u64> {
        std::mem::take(&mut self.raised)
    }

    pub(super) fn len(&self) -> usize {
        self.by_uid.len()
    }

    /// The moment of which it is certain that the view knows everything up to it.
    pub(super) fn as_of(&self) -> Option<Monotonic> {
        self.as_of
    }

    pub(super) fn of(&self, fingerprint: &Fingerprint) -> Vec<Arc<Record>> {
        self.by_fingerprint.get(fingerprint).cloned().unwrap_or_default()
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<Arc<Record>> {
        self.by_uid.get(uid).map(|ByUid(record)| Arc::clone(record))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.by_fingerprint.values().flatten()
    }

    /// Takes a list over that was asked for when the index stood where it is. If it does not continue what is known, that is
    /// dropped before.
    pub(super) fn replace(&mut self, mut records: Vec<Record>, version: ResourceVersion) -> Change {
        let known = |record: &Record| self.by_uid(&record.uid);
        let is_continued_by = |record: &Record| continues(self.version, known(record).as_deref(), record);
        let continued = self.version <= Some(version) && records.iter().all(is_continued_by);
        let mut change = if continued { Change::default() } else { self.rewind() };
        let listed: BTreeSet<&str> = records.iter().map(|r| &*r.uid).collect();
        let gone: Vec<Arc<Record>> = self.all().filter(|r| !listed.contains(&*r.uid)).cloned().collect();
        for record in gone {
            // Between the two lists it may have changed before it went: its last state is not known.
            self.forget(&record, &mut change);
        }
        // A list is in order of names: a successor may come before the one it followed, which is active for all that is
        // known. Those that are not active any more come first, so that the two are not taken for twins.
        records.sort_by_key(Record::is_active);
        for record in records {
            self.learn(record, &mut change);
        }
        self.reach(version);
        change
    }

    /// Applies an Added or Modified event.
    pub(super) fn apply(&mut self, record: Record) -> Change {
        self.follow(record.version, |index, change| index.learn(record, change))
    }

    /// Applies a Deleted event, which carries the last state under the version of the deletion.
    pub(super) fn delete(&mut self, record: &Record) -> Change {
        self.follow(record.version, |index, change| index.forget(record, change))
    }

    /// Applies a bookmark.
    pub(super) fn bookmark(&mut self, version: ResourceVersion) -> Change {
        self.follow(version, |_, _| {})
    }

    /// Follows an event of `version`, if it goes on from what is known: only a list fills an index that was dropped.
    fn follow(&mut self, version: ResourceVersion, event: impl FnOnce(&mut Self, &mut Change)) -> Change {
        let mut change = Change::default();
        if self.version.is_some_and(|known| version > known) {
            event(self, &mut change);
            self.reach(version);
        }
        change
    }

    /// Notes that all events up to `version` have been delivered.
    pub(super) fn reach(&mut self, version: ResourceVersion) {
        self.version = self.version.max(Some(version));
        while let Some(&(marked, at)) = self.marks.front()
            && Some(marked) <= self.version
        {
            self.as_of = self.as_of.max(Some(at));
            self.marks.pop_front();
        }
    }

    /// Notes that the API server's history had not gone beyond `version` at `before`: a consistent read or a write of
    /// our own, sent after `before`, was answered with that version.
    pub(super) fn mark(&mut self, version: ResourceVersion, before: Monotonic) {
        if self.version.is_some_and(|known| known >= version) {
            self.as_of = self.as_of.max(Some(before));
            return;
        }
        let crowded = self.marks.back().is_some_and(|(_, newest)| before.since(*newest) < MARK_SPACING);
        if crowded {
            return;
        }
        if self.marks.len() >= MARKS_MAX {
            self.marks.pop_front();
        }
        let at = self.marks.partition_point(|(marked, _)| *marked <= version);
        self.marks.insert(at, (version, before));
    }

    fn learn(&mut self, mut record: Record, change: &mut Change) {
        let known = self.by_uid(&record.uid);
        if known.as_deref() == Some(&record) {
            return;
        }
        if self.version.is_some() {
            change.others.extend(Trace::of(known.as_deref(), &record).map(|trace| (trace, record.name.to_string())));
        }
        if record.is_active() && known.as_ref().is_some_and(|known| is_raised(known, &record)) {
            self.raised.insert(record.uid.clone(), record.occurrences());
        }
        let becomes_active = record.is_active() && known.is_none_or(|known| !known.is_active());
        // There are many, and their fingerprints are long: each is kept once.
        if let Some((fingerprint, _)) = self.by_fingerprint.get_key_value(&record.fingerprint) {
            record.fingerprint = fingerprint.clone();
        }
        let fingerprint = record.fingerprint.clone();
        let record = Arc::new(record);
        self.by_uid.replace(ByUid(Arc::clone(&record)));
        let records = self.by_fingerprint.entry(fingerprint.clone()).or_default();
        let place = place(records, &record.uid).unwrap_or_else(|place| {
            // Room for one: hardly any has a second.
            records.reserve_exact(1);
            records.insert(place, Arc::clone(&record));
            place
        });
        if let Some(known) = records.get_mut(place) {
            *known = record;
        }
        if becomes_active {
            let active: Vec<String> = records.iter().filter(|r| r.is_active()).map(|r| r.name.to_string()).collect();
            if active.len() > 1 {
                change.twins.push((fingerprint.clone(), active));
            }
        }
        change.fingerprints.push(fingerprint);
    }

    fn forget(&mut self, record: &Record, change: &mut Change) {
        let fingerprint = &record.fingerprint;
        self.by_uid.remove(&*record.uid);
        self.raised.remove(&record.uid);
        if let Some(records) = self.by_fingerprint.get_mut(fingerprint) {
            if let Ok(place) = place(records, &record.uid) {
                records.remove(place);
            }
            if records.is_empty() {
                self.by_fingerprint.remove(fingerprint);
            }
        }
        change.fingerprints.push(fingerprint.clone());
    }
}

/// A record, in order of uids.
#[derive(Debug)]
struct ByUid(Arc<Record>);

impl Borrow<str> for ByUid {
    fn borrow(&self) -> &str {
        &self.0.uid
    }
}

impl Ord for ByUid {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.uid.cmp(&other.0.uid)
    }
}

impl PartialOrd for ByUid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByUid {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByUid {}

/// Where `uid` is among `records`, or would be.
fn place(records: &[Arc<Record>], uid: &str) -> Result<usize, usize> {
    records.binary_search_by(|record| (*record.uid).cmp(uid))
}
