//! What the API server, the replicas and the network remember of one fingerprint.

use super::rules::{Rule, Rules};

/// A RemediationRequest's uid: 1, 2, …; 0 is no RemediationRequest.
pub(super) type Uid = u8;
/// A moment in the API server's history. Only its order relative to others matters.
pub(super) type Revision = u8;

/// RemediationRequests at most: a uid has three bits.
pub(super) const OBJECTS_MAX: usize = 6;
pub(super) const REPLICAS_MAX: usize = 4;
/// Creates under way at most.
pub(super) const IN_FLIGHT_MAX: usize = 4;
/// No predecessor.
pub(super) const NONE: Uid = 0;
/// A predecessor that is gone and that nobody can name again.
pub(super) const FORGOTTEN: Uid = 7;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Absent,
    Active,
    Terminal,
    /// It has a deletionTimestamp, and a finalizer that keeps it.
    Terminating,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) phase: Phase,
    /// Its predecessor, which is its name.
    pub(super) after: Uid,
    /// When it was created, then when it ended: what a deletion must keep its distance from.
    pub(super) since: Revision,
    /// It has the finalizer.
    pub(super) claimed: bool,
    /// Its version while it is claimed.
    pub(super) version: Revision,
    /// The finalizer's removal is under way, in exactly this version.
    pub(super) releasing: bool,
}

/// What a view says about the next signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing exists: create the first.
    #[default]
    Nothing,
    /// Create after this one.
    After(Uid),
    /// One is active, or nothing can be done before the view changes.
    Wait,
}

impl Sight {
    /// After which it would create, if it would.
    pub(super) fn predecessor(self) -> Option<Uid> {
        match self {
            Self::Nothing => Some(NONE),
            Self::After(uid) => Some(uid),
            Self::Wait => None,
        }
    }
}

/// A create, decided on a view of that revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) after: Uid,
    pub(super) decided: Revision,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    Idle,
    /// It has decided on a consistent list.
    Read,
    /// Its create is under way.
    Sent,
    /// Its create was answered 409 AlreadyExists.
    Exists,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) sight: Sight,
    /// How far its view has come.
    pub(super) viewed: Revision,
    pub(super) stage: Stage,
    pub(super) request: Request,
    /// The predecessor's version is still the one that this attempt's claim made.
    pub(super) holds: bool,
}

impl Replica {
    /// Ends the attempt.
    pub(super) fn rest(&mut self) {
        self.stage = Stage::Idle;
        self.request = Request::default();
        self.holds = false;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// By uid, from 1.
    pub(super) objects: [Object; OBJECTS_MAX],
    pub(super) replicas: [Replica; REPLICAS_MAX],
    pub(super) replica_count: u8,
    /// Creates that nobody waits for any more.
    pub(super) orphans: [Request; IN_FLIGHT_MAX],
    pub(super) orphan_count: u8,
    /// The newest revision.
    pub(super) revision: Revision,
    /// The newest uid.
    pub(super) last_uid: Uid,
    /// RemediationRequests created so far.
    pub(super) created: u8,
    /// Active ones deleted so far.
    pub(super) deleted: u8,
}

impl State {
    /// Nothing exists, and every replica knows.
    pub(super) fn start(replicas: u8) -> Self {
        Self {
            objects: Default::default(),
            replicas: Default::default(),
            replica_count: replicas,
            orphans: Default::default(),
            orphan_count: 0,
            revision: 0,
            last_uid: 0,
            created: 0,
            deleted: 0,
        }
    }

    pub(super) fn replicas(&self) -> &[Replica] {
        &self.replicas[..usize::from(self.replica_count)]
    }

    pub(super) fn replicas_mut(&mut self) -> &mut [Replica] {
        &mut self.replicas[..usize::from(self.replica_count)]
    }

    pub(super) fn orphans(&self) -> &[Request] {
        &self.orphans[..usize::from(self.orphan_count)]
    }

    pub(super) fn orphans_mut(&mut self) -> &mut [Request] {
        &mut self.orphans[..usize::from(self.orphan_count)]
    }

    pub(super) fn push_orphan(&mut self, request: Request) {
        self.orphans[usize::from(self.orphan_count)] = request;
        self.orphan_count += 1;
    }

    pub(super) fn remove_orphan(&mut self, index: usize) {
        self.orphan_count -= 1;
        let last = usize::from(self.orphan_count);
        self.orphans[index] = self.orphans[last];
        self.orphans[last] = Request::default();
    }

    /// The object `uid`, `Absent` if it is gone.
    pub(super) fn object(&self, uid: Uid) -> Object {
        self.objects.get(usize::from(uid).wrapping_sub(1)).copied().unwrap_or_default()
    }

    pub(super) fn object_mut(&mut self, uid: Uid) -> &mut Object {
        &mut self.objects[usize::from(uid) - 1]
    }

    /// What exists, oldest first.
    pub(super) fn existing(&self) -> impl DoubleEndedIterator<Item = (Uid, Object)> {
        [1, 2, 3, 4, 5, 6].into_iter().zip(self.objects).filter(|(_, object)| object.phase != Phase::Absent)
    }

    /// The object whose name is derived from `after`.
    pub(super) fn named_after(&self, after: Uid) -> Option<(Uid, Object)> {
        self.existing().find(|(_, object)| object.after == after)
    }

    /// What there must be one of at most.
    pub(super) fn active(&self) -> usize {
        self.existing().filter(|(_, object)| object.phase == Phase::Active).count()
    }

    /// What somebody who reads now decides.
    pub(super) fn sights(&self, rules: Rules) -> Vec<Sight> {
        let ended = self.existing().rev().map(|(uid, _)| Sight::After(uid));
        match self.existing().next() {
            None => vec![Sight::Nothing],
            Some(_) if self.active() > 0 => vec![Sight::Wait],
            Some(_) if rules.has(Rule::Latest) => ended.take(1).collect(),
            Some(_) => ended.collect(),
        }
    }

    /// Creates under way.
    pub(super) fn in_flight(&self) -> u8 {
        let sent = self.replicas().iter().filter(|replica| replica.stage == Stage::Sent).count();
        self.orphan_count + u8::try_from(sent).unwrap_or(u8::MAX)
    }

    /// The oldest moment that anything alive was decided on, or may yet be.
    pub(super) fn oldest(&self, rules: Rules) -> Revision {
        let viewed = self.replicas().iter().map(|replica| replica.viewed);
        let attempted = self.replicas().iter().filter(|r| r.stage != Stage::Idle).map(|r| r.request.decided);
        let orphaned = self.orphans().iter().filter(|_| rules.has(Rule::RequestsEnd)).map(|orphan| orphan.decided);
        viewed.chain(attempted).chain(orphaned).min().unwrap_or(self.revision)
    }

    /// The next revision, for a write.
    pub(super) fn write(&mut self) -> Revision {
        self.revision += 1;
        self.revision
    }

    /// The attempt of `replica` lets go what it claimed, in the background.
    pub(super) fn release_held(&mut self, replica: &Replica) {
        if replica.holds {
            self.object_mut(replica.request.after).releasing = true;
        }
    }

    /// No attempt's claim on `uid` is the newest any more.
    pub(super) fn unhold(&mut self, uid: Uid) {
        for replica in self.replicas_mut() {
            replica.holds &= replica.request.after != uid;
        }
    }
}
