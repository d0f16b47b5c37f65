//! Many seeds on several cores.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use parking_lot::{Mutex, MutexGuard};

use super::{draw::draw, fault_profile::FaultProfile, run::run};
use crate::{baselines::Protocol, oracles::Violation, trace::Mode};

/// Seeds to be run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Seeds to run; threads take them in order.
    pub seeds: Range<u64>,
    /// The faults that are drawn from each seed.
    pub profile: FaultProfile,
    /// The protocol of all replicas.
    pub protocol: Protocol,
    /// Threads, each of which runs one seed at a time.
    pub jobs: usize,
    /// Whether to stop at the first violation instead of counting them all.
    pub stop_at_first: bool,
}

/// How far a campaign has come; to be looked at while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Seeds that have been run to their end.
    pub runs: AtomicU64,
    /// Requests to the Kubernetes API in all.
    pub requests: AtomicU64,
    /// Seeds in which twins came to be and were detected.
    pub twins: AtomicU64,
    /// Seeds with a violation.
    pub failed: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Found>,
    under_way: Mutex<BTreeSet<u64>>,
}

/// Seeds with a violation that [`Found`] lists at most; all are counted.
pub const LISTED_MAX: usize = 100;

/// What a campaign found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The lowest seeds with a violation, [`LISTED_MAX`] at most, and the first violation of each.
    pub seeds: BTreeMap<u64, Violation>,
    /// How many seeds violate each oracle, and the lowest of them.
    pub oracles: BTreeMap<&'static str, (u64, u64)>,
}

impl Progress {
    /// Reads a counter.
    pub fn count(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// What was found so far.
    pub fn found(&self) -> Found {
        self.found.lock().clone()
    }

    /// Ends the campaign after the seeds under way.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Seeds that have begun and not ended.
    pub fn under_way(&self) -> BTreeSet<u64> {
        self.lock_under_way().clone()
    }

    /// Gives `seed` up, which has been running for too long, as a violation of `liveness`, and ends the campaign after the
    /// other seeds under way. False if it has ended after all. Its thread cannot be stopped: the campaign never returns.
    pub fn give_up(&self, seed: u64, message: String) -> bool {
        let given_up = self.end(seed, &[Violation { oracle: "liveness", version: None, message }]);
        if given_up {
            self.stop();
        }
        given_up
    }

    fn lock_under_way(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.under_way.lock()
    }

    /// Takes the next seed, unless the campaign is to end.
    fn begin(&self, next: &AtomicU64, end: u64) -> Option<u64> {
        let mut under_way = self.lock_under_way();
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let seed = next.fetch_add(1, Ordering::Relaxed);
        (seed < end && under_way.insert(seed)).then_some(seed)
    }

    /// Counts `seed` with its `violations`; false if it was not under way any more. Who sees that none is under way sees all
    /// counted.
    fn end(&self, seed: u64, violations: &[Violation]) -> bool {
        let mut under_way = self.lock_under_way();
        let was_under_way = under_way.remove(&seed);
        if was_under_way {
            self.note(seed, violations);
            self.runs.fetch_add(1, Ordering::Relaxed);
        }
        was_under_way
    }

    fn note(&self, seed: u64, violations: &[Violation]) {
        let Some(violation) = violations.first() else { return };
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut found = self.found.lock();
        found.seeds.insert(seed, violation.clone());
        if found.seeds.len() > LISTED_MAX {
            found.seeds.pop_last();
        }
        let mut oracles: Vec<&'static str> = violations.iter().map(|violation| violation.oracle).collect();
        oracles.sort_unstable();
        oracles.dedup();
        for oracle in oracles {
            let (seeds, lowest) = found.oracles.entry(oracle).or_insert((0, seed));
            *seeds += 1;
            *lowest = seed.min(*lowest);
        }
    }
}

impl Campaign {
    /// Runs all seeds; returns when they are done. One that stops early has run the first ones, without a gap.
    pub fn run(&self, progress: &Progress) {
        let next = AtomicU64::new(self.seeds.start);
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work(&next, progress));
            }
        });
    }

    fn work(&self, next: &AtomicU64, progress: &Progress) {
        while let Some(seed) = progress.begin(next, self.seeds.end) {
            let report = run(&draw(seed, self.profile), self.protocol, Mode::Off);
            progress.requests.fetch_add(report.requests, Ordering::Relaxed);
            progress.twins.fetch_add(u64::from(report.twins > 0), Ordering::Relaxed);
            if !progress.end(seed, &report.violations) {
                return;
            }
            if self.stop_at_first && !report.violations.is_empty() {
                progress.stop();
            }
        }
    }
}
