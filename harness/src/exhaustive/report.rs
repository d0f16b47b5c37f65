//! What a search found, for people and programs.

use std::{collections::BTreeMap, fmt};

use super::{case::Case, choice::Choice, search::Bounds};
use crate::oracles::Violation;

/// What a search found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was explored.
    pub case: Case,
    /// How far.
    pub bounds: Bounds,
    /// Whether every schedule within the bounds was tried or leads through a state from which all were.
    pub complete: bool,
    /// Runs from the beginning.
    pub runs: u64,
    /// Different states.
    pub states: u64,
    /// Different states at which schedules ended.
    pub ends: u64,
    /// Choices of the longest schedule.
    pub longest: usize,
    /// Choices tried, by kind.
    pub choices: BTreeMap<&'static str, u64>,
    /// A schedule that violates something.
    pub counterexample: Option<Counterexample>,
}

/// A schedule that violates something; `super::replay` runs it again.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// The choices from the beginning.
    pub schedule: Vec<Choice>,
    /// What it violates.
    pub violations: Vec<Violation>,
}

/// The choices as `replay` takes them, separated by commas.
impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choices: Vec<String> = self.schedule.iter().map(Choice::to_string).collect();
        f.write_str(&choices.join(", "))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, bounds, complete, runs, states, ends, longest, choices, counterexample } = self;
        writeln!(f, "{}", case.describe())?;
        let extent = match bounds.departures {
            None => "any order".to_owned(),
            Some(most) => format!("{most} departures from the default order at most"),
        };
        let verdict = match counterexample {
            Some(_) => "VIOLATED",
            None if *complete => "complete",
            None => "not complete",
        };
        writeln!(f, "  {verdict}, {extent}: {states} states, {ends} ends, {runs} runs, {longest} choices at most")?;
        let choices: Vec<String> = choices.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        write!(f, "  choices tried: {}", choices.join(", "))?;
        if let Some(counterexample) = counterexample {
            for violation in &counterexample.violations {
                write!(f, "\n  {violation}")?;
            }
            write!(f, "\n  schedule: {counterexample}")?;
        }
        Ok(())
    }
}
