//! One schedule again, step by step.

use std::{fmt, sync::Arc, time::Duration};

use super::{case::Case, choice::Choice, search::block_on, world::World};
use crate::oracles::Violation;

/// One choice of a replayed schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Virtual time at which it was made.
    pub at: Duration,
    /// The choice.
    pub choice: Choice,
    /// What it was about, such as `create leases`.
    pub about: String,
    /// The digest of the state after it.
    pub state: u128,
}

/// A schedule that was run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Its choices.
    pub steps: Vec<Step>,
    /// What could be chosen after the last.
    pub candidates: Vec<Choice>,
    /// What it violates, the end included if the schedule goes there.
    pub violations: Vec<Violation>,
}

/// Runs `schedule` of `case` again.
///
/// # Errors
/// If a choice cannot be made where the schedule makes it: says which.
pub fn replay(case: &Case, schedule: &[Choice]) -> Result<Replayed, String> {
    block_on(run(&Arc::new(case.clone()), schedule))
}

/// Runs `case` in the default order: what has waited longest goes on first.
pub fn default_schedule(case: &Case) -> Vec<Choice> {
    block_on(async {
        let mut world = World::new(&Arc::new(case.clone())).await;
        let mut schedule = Vec::new();
        while let Some(first) = world.candidates().first() {
            schedule.push(first.choice);
            if world.perform(first.choice).await.is_err() {
                break;
            }
        }
        schedule
    })
}

async fn run(case: &Arc<Case>, schedule: &[Choice]) -> Result<Replayed, String> {
    let mut world = World::new(case).await;
    let mut steps = Vec::new();
    for choice in schedule {
        let at = world.elapsed();
        let about = world.perform(*choice).await?;
        steps.push(Step { at, choice: *choice, about, state: world.digest() });
    }
    let candidates: Vec<Choice> = world.candidates().iter().map(|candidate| candidate.choice).collect();
    let mut violations = world.violations();
    if candidates.is_empty() && violations.is_empty() {
        violations = world.finish().await;
    }
    Ok(Replayed { steps, candidates, violations })
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { at, choice, about, .. } in &self.steps {
            writeln!(f, "{:>7} ms  {:<20} {about}", at.as_millis(), choice.to_string())?;
        }
        for violation in &self.violations {
            writeln!(f, "            {violation}")?;
        }
        Ok(())
    }
}
