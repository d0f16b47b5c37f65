//! Everything that can happen next: one request's effect, one look at the view, one failure at a time.

use std::fmt;

use super::{
    bounds::Bounds,
    rules::{Rule, Rules},
    state::{NONE, Object, Phase, Replica, Request, Revision, Sight, Stage, State, Uid},
};

/// The kind of a creation that does not follow the latest.
pub(super) const FORK: &str = "a fork";
/// What a replica learns when it asks for what exists.
pub(super) const GET_NOTHING: &str = "GET: 404";
pub(super) const GET_ACTIVE: &str = "GET: its duplicate is the active";
pub(super) const GET_ENDED: &str = "GET: decides again, or its duplicate is the ended";
pub(super) const GET_TERMINATING: &str = "GET: has to wait for the deletion of";

/// What happened, for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// One of few, to count by.
    pub(super) kind: &'static str,
    who: Who,
    uid: Uid,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Replica(usize),
    /// A request whose sender has given up.
    Straggler,
    /// The object itself, or its owner.
    Object,
}

impl Step {
    /// Whether the replica of this index did it.
    pub(super) fn is_of(&self, index: usize) -> bool {
        matches!(self.who, Who::Replica(replica) if replica == index)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::Replica(index) => write!(f, "replica {}: ", index + 1)?,
            Who::Straggler => f.write_str("straggler: ")?,
            Who::Object => {}
        }
        f.write_str(self.kind)?;
        if self.uid == NONE { Ok(()) } else { write!(f, " #{}", self.uid) }
    }
}

/// Calls `found` with each step that is possible in `state` and what comes of it.
pub(super) fn each(state: &State, bounds: &Bounds, rules: Rules, found: &mut impl FnMut(Step, State)) {
    let mut steps = Steps { state, bounds, rules, found };
    for (index, replica) in state.replicas().iter().enumerate() {
        steps.look(index);
        match replica.stage {
            Stage::Idle => steps.idle(index, replica),
            Stage::Read => steps.read(index, replica),
            Stage::Sent => steps.sent(index, replica),
            Stage::Exists => steps.exists(index, replica),
        }
    }
    for (index, orphan) in state.orphans().iter().enumerate() {
        steps.straggle(index, *orphan);
    }
    for (uid, object) in state.existing() {
        steps.live(uid, object);
        steps.claim_late(uid, object);
        steps.unclaim(uid, object);
    }
}

struct Steps<'a, F> {
    state: &'a State,
    bounds: &'a Bounds,
    rules: Rules,
    found: &'a mut F,
}

impl<F: FnMut(Step, State)> Steps<'_, F> {
    fn emit(&mut self, kind: &'static str, who: Who, uid: Uid, state: State) {
        (self.found)(Step { kind, who, uid }, state);
    }

    /// The view catches up. Where it stays, it is a consistent prefix of history.
    fn look(&mut self, index: usize) {
        for sight in self.state.sights(self.rules) {
            let mut next = *self.state;
            let replica = &mut next.replicas[index];
            (replica.sight, replica.viewed) = (sight, self.state.revision);
            if next.replicas[index] != self.state.replicas[index] {
                self.emit("its view catches up", Who::Replica(index), NONE, next);
            }
        }
    }

    /// Decides on its view, or on a consistent list that leaves the view behind.
    fn idle(&mut self, index: usize, replica: &Replica) {
        if let Some(after) = replica.sight.predecessor() {
            self.go_on(index, Request { after, decided: replica.viewed });
        }
        let sights = if self.bounds.lists { self.state.sights(self.rules) } else { Vec::new() };
        for after in sights.into_iter().filter_map(Sight::predecessor) {
            let mut next = *self.state;
            let replica = &mut next.replicas[index];
            (replica.stage, replica.request) = (Stage::Read, Request { after, decided: self.state.revision });
            self.emit("reads a consistent list: none is active, the latest is", Who::Replica(index), after, next);
        }
    }

    fn read(&mut self, index: usize, replica: &Replica) {
        self.go_on(index, replica.request);
        let mut next = *self.state;
        next.replicas[index].rest();
        self.emit("gives up or crashes after its list", Who::Replica(index), NONE, next);
    }

    /// Carries a decision out.
    fn go_on(&mut self, index: usize, request: Request) {
        if request.after == NONE {
            self.send(index, request, false, *self.state);
        } else {
            self.claim(index, request);
        }
    }

    /// The create goes out, from `state`.
    fn send(&mut self, index: usize, request: Request, holds: bool, mut state: State) {
        if self.state.in_flight() >= self.bounds.in_flight {
            return;
        }
        let replica = &mut state.replicas[index];
        (replica.stage, replica.request, replica.holds) = (Stage::Sent, request, holds);
        let kind = match (request.after, holds) {
            (NONE, _) => "sends a create without a predecessor",
            (_, true) => "claims, and sends a create after",
            (_, false) => "sends a create, without a claim of its own, after",
        };
        self.emit(kind, Who::Replica(index), request.after, state);
    }

    /// The claim takes effect, and the create goes out. Tells whether that was possible.
    fn claim(&mut self, index: usize, request: Request) -> bool {
        let Request { after, mut decided } = request;
        let object = self.state.object(after);
        let is_terminating = object.phase == Phase::Terminating;
        if !self.rules.has(Rule::Claim) || (object.claimed && !self.rules.has(Rule::Renewal)) {
            self.send(index, request, false, *self.state);
            return true;
        }
        if is_terminating && !object.claimed {
            // 422: a terminating object admits no new finalizer.
            if !self.rules.has(Rule::AwaitDeletion) {
                self.send(index, request, false, *self.state);
            }
            return false;
        }
        if !is_terminating && object.phase != Phase::Terminal {
            // 404; or it is active again, and the signal its duplicate.
            return false;
        }
        let is_conflict = object.claimed && object.version > decided;
        if is_conflict && !self.rules.has(Rule::GetKeepsAge) {
            decided = self.state.revision;
        }
        let mut next = *self.state;
        let version = next.write();
        if !self.rules.has(Rule::ClaimKeepsAge) {
            decided = version;
        }
        self.mark_claimed(&mut next, after, version);
        self.send(index, Request { after, decided }, true, next);
        true
    }

    fn mark_claimed(&self, next: &mut State, uid: Uid, version: Revision) {
        next.unhold(uid);
        let object = next.object_mut(uid);
        let releasing = object.releasing && !self.rules.has(Rule::ReleaseInVersion);
        *object = Object { claimed: true, version, releasing, ..*object };
    }

    /// A claim whose sender has given up takes effect; nobody relies on it.
    fn claim_late(&mut self, uid: Uid, object: Object) {
        let admits = object.phase == Phase::Terminal || object.phase == Phase::Terminating && object.claimed;
        if self.bounds.late_claims && admits && self.rules.has(Rule::Claim) {
            let mut next = *self.state;
            let version = next.write();
            self.mark_claimed(&mut next, uid, version);
            self.emit("a late claim takes effect on", Who::Straggler, uid, next);
        }
    }

    fn sent(&mut self, index: usize, replica: &Replica) {
        let who = Who::Replica(index);
        let mut next = *self.state;
        next.push_orphan(replica.request);
        if self.state.in_flight() < self.bounds.in_flight {
            self.emit("gets no answer, and sends its create again, after", who, replica.request.after, next);
        }
        next.replicas[index].rest();
        self.emit("gives up or crashes while its create is under way, after", who, replica.request.after, next);

        let after = replica.request.after;
        let mut next = *self.state;
        if self.is_taken(after) {
            next.replicas[index].stage = Stage::Exists;
            return self.emit("409 AlreadyExists to its create after", who, after, next);
        }
        next.replicas[index].rest();
        next.release_held(replica);
        self.create(who, after, next);
    }

    fn is_taken(&self, after: Uid) -> bool {
        self.rules.has(Rule::DerivedNames) && self.state.named_after(after).is_some()
    }

    /// A create after `after` takes effect.
    fn create(&mut self, who: Who, after: Uid, mut next: State) {
        if next.created >= self.bounds.creations {
            return;
        }
        let latest = next.existing().next_back().map_or(NONE, |(uid, _)| uid);
        let since = next.write();
        next.created += 1;
        next.last_uid += 1;
        let uid = next.last_uid;
        *next.object_mut(uid) = Object { phase: Phase::Active, after, since, ..Object::default() };
        let kind = if latest == after { "201: this create made" } else { FORK };
        self.emit(kind, who, uid, next);
    }

    /// After a 409 to the create: GET, and what follows from it.
    fn exists(&mut self, index: usize, replica: &Replica) {
        let who = Who::Replica(index);
        let Request { after, decided } = replica.request;
        let mut next = *self.state;
        next.replicas[index].rest();
        self.emit("gives up or crashes before it reads what exists after", who, after, next);
        let Some((uid, object)) = self.state.named_after(after) else {
            return self.emit(GET_NOTHING, who, NONE, next);
        };
        if object.phase == Phase::Terminating {
            let decided = if self.rules.has(Rule::GetKeepsAge) { decided } else { self.state.revision };
            if !self.claim(index, Request { after: uid, decided }) {
                self.emit(GET_TERMINATING, who, uid, next);
            }
            return;
        }
        // A successor that still suppresses signals is as good as an active one: the claim is let go.
        next.release_held(replica);
        let is_active = object.phase == Phase::Active;
        let kind = if is_active { GET_ACTIVE } else { GET_ENDED };
        self.emit(kind, who, uid, next);
    }

    /// A create that nobody waits for: effect or loss. One that meets its name is as good as lost.
    fn straggle(&mut self, index: usize, orphan: Request) {
        let mut next = *self.state;
        next.remove_orphan(index);
        self.emit("its create is lost, after", Who::Straggler, orphan.after, next);
        if !self.is_taken(orphan.after) {
            self.create(Who::Straggler, orphan.after, next);
        }
    }

    /// What others do to an object: it ends, retention or a user deletes it.
    fn live(&mut self, uid: Uid, object: Object) {
        let oldest = self.state.oldest(self.rules);
        match object.phase {
            Phase::Active => {
                let mut next = *self.state;
                let since = next.write();
                *next.object_mut(uid) = Object { phase: Phase::Terminal, since, ..object };
                self.emit("ends:", Who::Object, uid, next);
                let waited = object.since <= oldest || !self.rules.has(Rule::UserWaits);
                if self.state.deleted < self.bounds.deletions && waited {
                    let mut next = self.deleted(uid, object);
                    next.deleted += 1;
                    self.emit("a user deletes the active", Who::Object, uid, next);
                }
            }
            Phase::Terminal => {
                if object.since <= oldest || !self.rules.has(Rule::RetentionWaits) {
                    let next = self.deleted(uid, object);
                    self.emit("retention deletes", Who::Object, uid, next);
                }
                if !self.rules.has(Rule::TerminalIsFinal) {
                    let mut next = *self.state;
                    next.object_mut(uid).phase = Phase::Active;
                    self.emit("leaves its terminal phase:", Who::Object, uid, next);
                }
            }
            Phase::Terminating if !object.claimed => {
                let mut next = *self.state;
                *next.object_mut(uid) = Object::default();
                self.emit("the last finalizer goes, and with it", Who::Object, uid, next);
            }
            Phase::Terminating | Phase::Absent => {}
        }
    }

    /// After a DELETE: gone, or terminating in a new version.
    fn deleted(&self, uid: Uid, object: Object) -> State {
        let mut next = *self.state;
        let version = next.write();
        next.unhold(uid);
        let releasing = object.releasing && !self.rules.has(Rule::ReleaseInVersion);
        *next.object_mut(uid) = if object.claimed || self.bounds.other_finalizers {
            Object { phase: Phase::Terminating, version, releasing, ..object }
        } else {
            Object::default()
        };
        next
    }

    /// The finalizer goes: by the attempt that knows the successor, or by a collector.
    fn unclaim(&mut self, uid: Uid, object: Object) {
        if !object.claimed {
            return;
        }
        let mut next = *self.state;
        next.write();
        next.unhold(uid);
        let goes = object.phase == Phase::Terminating && !self.bounds.other_finalizers;
        let free = Object { claimed: false, version: 0, releasing: false, ..object };
        *next.object_mut(uid) = if goes { Object::default() } else { free };
        if object.releasing {
            self.emit("the claim is released on", Who::Object, uid, next);
        }
        if object.version <= self.state.oldest(self.rules) || !self.rules.has(Rule::CollectorWaits) {
            self.emit("a collector clears the claim on", Who::Object, uid, next);
        }
    }
}
