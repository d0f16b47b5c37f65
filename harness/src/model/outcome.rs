//! What a search found.

use std::{collections::BTreeMap, fmt};

use super::steps;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Different states visited, up to the names of what is in them.
    pub states: u32,
    /// Steps taken from them.
    pub transitions: u64,
    /// Steps from the start to the farthest state.
    pub depth: u32,
    /// Whether every state within the bounds was visited.
    pub complete: bool,
    /// The shortest way to what must not be, one step a line.
    pub counterexample: Option<Vec<String>>,
    /// What it leads to.
    pub violation: Option<String>,
    /// How often each kind of step was taken: one that never was is not checked.
    pub steps: BTreeMap<&'static str, u64>,
    /// Memory of the visited states, in bytes.
    pub bytes: u64,
}

impl Outcome {
    /// How often a RemediationRequest was created although a later one than its predecessor existed.
    pub fn forks(&self) -> u64 {
        self.steps.get(steps::FORK).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, depth, complete, counterexample, violation, steps: _, bytes } = self;
        let verdict = match (violation, complete) {
            (Some(violation), _) => violation,
            (None, true) => "complete",
            (None, false) => "incomplete",
        };
        let mebibytes = bytes >> 20;
        write!(f, "{verdict}: {states} states, {transitions} transitions, depth {depth}, {mebibytes} MiB")?;
        let mut trace = counterexample.iter().flatten().enumerate();
        trace.try_for_each(|(index, line)| write!(f, "\n  {:2}. {line}", index + 1))
    }
}
