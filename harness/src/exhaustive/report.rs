//! What a search found, for people and programs.

use std::{collections::BTreeMap, fmt};

use super::{bounds::Bounds, case::Case, choice::Choice};
use crate::oracles::Violation;

/// What a search found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was explored.
    pub case: Case,
    /// The bounds of the search: departures, time and threads.
    pub bounds: Bounds,
    /// Whether every schedule within the bounds was tried or leads through a state from which all were.
    pub complete: bool,
    /// Whether schedules exist beyond the departures allowed.
    pub cut: bool,
    /// A search with more departures that was begun, and not finished: its bound and its runs.
    pub beyond: Option<(u32, u64)>,
    /// Runs from the beginning.
    pub runs: u64,
    /// Distinct states, by their digests.
    pub states: u64,
    /// Distinct states at which schedules ended.
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

impl Report {
    /// Whether every order was tried, whatever the bounds.
    pub fn is_exhaustive(&self) -> bool {
        self.complete && !self.cut
    }

    /// How much of the case was tried, in words.
    pub fn extent(&self) -> String {
        let extent = match self.bounds.departures {
            _ if self.is_exhaustive() => return "complete: every order".to_owned(),
            None => "every order".to_owned(),
            Some(1) => "orders with 1 departure from the default order at most".to_owned(),
            Some(most) => format!("orders with {most} departures from the default order at most"),
        };
        let verdict = match self.counterexample {
            Some(_) => "VIOLATED, searching",
            None if self.complete => "complete within a bound:",
            None => "not complete, searching",
        };
        let beyond = self.beyond.map(|(most, runs)| format!("; {most} departures not finished after {runs} runs"));
        format!("{verdict} {extent}{}", beyond.unwrap_or_default())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, runs, states, ends, longest, choices, counterexample, .. } = self;
        writeln!(f, "{}", case.describe())?;
        writeln!(f, "  {}", self.extent())?;
        writeln!(f, "  {runs} runs, {states} states, {ends} ends, {longest} choices at most")?;
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
