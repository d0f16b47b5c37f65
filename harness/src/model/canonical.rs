//! States that differ only in names are one: 16 bytes each, exact.
//!
//! What makes no difference to anything that can still happen is left out: which replica is which; uids and revisions
//! beyond their order; revisions that nothing alive is older than; a view that names a predecessor which can never be
//! claimed again. So every state stands for many, and a step that is possible in one of them is possible in all.

use super::{
    bounds::Bounds,
    rules::{Rule, Rules},
    search::Packed,
    state::{FORGOTTEN, NONE, OBJECTS_MAX, Object, Phase, Replica, Request, Revision, Sight, Stage, State, Uid},
};

const UID: u32 = 3;
const LEVEL: u32 = 3;
const OBJECT: u32 = 2 + UID + LEVEL + 1 + LEVEL + 1;
const REPLICA: u32 = UID + LEVEL + 2 + REQUEST + 1;
const REQUEST: u32 = UID + LEVEL;
const BUDGET: u32 = 3;
/// How a view that waits is written in place of a uid.
const WAIT: u8 = 7;

/// Bits of a packed state within `bounds`.
pub(super) fn bits(bounds: &Bounds) -> u32 {
    let Bounds { replicas, creations, in_flight, .. } = *bounds;
    // Orphans are told from none by their count.
    2 * BUDGET + BUDGET + u32::from(creations) * OBJECT + u32::from(replicas) * REPLICA + u32::from(in_flight) * REQUEST
}

/// The canonical form of `state`.
pub(super) fn canonical(mut state: State, bounds: &Bounds, rules: Rules) -> Packed {
    forget(&mut state, bounds, rules);
    rank_revisions(&mut state, rules);
    rename(&mut state);
    state.replicas_mut().sort_unstable_by_key(pack_replica);
    state.orphans_mut().sort_unstable_by_key(|orphan| pack_request(*orphan));
    pack(&state, bounds)
}

/// Leaves out what can have no consequences.
fn forget(state: &mut State, bounds: &Bounds, rules: Rules) {
    let oldest = state.oldest(rules);
    let is_final = rules.has(Rule::TerminalIsFinal);
    let settled = |revision: Revision| if revision <= oldest { 0 } else { revision };
    for object in &mut state.objects {
        let undeletable = object.phase == Phase::Active && state.deleted >= bounds.deletions && is_final;
        let since = if undeletable || object.phase == Phase::Terminating { 0 } else { settled(object.since) };
        let version = if object.claimed { settled(object.version) } else { 0 };
        *object = Object { since, version, releasing: object.releasing && object.claimed, ..*object };
    }
    let unclaimable = [Rule::Claim, Rule::AwaitDeletion].into_iter().all(|rule| rules.has(rule));
    let objects = state.objects;
    for replica in state.replicas_mut() {
        if let Sight::After(uid) = replica.sight {
            let object = objects[usize::from(uid) - 1];
            let gone = object.phase == Phase::Absent || object.phase == Phase::Terminating && !object.claimed;
            if gone && unclaimable {
                replica.sight = Sight::Wait;
            }
        }
    }
}

/// Revisions become levels: two that nothing separates are one, and only the order of decisions and writes counts.
fn rank_revisions(state: &mut State, rules: Rules) {
    let _ = rules;
    let mut writes: u128 = 0;
    for object in &state.objects {
        writes |= (1 << object.since) | (1 << object.version);
    }
    let mut reads: u128 = 0;
    for replica in state.replicas() {
        reads |= 1 << replica.viewed;
        if replica.stage != Stage::Idle {
            reads |= 1 << replica.request.decided;
        }
    }
    for orphan in state.orphans() {
        reads |= 1 << orphan.decided;
    }
    // A write is followed by the reads that know it; the next write after a read begins a level.
    let mut levels = [0; 128];
    let mut level = 0;
    let mut read = false;
    for (revision, slot) in (0..=state.revision).zip(&mut levels) {
        if revision > 0 && writes & (1 << revision) != 0 && read {
            level += 1;
            read = false;
        }
        read |= reads & (1 << revision) != 0;
        *slot = level;
    }
    let rank = |revision: Revision| levels[usize::from(revision)];
    for object in &mut state.objects {
        (object.since, object.version) = (rank(object.since), rank(object.version));
    }
    for replica in state.replicas_mut() {
        replica.viewed = rank(replica.viewed);
        if replica.stage != Stage::Idle {
            replica.request.decided = rank(replica.request.decided);
        }
    }
    for orphan in state.orphans_mut() {
        orphan.decided = rank(orphan.decided);
    }
    state.revision = level;
}

/// Uids become 1, 2, … in the order of those that anything still names.
fn rename(state: &mut State) {
    let mut named: u8 = 1 << NONE;
    for (uid, _) in state.existing() {
        named |= 1 << uid;
    }
    for replica in state.replicas() {
        named |= 1 << replica.request.after;
        if let Sight::After(uid) = replica.sight {
            named |= 1 << uid;
        }
    }
    for orphan in state.orphans() {
        named |= 1 << orphan.after;
    }
    let name = |uid: Uid| match named & (1 << uid) {
        0 => FORGOTTEN,
        _ => Uid::try_from((named & ((1u8 << uid) - 1)).count_ones()).unwrap_or(FORGOTTEN),
    };
    let mut objects = [Object::default(); OBJECTS_MAX];
    for (uid, object) in state.existing() {
        objects[usize::from(name(uid)) - 1] = Object { after: name(object.after), ..object };
    }
    state.objects = objects;
    for replica in state.replicas_mut() {
        replica.request.after = name(replica.request.after);
        if let Sight::After(uid) = replica.sight {
            replica.sight = Sight::After(name(uid));
        }
    }
    for orphan in state.orphans_mut() {
        orphan.after = name(orphan.after);
    }
    state.last_uid = Uid::try_from(named.count_ones() - 1).unwrap_or(FORGOTTEN);
}

fn pack_request(request: Request) -> u32 {
    u32::from(request.after) | u32::from(request.decided) << UID
}

fn pack_replica(replica: &Replica) -> u32 {
    let sight = match replica.sight {
        Sight::Nothing => NONE,
        Sight::After(uid) => uid,
        Sight::Wait => WAIT,
    };
    let mut bits = u32::from(replica.holds);
    bits = bits << REQUEST | pack_request(replica.request);
    bits = bits << 2 | replica.stage as u32;
    bits = bits << LEVEL | u32::from(replica.viewed);
    bits << UID | u32::from(sight)
}

fn pack_object(object: &Object) -> u32 {
    let mut bits = u32::from(object.claimed) | u32::from(object.releasing) << 1;
    bits = bits << LEVEL | u32::from(object.version);
    bits = bits << LEVEL | u32::from(object.since);
    bits = bits << UID | u32::from(object.after);
    bits << 2 | object.phase as u32
}

fn pack(state: &State, bounds: &Bounds) -> Packed {
    assert!(state.revision < 1 << LEVEL, "more levels than {LEVEL} bits hold: {state:?}");
    let mut packed: Packed = 0;
    let mut put = |value: u32, width: u32| packed = packed << width | Packed::from(value);
    for orphan in &state.orphans[..usize::from(bounds.in_flight)] {
        put(pack_request(*orphan), REQUEST);
    }
    for replica in state.replicas() {
        put(pack_replica(replica), REPLICA);
    }
    for object in &state.objects[..usize::from(bounds.creations)] {
        put(pack_object(object), OBJECT);
    }
    put(state.orphan_count.into(), BUDGET);
    put(state.created.into(), BUDGET);
    put(state.deleted.into(), BUDGET);
    packed
}

/// Takes values off the end of a packed state.
struct Take(Packed);

impl Take {
    fn take(&mut self, width: u32) -> u8 {
        let value = self.0 & ((1 << width) - 1);
        self.0 >>= width;
        u8::try_from(value).unwrap_or(u8::MAX)
    }

    fn request(&mut self) -> Request {
        Request { after: self.take(UID), decided: self.take(LEVEL) }
    }

    fn replica(&mut self) -> Replica {
        let sight = match self.take(UID) {
            NONE => Sight::Nothing,
            WAIT => Sight::Wait,
            uid => Sight::After(uid),
        };
        let viewed = self.take(LEVEL);
        let stage = match self.take(2) {
            0 => Stage::Idle,
            1 => Stage::Read,
            2 => Stage::Sent,
            _ => Stage::Exists,
        };
        Replica { sight, viewed, stage, request: self.request(), holds: self.take(1) == 1 }
    }

    fn object(&mut self) -> Object {
        let phase = match self.take(2) {
            0 => Phase::Absent,
            1 => Phase::Active,
            2 => Phase::Terminal,
            _ => Phase::Terminating,
        };
        let (after, since, version) = (self.take(UID), self.take(LEVEL), self.take(LEVEL));
        Object { phase, after, since, version, claimed: self.take(1) == 1, releasing: self.take(1) == 1 }
    }
}

/// The state that was packed within `bounds`.
pub(super) fn unpack(packed: Packed, bounds: &Bounds) -> State {
    let mut state = State::start(bounds.replicas);
    let mut bits = Take(packed);
    state.deleted = bits.take(BUDGET);
    state.created = bits.take(BUDGET);
    state.orphan_count = bits.take(BUDGET);
    for object in state.objects[..usize::from(bounds.creations)].iter_mut().rev() {
        *object = bits.object();
    }
    for replica in state.replicas_mut().iter_mut().rev() {
        *replica = bits.replica();
    }
    for orphan in state.orphans[..usize::from(bounds.in_flight)].iter_mut().rev() {
        *orphan = bits.request();
    }
    let written = state.objects.iter().flat_map(|object| [object.since, object.version]);
    let read = state.replicas().iter().flat_map(|replica| [replica.viewed, replica.request.decided]);
    let orphaned = state.orphans().iter().map(|orphan| orphan.decided);
    state.revision = written.chain(read).chain(orphaned).max().unwrap_or_default();
    let existing = state.existing().map(|(uid, _)| uid).max();
    let seen = state.replicas().iter().map(|replica| match replica.sight {
        Sight::After(uid) => uid.max(replica.request.after),
        Sight::Nothing | Sight::Wait => replica.request.after,
    });
    let sent = state.orphans().iter().map(|orphan| orphan.after);
    state.last_uid = existing.into_iter().chain(seen).chain(sent).max().unwrap_or(NONE);
    state
}
