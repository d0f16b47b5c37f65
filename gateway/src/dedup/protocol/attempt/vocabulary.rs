//! What an attempt is told, what it asks for, and what becomes of it.

use std::{sync::Arc, time::Duration};

use super::super::Answer;
use crate::{
    dedup::{deduplicate, protocol::lock::Acquisition},
    kubernetes::Error,
    remediation::{Record, ResourceVersion},
};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Effect {
    /// Read what is known of the fingerprint, from a view (or, failing that, a consistent list) that is fresh and has
    /// come as far as [`Known`] says.
    Read(Known),
    /// Try once to acquire the lock.
    Lock,
    /// Wait for a change of the view: for `backoff` (with jitter), but no longer than is `left`.
    AwaitLock { backoff: Duration, left: Duration },
    /// Wait for a change of the view, for so long at most: the predecessor, whose deletion has begun, is to go.
    AwaitDeletion(Duration),
    /// Wait, with jitter.
    Pause(Duration),
    /// Claim this version of the predecessor: one patch that adds the finalizer and tells who claims, until
    /// [`Attempt::send_until`](super::Attempt::send_until).
    Claim(Arc<Record>),
    /// Create the RemediationRequest of this name, until [`Attempt::send_until`](super::Attempt::send_until).
    Create(String),
    /// Read the object of this name, until [`Attempt::send_until`](super::Attempt::send_until).
    Get(String),
    /// The result.
    Done(Result<Found, Failure>),
}

/// How far a view must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// To this version, which an answer has shown.
    UpTo(ResourceVersion),
    /// So far that it says something else of the fingerprint than the last read: that was outdated.
    Changed,
}

/// What an attempt found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Found {
    /// This attempt created it; the claim that it made for that is to be released.
    Created { record: Arc<Record>, claimed: Option<Arc<Record>> },
    /// The signal is a duplicate of it; the claim that this attempt made before another created it is to be released.
    Duplicate { record: Arc<Record>, claimed: Option<Arc<Record>> },
    /// There is one, and it cannot be known whether this attempt created it; the claim that it made is to be released.
    InDoubt { claimed: Option<Arc<Record>> },
    /// An object of another fingerprint has the derived name.
    NameTaken(String),
}

/// Why an attempt found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Failure {
    /// The signal's deadline has come; `blocked` if the deletion of the predecessor was waited for.
    Late { blocked: bool },
    /// The API server refuses to create it; the claim is to be released at once, if no create can be under way that relies on
    /// it, of others or of an earlier try. Any other is left to a collector.
    Refused { error: deduplicate::Error, claimed: Option<Arc<Record>> },
    /// The API server does not admit the claim.
    Unclaimable(Error),
    /// The Kubernetes API failed.
    Failed(Error),
}

/// All that is known of one fingerprint.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its objects, in no order.
    pub records: Vec<Arc<Record>>,
    /// A consistent list has said so, not the view.
    pub listed: bool,
}

impl Snapshot {
    /// Identity and version of each record, to tell one snapshot from the next.
    pub(in crate::dedup) fn seen(&self) -> Vec<(Box<str>, ResourceVersion)> {
        let mut seen: Vec<_> = self.records.iter().map(|record| (record.uid.clone(), record.version)).collect();
        seen.sort_unstable();
        seen
    }
}

/// What became of the last effect.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Event {
    /// Nothing yet.
    Begin,
    /// All objects of the fingerprint.
    Read(Snapshot),
    /// Of a try to acquire the lock.
    Lock(Acquisition),
    /// The wait is over.
    Waited,
    /// Answer to [`Effect::Claim`]: the predecessor's new version.
    Claimed(Answer<Arc<Record>>),
    /// Answer to [`Effect::Create`].
    Created(Answer<Arc<Record>>),
    /// The API server refuses the create for good, while an earlier try of it may be `in_doubt`; what the signal is answered.
    Refused { error: deduplicate::Error, in_doubt: bool },
    /// Answer to [`Effect::Get`].
    Got(Answer<Option<Arc<Record>>>),
}

/// What answers have shown of a fingerprint beyond the view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The newest version of an object of it: a decision needs a view that has come so far.
    pub floor: ResourceVersion,
    /// The uid of an object that was answered 404: a decision needs a view that no longer has it, or a consistent list.
    pub gone: Option<Box<str>>,
}
