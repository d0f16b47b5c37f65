//! Which states have been seen, and what is left to be tried from them.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::choice::{Candidate, Choice};

/// So that threads rarely wait for each other.
const SHARDS: usize = 64;

/// What is known of a state.
enum Seen {
    /// Every choice was tried from it, except for these: they lead to states that are reached in another way.
    Except(Box<[Choice]>),
    /// Every choice was tried that is possible with this many departures from the default order left.
    Within(u32),
}

/// A choice to be tried, and how.
pub(super) struct Branch {
    pub(super) choice: Choice,
    /// What need not be tried after it: it commutes with the choice and is tried without it.
    pub(super) sleep: Vec<Candidate>,
    /// Departures from the default order left after it.
    pub(super) left: Option<u32>,
}

/// What can be chosen in a state.
pub(super) struct Options<'a> {
    pub(super) candidates: &'a [Candidate],
    /// Those from which all else follows.
    pub(super) sufficient: &'a [Choice],
    /// What need not be chosen.
    pub(super) sleep: &'a [Candidate],
}

/// What is to be tried from a state.
pub(super) struct Admission {
    pub(super) branches: Vec<Branch>,
    /// It was not seen before.
    pub(super) is_new: bool,
    /// No departures are left for something that could be chosen.
    pub(super) is_cut: bool,
}

/// The states seen so far, by their digests.
pub(super) struct Visited {
    shards: Vec<Mutex<BTreeMap<u128, Seen>>>,
    reduce: bool,
}

impl Visited {
    /// None yet; choices that commute are tried in one order only if `reduce`.
    pub(super) fn new(reduce: bool) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), reduce }
    }

    /// What is to be tried from the state `digest`.
    pub(super) fn admit(&self, digest: u128, options: &Options<'_>, left: Option<u32>) -> Admission {
        let shard = &self.shards[usize::try_from(digest % SHARDS as u128).unwrap_or(0)];
        let mut shard = shard.lock();
        match left {
            Some(left) => within(&mut shard, digest, options.candidates, left),
            None => self.except(&mut shard, digest, options),
        }
    }

    /// Persistent sets and sleep sets with state caching (Godefroid, "Partial-Order Methods", 1996, section 5): a state
    /// that is reached again is tried with what slept then and does not sleep now.
    fn except(&self, shard: &mut BTreeMap<u128, Seen>, digest: u128, options: &Options<'_>) -> Admission {
        let Options { candidates, sufficient, sleep } = *options;
        let sleeps = |choice: &Choice| sleep.iter().any(|candidate| candidate.choice == *choice);
        let before = match shard.get(&digest) {
            Some(Seen::Except(slept)) => Some(slept.clone()),
            _ => None,
        };
        let suffices = |choice: &Choice| !self.reduce || sufficient.contains(choice);
        let is_open = |choice: &Choice| before.as_ref().map_or(suffices(choice), |slept| slept.contains(choice));
        let mut asleep = sleep.to_vec();
        let mut branches = Vec::new();
        for candidate in candidates.iter().filter(|candidate| is_open(&candidate.choice) && !sleeps(&candidate.choice))
        {
            let commutes = |other: &&Candidate| self.reduce && other.commutes_with(candidate);
            let sleep = asleep.iter().filter(commutes).copied().collect();
            branches.push(Branch { choice: candidate.choice, sleep, left: None });
            asleep.push(*candidate);
        }
        let slept_before = |choice: &Choice| before.as_ref().is_none_or(|slept| slept.contains(choice));
        let slept = candidates.iter().map(|candidate| candidate.choice);
        let slept = slept.filter(|choice| sleeps(choice) && slept_before(choice)).collect();
        shard.insert(digest, Seen::Except(slept));
        Admission { branches, is_new: before.is_none(), is_cut: false }
    }
}

/// A state that is reached again is tried again if more departures are left.
fn within(shard: &mut BTreeMap<u128, Seen>, digest: u128, candidates: &[Candidate], left: u32) -> Admission {
    let before = match shard.get(&digest) {
        Some(Seen::Within(before)) => Some(*before),
        _ => None,
    };
    let mut admission = Admission { branches: Vec::new(), is_new: before.is_none(), is_cut: false };
    if before.is_some_and(|before| before >= left) {
        return admission;
    }
    shard.insert(digest, Seen::Within(left));
    for (index, candidate) in candidates.iter().enumerate() {
        let costs = u32::from(index > 0 && !candidate.choice.is_fault());
        match left.checked_sub(costs) {
            Some(left) => {
                admission.branches.push(Branch { choice: candidate.choice, sleep: Vec::new(), left: Some(left) });
            }
            None => admission.is_cut = true,
        }
    }
    admission
}
