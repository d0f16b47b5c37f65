//! All oracles together.

use std::sync::Arc;

use embedded_apiserver::RequestRecord;
use parking_lot::Mutex;

use super::{
    budget::Budget,
    claims::Claims,
    counters::Counters,
    counts::Counts,
    durable::Durable,
    leases::Leases,
    liveness::Liveness,
    monotonic::Monotonic,
    neighbours::Neighbours,
    oracle::{Detected, End, Oracle, Progress, Signal, Told, Violation, Write},
    ownership::Ownership,
    single_active::SingleActive,
    twins::Twins,
    unanswered::Unanswered,
};

/// Violations kept of one oracle at most: the first ones say it all, and must not hide what the others found.
const VIOLATIONS_MAX: usize = 25;

/// A set of oracles and what they found; cheap to clone.
#[derive(Clone)]
pub struct Oracles {
    state: Arc<Mutex<State>>,
}

struct State {
    oracles: Vec<Box<dyn Oracle>>,
    violations: Vec<Violation>,
}

/// Keeps what `oracle` says, if it has not said enough.
fn keep(violations: &mut Vec<Violation>, oracle: &'static str, version: Option<u64>, message: String) {
    if violations.iter().filter(|violation| violation.oracle == oracle).count() < VIOLATIONS_MAX {
        violations.push(Violation { oracle, version, message });
    }
}

impl Default for Oracles {
    /// The set of all oracles.
    fn default() -> Self {
        Self::new(vec![
            Box::new(SingleActive::default()),
            Box::new(Counts::default()),
            Box::new(Counters::default()),
            Box::new(Durable::default()),
            Box::new(Ownership),
            Box::new(Monotonic),
            Box::new(Leases::default()),
            Box::new(Claims),
            Box::new(Liveness::default()),
            Box::new(Budget::default()),
            Box::new(Twins::default()),
            Box::new(Unanswered::default()),
            Box::new(Neighbours),
        ])
    }
}

impl Oracles {
    /// A set of these oracles alone, for tests of single ones.
    pub fn new(oracles: Vec<Box<dyn Oracle>>) -> Self {
        Self { state: Arc::new(Mutex::new(State { oracles, violations: Vec::new() })) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock())
    }

    /// Tells all by how much the replicas' wall clocks differ at most.
    pub fn allow_skew(&self, skew_ms: i64) {
        self.each(|oracle| oracle.allow_skew(skew_ms));
    }

    /// Tells all that twins may come to be.
    pub fn allow_twins(&self) {
        self.each(|oracle| oracle.allow_twins());
    }

    /// Tells all that no signal is sent past them.
    pub fn see_all_signals(&self) {
        self.each(|oracle| oracle.see_all_signals());
    }

    /// Shows a write to all.
    pub fn on_write(&self, write: &Write<'_>) {
        self.judge(Some(write.version), |oracle| oracle.on_write(write));
    }

    /// Tells all that a backup of the store is made.
    pub fn on_backed_up(&self) {
        self.each(|oracle| oracle.on_backed_up());
    }

    /// Tells all that the store is as it was at the last backup.
    pub fn on_restored(&self, at_ms: i64) {
        self.each(|oracle| oracle.on_restored(at_ms));
    }

    /// Shows a signal to all.
    pub fn on_signal(&self, signal: &Signal<'_>) {
        self.each(|oracle| oracle.on_signal(signal));
    }

    /// Shows a 2xx to all.
    pub fn on_answer(&self, signal: &Signal<'_>, told: &Told<'_>) {
        self.judge(Some(told.version), |oracle| oracle.on_answer(signal, told));
    }

    /// Shows the end of a signal to all.
    pub fn on_end(&self, signal: &Signal<'_>, status: u16, at_ms: i64) {
        self.each(|oracle| oracle.on_end(signal, status, at_ms));
    }

    /// Shows to all how a neighbour gets on.
    pub fn on_neighbour(&self, progress: &Progress<'_>) {
        self.judge(None, |oracle| oracle.on_neighbour(progress));
    }

    /// Shows all requests of a run that began at `epoch_ms` to all.
    pub fn on_all_requests(&self, requests: &[RequestRecord], epoch_ms: i64) {
        self.judge(None, |oracle| oracle.on_all_requests(requests, epoch_ms));
    }

    /// Tells all that nothing goes wrong any more.
    pub fn on_healed(&self, at_ms: i64) {
        self.each(|oracle| oracle.on_healed(at_ms));
    }

    /// Shows to all how many twins each replica has detected.
    pub fn on_detected(&self, detected: &Detected, at_ms: i64) {
        self.judge(None, |oracle| oracle.on_detected(detected, at_ms));
    }

    /// Shows the requests of a run in which nothing went wrong to all.
    pub fn on_requests(&self, requests: &[RequestRecord]) {
        self.judge(None, |oracle| oracle.on_requests(requests));
    }

    fn each(&self, tell: impl Fn(&mut dyn Oracle)) {
        self.with(|state| state.oracles.iter_mut().for_each(|oracle| tell(oracle.as_mut())));
    }

    /// Keeps what each oracle says when it is asked.
    fn judge<Messages: IntoIterator<Item = String>>(
        &self,
        version: Option<u64>,
        ask: impl Fn(&mut dyn Oracle) -> Messages,
    ) {
        self.with(|State { oracles, violations }| {
            for oracle in oracles {
                for message in ask(oracle.as_mut()) {
                    keep(violations, oracle.name(), version, message);
                }
            }
        });
    }

    /// Shows the end to all, and says what they found in all.
    pub fn finish(&self, end: &End) -> Vec<Violation> {
        self.judge(None, |oracle| oracle.at_end(end));
        self.violations()
    }

    /// What they have found so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.with(|state| state.violations.clone())
    }
}
