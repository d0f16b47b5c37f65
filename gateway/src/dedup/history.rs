//! History that goes back: an etcd restored from a backup gives versions out again, and its API servers may serve lists and
//! watches from caches that stay wrong for good.
//!
//! What GETs and writes say comes from etcd. Each is compared with what the view knew when it was asked: one that cannot be
//! its continuation shows that the view's history is not etcd's ([`Asked`]). The view is dropped then and listed anew. Where
//! a consistent list goes on to contradict etcd ([`super::guard`] looks), nothing that is known can be relied on until the
//! API servers are restarted.

use std::{collections::BTreeMap, sync::Arc};

use crate::remediation::{Fingerprint, Phase, Record, ResourceVersion};

/// Objects looked at: one would do to tell that history went back.
const SUSPECTS_MAX: usize = 8;
/// Looks at an object that keeps changing, or at a view that lags behind.
const LOOKS_MAX: u32 = 20;
/// Contradictions in a row after which the API servers are not believed any more.
const STRIKES: u32 = 2;

/// Where the view stood when the API server was asked about a fingerprint.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) fingerprint: Fingerprint,
    /// Changes when the view is dropped.
    pub(super) epoch: u64,
    pub(super) version: Option<ResourceVersion>,
    /// All that the view knew of the fingerprint.
    pub(super) known: Vec<Arc<Record>>,
}

impl Asked {
    /// Whether an object that etcd showed afterwards continues what the view knew: the view had come to a version before
    /// that of the object, or knew it in just that version.
    pub(super) fn is_continued_by(&self, record: &Record) -> bool {
        let known = self.known.iter().find(|known| known.uid == record.uid);
        record.fingerprint != self.fingerprint || continues(self.version, known.map(|known| &**known), record)
    }

    /// Whether a consistent list does that was answered afterwards.
    pub(super) fn is_continued_by_list(&self, version: ResourceVersion, records: &[Arc<Record>]) -> bool {
        self.version <= Some(version) && records.iter().all(|record| self.is_continued_by(record))
    }
}

/// Whether `record` can be what has become of history up to `version`, in which its object was last `known` so.
pub(super) fn continues(version: Option<ResourceVersion>, known: Option<&Record>, record: &Record) -> bool {
    version < Some(record.version) || known.is_some_and(|known| state(known) == state(record))
}

/// An object in one version that stands for one state of a remediation: a history that went back gives versions out again.
pub(super) type State = (Box<str>, ResourceVersion, Phase, bool);

pub(super) fn state(record: &Record) -> State {
    (record.uid.clone(), record.version, record.phase, record.terminating)
}

/// What a look at an object has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Etcd and lists say the same, and so does the view, or it is dropped anyway.
    Agreed,
    /// It changes, the view is not there yet, or the API server could not be asked.
    Open,
    /// Lists are right, the view is not.
    ViewContradicts,
    /// Lists are not: the API server's cache has another history than etcd.
    ListContradicts,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    Nothing,
    DropView,
    Doubt,
    Believe,
}

/// Objects of which etcd and view were seen to disagree.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    by_name: BTreeMap<String, Suspect>,
    doubtful: bool,
}

#[derive(Clone, Debug)]
struct Suspect {
    fingerprint: Fingerprint,
    looks: u32,
    strikes: u32,
}

impl Suspects {
    pub(super) fn add(&mut self, name: &str, fingerprint: &Fingerprint) {
        if self.by_name.len() < SUSPECTS_MAX {
            let suspect = Suspect { fingerprint: fingerprint.clone(), looks: 0, strikes: 0 };
            self.by_name.entry(name.to_owned()).or_insert(suspect);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Names and fingerprints.
    pub(super) fn all(&self) -> Vec<(String, Fingerprint)> {
        self.by_name.iter().map(|(name, suspect)| (name.clone(), suspect.fingerprint.clone())).collect()
    }

    /// Takes the finding of a look at `name`.
    pub(super) fn judge(&mut self, name: &str, finding: Finding) -> Consequence {
        let Some(suspect) = self.by_name.get_mut(name) else { return Consequence::Nothing };
        suspect.looks += 1;
        match finding {
            Finding::ListContradicts => suspect.strikes += 1,
            Finding::ViewContradicts => suspect.strikes = 0,
            Finding::Agreed | Finding::Open => {}
        }
        let given_up = suspect.looks >= LOOKS_MAX && suspect.strikes == 0;
        let struck = suspect.strikes >= STRIKES;
        if finding == Finding::Agreed || given_up {
            self.by_name.remove(name);
        }
        match finding {
            Finding::ListContradicts if struck && !self.doubtful => {
                self.doubtful = true;
                Consequence::Doubt
            }
            // First of all: nobody looks any more once the last suspect is gone.
            _ if self.doubtful && self.by_name.values().all(|suspect| suspect.strikes == 0) => {
                self.doubtful = false;
                Consequence::Believe
            }
            Finding::ViewContradicts => Consequence::DropView,
            _ => Consequence::Nothing,
        }
    }
}
