//! The breadth-first search: exact states, no hashes in their place, and the way back to the start.

use std::{collections::BTreeMap, fmt};

use super::{numbered::Numbered, outcome::Outcome};

/// A state in canonical form.
pub(super) type Packed = u128;

/// What is searched.
pub(super) trait Model {
    /// A state with names that stay the same from one to the next.
    type State: Copy;
    /// What happened between two states, for people.
    type Step: fmt::Display;

    /// The state that all come from.
    fn start(&mut self) -> Self::State;

    /// Adds each step that is possible in `state`, and what comes of it, to `found`.
    fn each(&mut self, state: Self::State, found: &mut Vec<(Self::Step, Self::State)>);

    /// The kind of `step`, one of few, to count by.
    fn kind(step: &Self::Step) -> &'static str;

    /// The canonical form of `state`: states that differ only in names have the same.
    fn pack(&mut self, state: Self::State) -> Packed;

    /// A state with that canonical form.
    fn unpack(&self, packed: Packed) -> Self::State;

    /// What must not be, if it is so in `state`.
    fn violation(&self, state: Self::State) -> Option<String>;

    /// Memory beyond the packed states, in bytes.
    fn bytes(&self) -> u64 {
        0
    }
}

/// Visits every state of `model` that can be reached, the nearest first, until one is a violation, all are visited, or
/// there are more than `states_max`.
pub(super) fn search<M: Model>(model: M, states_max: u32) -> Outcome {
    let visited = Numbered::new();
    Search { model, visited, parents: Vec::new(), transitions: 0, steps: BTreeMap::new() }.run(states_max)
}

struct Search<M: Model> {
    model: M,
    /// The states visited, in the order of their discovery: their own queue.
    visited: Numbered<Packed>,
    /// The number of the state that each was found from.
    parents: Vec<u32>,
    transitions: u64,
    steps: BTreeMap<&'static str, u64>,
}

impl<M: Model> Search<M> {
    fn run(mut self, states_max: u32) -> Outcome {
        let start = self.model.start();
        let packed = self.model.pack(start);
        self.visited.insert(packed);
        self.parents.push(0);
        let mut found = Vec::new();
        let mut depth = 0;
        let mut level_ends = self.visited.len();
        let mut next = 0;
        while next < self.visited.len() {
            if next == level_ends {
                depth += 1;
                level_ends = self.visited.len();
            }
            if let Some((number, violation)) = self.expand(next, &mut found) {
                let trace = self.trace(number);
                return self.outcome(depth + 1, false, Some((trace, violation)));
            }
            if self.visited.len() > states_max {
                return self.outcome(depth, false, None);
            }
            next += 1;
        }
        self.outcome(depth, true, None)
    }

    /// Visits what follows the state `number`; returns the first violation among it.
    fn expand(&mut self, number: u32, found: &mut Vec<(M::Step, M::State)>) -> Option<(u32, String)> {
        let Self { model, visited, parents, transitions, steps } = self;
        let state = model.unpack(*visited.get(number));
        model.each(state, found);
        for (step, next) in found.drain(..) {
            *transitions += 1;
            *steps.entry(M::kind(&step)).or_default() += 1;
            let (place, is_new) = visited.insert(model.pack(next));
            if !is_new {
                continue;
            }
            parents.push(number);
            if let Some(violation) = model.violation(next) {
                return Some((place, violation));
            }
        }
        None
    }

    fn outcome(self, depth: u32, complete: bool, wrong: Option<(Vec<String>, String)>) -> Outcome {
        let Self { model, visited, parents, transitions, steps } = self;
        let bytes = visited.bytes() + (parents.len() * size_of::<u32>()) as u64 + model.bytes();
        let (counterexample, violation) = wrong.unzip();
        Outcome { states: visited.len(), transitions, depth, complete, counterexample, violation, steps, bytes }
    }

    /// The steps from the start to the state `number`, with names that stay the same from one to the next.
    fn trace(&mut self, number: u32) -> Vec<String> {
        let mut way = vec![number];
        while let Some(&last) = way.last().filter(|&&last| last != 0) {
            way.push(self.parents[last as usize]);
        }
        let mut state = self.model.start();
        let mut lines = Vec::new();
        for &number in way.iter().rev().skip(1) {
            let target = *self.visited.get(number);
            let mut found = Vec::new();
            self.model.each(state, &mut found);
            let Some((step, next)) = found.into_iter().find(|(_, next)| self.model.pack(*next) == target) else {
                break;
            };
            lines.push(step.to_string());
            state = next;
        }
        lines
    }
}
