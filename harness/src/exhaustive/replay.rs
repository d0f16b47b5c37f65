//! One schedule again, step by step.

use std::{fmt, sync::Arc, time::Duration};

use super::{case::Case, choice::Choice, search::block_on, world::World};
use crate::{
    oracles::Violation,
    replica::pod_name,
    trace::{API, Mode, Trace},
};

/// One choice of a replayed schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Virtual time at which it was made.
    pub at: Duration,
    /// What the schedule chose.
    pub choice: Choice,
    /// What it was about, such as `create leases`.
    pub about: String,
    /// The digest of the state after it.
    pub state: u128,
}

/// A schedule that was run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// One step for each choice of the schedule, in order.
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
    block_on(run(&Arc::new(case.clone()), schedule, Mode::Off)).map(|(replayed, _)| replayed)
}

/// As [`replay()`], and keeps all that happens, to be told.
///
/// # Errors
/// As [`replay()`].
pub fn trace(case: &Case, schedule: &[Choice]) -> Result<(Replayed, Arc<Trace>), String> {
    block_on(run(&Arc::new(case.clone()), schedule, Mode::Full))
}

/// Runs `case` in the default order: what has waited longest goes on first.
pub fn default_schedule(case: &Case) -> Vec<Choice> {
    block_on(async {
        let mut world = World::new(&Arc::new(case.clone()), Mode::Off).await;
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

async fn run(case: &Arc<Case>, schedule: &[Choice], mode: Mode) -> Result<(Replayed, Arc<Trace>), String> {
    let mut world = World::new(case, mode).await;
    let trace = Arc::clone(world.trace());
    let mut steps = Vec::new();
    for choice in schedule {
        let at = world.elapsed();
        let (actor, words) = in_words(*choice, &world.about(*choice));
        trace.note(&actor, &words);
        let about = world.perform(*choice).await?;
        steps.push(Step { at, choice: *choice, about, state: world.digest() });
    }
    let candidates: Vec<Choice> = world.candidates().iter().map(|candidate| candidate.choice).collect();
    let mut violations = world.violations();
    if candidates.is_empty() && violations.is_empty() {
        violations = world.finish().await;
    }
    trace.end(&violations);
    Ok((Replayed { steps, candidates, violations }, trace))
}

/// Whom a choice is about, and what happens.
fn in_words(choice: Choice, about: &str) -> (String, String) {
    let pod = |replica: u8| pod_name(usize::from(replica));
    match choice {
        Choice::Arrive(_) => (API.to_owned(), "a signal arrives".to_owned()),
        Choice::Effect(item) => (pod(item.replica), format!("takes effect: {about}")),
        Choice::Answer(item) => (pod(item.replica), format!("is answered: {about}")),
        Choice::Event(item) => (pod(item.replica), format!("sees {about}")),
        Choice::LoseRequest(item) => {
            (pod(item.replica), format!("the connection breaks before it takes effect: {about}"))
        }
        Choice::Refuse(item) => (pod(item.replica), format!("503 to {about}")),
        Choice::LoseAnswer(item) => (pod(item.replica), format!("the answer is lost: {about}")),
        Choice::Crash(replica) => (pod(replica), "what it sent never takes effect".to_owned()),
        Choice::CrashLanding(replica) => (pod(replica), "what it sent may still take effect".to_owned()),
        Choice::Restart(replica) => (pod(replica), "starts again".to_owned()),
        Choice::Time => (API.to_owned(), "time passes until a replica does something".to_owned()),
        Choice::Delete => (API.to_owned(), "retention deletes the predecessor".to_owned()),
        Choice::Complete => (API.to_owned(), "the remediation completes".to_owned()),
    }
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
