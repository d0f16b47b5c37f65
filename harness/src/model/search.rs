//! The breadth-first search: exact states, no hashes in their place, and the way back to the start.

use std::collections::BTreeMap;

use super::{
    bounds::Bounds,
    canonical::{Packed, bits, canonical, unpack},
    outcome::Outcome,
    rules::Rules,
    state::{IN_FLIGHT_MAX, OBJECTS_MAX, REPLICAS_MAX, State},
    steps::{self, Step},
};

/// Visits every state within `bounds` that can be reached under `rules`, the nearest first, until two RemediationRequests
/// are active, all are visited, or there are more than [`Bounds::states_max`].
///
/// # Panics
/// If the bounds are wider than a packed state.
pub fn check(bounds: &Bounds, rules: &Rules) -> Outcome {
    let Bounds { replicas, creations, in_flight, deletions, .. } = *bounds;
    assert!(usize::from(replicas) <= REPLICAS_MAX, "at most {REPLICAS_MAX} replicas");
    assert!(usize::from(creations) <= OBJECTS_MAX, "at most {OBJECTS_MAX} creations");
    assert!(usize::from(in_flight) <= IN_FLIGHT_MAX, "at most {IN_FLIGHT_MAX} in flight");
    assert!(deletions < 8 && bits(bounds) <= Packed::BITS, "a state of {} bits does not fit", bits(bounds));
    Search { bounds: *bounds, rules: *rules, visited: Visited::new(), transitions: 0, steps: BTreeMap::new() }.run()
}

struct Search {
    bounds: Bounds,
    rules: Rules,
    visited: Visited,
    transitions: u64,
    steps: BTreeMap<&'static str, u64>,
}

impl Search {
    fn run(mut self) -> Outcome {
        let start = canonical(State::start(self.bounds.replicas), &self.bounds, self.rules);
        self.visited.insert(start, 0);
        let mut depth = 0;
        let mut level_ends = self.visited.len();
        let mut next = 0;
        while next < self.visited.len() {
            if next == level_ends {
                depth += 1;
                level_ends = self.visited.len();
            }
            if let Some(twins) = self.expand(next) {
                let trace = self.trace(twins);
                return self.outcome(depth + 1, false, Some(trace));
            }
            if self.visited.len() > self.bounds.states_max {
                return self.outcome(depth, false, None);
            }
            next += 1;
        }
        self.outcome(depth, true, None)
    }

    /// Visits what follows the state at `index`; returns where twins are, if it finds any.
    fn expand(&mut self, index: u32) -> Option<u32> {
        let Self { bounds, rules, visited, transitions, steps } = self;
        let state = unpack(visited.state(index), bounds);
        let mut twins = None;
        steps::each(&state, bounds, *rules, &mut |step, next| {
            *transitions += 1;
            *steps.entry(step.kind).or_default() += 1;
            if twins.is_none() {
                let place = visited.insert(canonical(next, bounds, *rules), index);
                twins = place.filter(|_| next.active() > 1);
            }
        });
        twins
    }

    fn outcome(self, depth: u32, complete: bool, counterexample: Option<Vec<String>>) -> Outcome {
        let Self { visited, transitions, steps, .. } = self;
        Outcome { states: visited.len(), transitions, depth, complete, counterexample, steps, bytes: visited.bytes() }
    }

    /// The steps from the start to the state at `index`, with names that stay the same from one to the next.
    fn trace(&self, index: u32) -> Vec<String> {
        let mut way = vec![index];
        while let Some(&last) = way.last().filter(|&&last| last != 0) {
            way.push(self.visited.parent(last));
        }
        let mut state = State::start(self.bounds.replicas);
        let mut lines = Vec::new();
        for &index in way.iter().rev().skip(1) {
            let target = self.visited.state(index);
            let mut taken: Option<(Step, State)> = None;
            steps::each(&state, &self.bounds, self.rules, &mut |step, next| {
                if taken.is_none() && canonical(next, &self.bounds, self.rules) == target {
                    taken = Some((step, next));
                }
            });
            let Some((step, next)) = taken else { break };
            lines.push(step.to_string());
            state = next;
        }
        lines
    }
}

/// Entries per chunk, so that a growing list is never copied.
const CHUNK: usize = 1 << 20;
/// Slots of the first table.
const TABLE: usize = 1 << 12;

/// The states visited, in the order of their discovery: their own queue, each with the state it was found from.
struct Visited {
    states: Vec<Vec<Packed>>,
    parents: Vec<Vec<u32>>,
    /// Open addressing: a state's index + 1, or 0.
    table: Vec<u32>,
    len: u32,
}

impl Visited {
    fn new() -> Self {
        Self { states: Vec::new(), parents: Vec::new(), table: vec![0; TABLE], len: 0 }
    }

    fn len(&self) -> u32 {
        self.len
    }

    fn state(&self, index: u32) -> Packed {
        self.states[index as usize / CHUNK][index as usize % CHUNK]
    }

    fn parent(&self, index: u32) -> u32 {
        self.parents[index as usize / CHUNK][index as usize % CHUNK]
    }

    /// Adds `state`, found from `parent`; returns its index if it is new.
    fn insert(&mut self, state: Packed, parent: u32) -> Option<u32> {
        let slot = self.slot(state)?;
        let index = self.len;
        self.table[slot] = index + 1;
        self.len += 1;
        if (index as usize).is_multiple_of(CHUNK) {
            self.states.push(Vec::new());
            self.parents.push(Vec::new());
        }
        self.states.last_mut()?.push(state);
        self.parents.last_mut()?.push(parent);
        if self.len as usize * 4 > self.table.len() * 3 {
            self.grow();
        }
        Some(index)
    }

    /// Where `state` belongs, unless it is there already.
    fn slot(&self, state: Packed) -> Option<usize> {
        let mask = self.table.len() - 1;
        let mut slot = hash(state) & mask;
        loop {
            match self.table[slot].checked_sub(1) {
                None => return Some(slot),
                Some(index) if self.state(index) == state => return None,
                Some(_) => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for index in 0..self.len {
            if let Some(slot) = self.slot(self.state(index)) {
                self.table[slot] = index + 1;
            }
        }
    }

    fn bytes(&self) -> u64 {
        let per_state = size_of::<Packed>() + size_of::<u32>();
        (self.len as usize * per_state + self.table.len() * size_of::<u32>()) as u64
    }
}

/// The finalizer of SplitMix64 over both halves.
fn hash(state: Packed) -> usize {
    let mix = |x: u64| {
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    };
    mix((state >> 64) as u64 ^ mix(state as u64)) as usize
}
