//! The search: depth first, each branch a run of its own from the beginning, shared by several threads.
#![allow(clippy::disallowed_methods, reason = "a search may take so long in real time")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

use super::{
    bounds::Bounds,
    case::Case,
    choice::{Candidate, Choice},
    report::{Counterexample, Report},
    visited::{Admission, Options, Visited},
    world::World,
};
use crate::{oracles::Violation, trace::Mode};

/// How far a search has come; to be looked at while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    runs: AtomicU64,
    states: AtomicU64,
}

impl Progress {
    /// Runs from the beginning.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Different states, summed over the searches that this is shown to.
    pub fn states(&self) -> u64 {
        self.states.load(Ordering::Relaxed)
    }
}

/// A branch that is to be run: the last choice is the new one.
struct Branch {
    schedule: Vec<Choice>,
    sleep: Vec<Candidate>,
    left: Option<u32>,
    /// The state before the last choice.
    from: u128,
}

#[derive(Default)]
struct Frontier {
    branches: Vec<Branch>,
    /// Threads that may still add some.
    busy: usize,
}

struct Search<'a> {
    case: Arc<Case>,
    bounds: Bounds,
    began: Instant,
    progress: &'a Progress,
    frontier: Mutex<Frontier>,
    more: Condvar,
    visited: Visited,
    stop: AtomicBool,
    truncated: AtomicBool,
    cut: AtomicBool,
    runs: AtomicU64,
    states: AtomicU64,
    ends: AtomicU64,
    longest: AtomicUsize,
    choices: Mutex<BTreeMap<&'static str, u64>>,
    found: Mutex<Option<Counterexample>>,
}

/// Tries all schedules of `case` within `bounds`, until one violates something.
pub fn explore(case: &Case, bounds: Bounds, progress: &Progress) -> Report {
    let search = Search {
        case: Arc::new(case.clone()),
        bounds,
        began: Instant::now(),
        progress,
        frontier: Mutex::new(Frontier { branches: vec![Branch::root(bounds.departures)], busy: 0 }),
        more: Condvar::new(),
        visited: Visited::new(bounds.reduce),
        stop: AtomicBool::new(false),
        truncated: AtomicBool::new(false),
        cut: AtomicBool::new(false),
        runs: AtomicU64::new(0),
        states: AtomicU64::new(0),
        ends: AtomicU64::new(0),
        longest: AtomicUsize::new(0),
        choices: Mutex::default(),
        found: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 0..bounds.threads.max(1) {
            scope.spawn(|| search.work());
        }
    });
    search.report()
}

impl Branch {
    fn root(left: Option<u32>) -> Self {
        Self { schedule: Vec::new(), sleep: Vec::new(), left, from: 0 }
    }
}

impl Search<'_> {
    fn work(&self) {
        while let Some(branch) = self.next() {
            self.progress.runs.fetch_add(1, Ordering::Relaxed);
            let is_late = self.began.elapsed() >= self.bounds.time_max;
            if is_late || self.runs.fetch_add(1, Ordering::Relaxed) >= self.bounds.runs_max {
                self.truncated.store(true, Ordering::Relaxed);
                self.halt();
            } else {
                block_on(self.run(branch));
            }
            self.frontier.lock().busy -= 1;
            self.more.notify_all();
        }
    }

    fn next(&self) -> Option<Branch> {
        let mut frontier = self.frontier.lock();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(branch) = frontier.branches.pop() {
                frontier.busy += 1;
                return Some(branch);
            }
            if frontier.busy == 0 {
                return None;
            }
            self.more.wait(&mut frontier);
        }
    }

    fn halt(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.more.notify_all();
    }

    /// Runs a branch to the first state from which everything was tried.
    async fn run(&self, branch: Branch) {
        let Branch { mut schedule, mut sleep, mut left, from } = branch;
        let mut world = World::new(&self.case, Mode::Off).await;
        if let Err(message) = self.go_to(&mut world, &schedule, from).await {
            let violation = Violation { oracle: "determinism", version: None, message };
            return self.convict(schedule, vec![violation]);
        }
        while !self.stop.load(Ordering::Relaxed) {
            let violations = world.violations();
            if !violations.is_empty() {
                return self.convict(schedule, violations);
            }
            let (candidates, digest) = (world.candidates(), self.digest(&world));
            let sufficient = world.sufficient(&candidates);
            let options = Options { candidates: &candidates, sufficient: &sufficient, sleep: &sleep };
            let Admission { branches, is_new, is_cut } = self.visited.admit(digest, &options, left);
            self.states.fetch_add(u64::from(is_new), Ordering::Relaxed);
            self.progress.states.fetch_add(u64::from(is_new), Ordering::Relaxed);
            self.cut.fetch_or(is_cut, Ordering::Relaxed);
            self.longest.fetch_max(schedule.len(), Ordering::Relaxed);
            if candidates.is_empty() && is_new {
                self.ends.fetch_add(1, Ordering::Relaxed);
                let violations = world.finish().await;
                if !violations.is_empty() {
                    self.convict(schedule, violations);
                }
                return;
            }
            let mut branches = branches.into_iter();
            let Some(first) = branches.next() else { return };
            self.defer(&schedule, branches, digest);
            schedule.push(first.choice);
            (sleep, left) = (first.sleep, first.left);
            self.count(first.choice);
            if let Err(message) = world.perform(first.choice).await {
                let violation = Violation { oracle: "determinism", version: None, message };
                return self.convict(schedule, vec![violation]);
            }
        }
    }

    /// What identifies the state: the order in which things wait matters to the default order only.
    fn digest(&self, world: &World) -> u128 {
        if self.bounds.departures.is_some() { world.digest_in_order() } else { world.digest() }
    }

    /// Makes the choices of `schedule` again; the state before the last must be the one known.
    async fn go_to(&self, world: &mut World, schedule: &[Choice], from: u128) -> Result<(), String> {
        let Some((last, before)) = schedule.split_last() else { return Ok(()) };
        for choice in before {
            world.perform(*choice).await?;
        }
        if self.digest(world) != from {
            return Err("the same choices led to another state".to_owned());
        }
        self.count(*last);
        world.perform(*last).await.map(|_| ())
    }

    fn defer(&self, schedule: &[Choice], branches: impl Iterator<Item = super::visited::Branch>, from: u128) {
        let mut deferred: Vec<Branch> = Vec::new();
        for branch in branches {
            let mut schedule = schedule.to_vec();
            schedule.push(branch.choice);
            deferred.push(Branch { schedule, sleep: branch.sleep, left: branch.left, from });
        }
        self.frontier.lock().branches.extend(deferred.into_iter().rev());
        self.more.notify_all();
    }

    fn count(&self, choice: Choice) {
        *self.choices.lock().entry(choice.kind()).or_default() += 1;
    }

    fn convict(&self, schedule: Vec<Choice>, violations: Vec<Violation>) {
        self.found.lock().get_or_insert(Counterexample { schedule, violations });
        self.halt();
    }

    fn report(self) -> Report {
        let counterexample = self.found.into_inner();
        let truncated = self.truncated.into_inner();
        Report {
            case: Case::clone(&self.case),
            bounds: self.bounds,
            complete: !truncated && counterexample.is_none(),
            cut: self.cut.into_inner(),
            beyond: None,
            runs: self.runs.into_inner(),
            states: self.states.into_inner(),
            ends: self.ends.into_inner(),
            longest: self.longest.into_inner(),
            choices: self.choices.into_inner(),
            counterexample,
        }
    }
}

/// Runs `run` on a runtime of its own whose time stands still unless all wait for it.
pub(super) fn block_on<T>(run: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // All that is ready runs before the scheduler is asked again.
    builder.enable_time().start_paused(true).event_interval(1_000_000);
    let runtime = builder.build().unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(run)
}
