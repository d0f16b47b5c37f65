//! Runs a campaign, shows how far it is, and gives up seeds that do not end.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use harness::explore::{Campaign, Progress};

use crate::{
    apart::{TICK, not_ended},
    progress::Ticker,
};

/// On standard errors that are no terminals, a line every so often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What a campaign came to.
pub(super) struct Watched {
    pub(super) progress: Arc<Progress>,
    pub(super) took: Duration,
    /// Seeds that did not end.
    pub(super) given_up: BTreeSet<u64>,
}

/// Runs `campaign` until it is done, or until a seed has taken longer than `patience`.
#[allow(clippy::disallowed_methods, reason = "how fast it goes in real time")]
pub(super) fn run(campaign: &Campaign, quiet: bool, patience: Duration) -> Watched {
    let progress = Arc::new(Progress::default());
    let began = Instant::now();
    let all = campaign.seeds.end - campaign.seeds.start;
    let work = thread::spawn({
        let (campaign, progress) = (campaign.clone(), Arc::clone(&progress));
        move || campaign.run(&progress)
    });
    let mut line = Ticker::new(quiet, LINE_EVERY);
    let mut seeds = Seeds { patience, ..Seeds::default() };
    while !work.is_finished() && (seeds.given_up.is_empty() || !progress.under_way().is_empty()) {
        thread::sleep(TICK);
        seeds.tick(&progress);
        let (runs, failed) = (Progress::count(&progress.runs), Progress::count(&progress.failed));
        let rate = runs as f64 / began.elapsed().as_secs_f64();
        let left = if rate > 0.0 { (all - runs.min(all)) as f64 / rate } else { 0.0 };
        line.show(&format!("{runs}/{all} seeds, {rate:.0} schedules/s, {failed} with violations, {left:.0} s left"));
    }
    line.end();
    if work.is_finished()
        && let Err(panic) = work.join()
    {
        panic::resume_unwind(panic);
    }
    Watched { progress, took: began.elapsed(), given_up: seeds.given_up }
}

/// How long each seed has been under way.
#[derive(Default)]
struct Seeds {
    patience: Duration,
    /// In ticks.
    running: BTreeMap<u64, Duration>,
    given_up: BTreeSet<u64>,
}

impl Seeds {
    fn tick(&mut self, progress: &Progress) {
        let under_way = progress.under_way();
        self.running.retain(|seed, _| under_way.contains(seed));
        for seed in under_way {
            let running = self.running.entry(seed).or_default();
            *running += TICK;
            if *running > self.patience && progress.give_up(seed, not_ended(self.patience)) {
                self.given_up.insert(seed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use harness::{baselines::Protocol, explore::FaultProfile};

    use super::*;

    #[test]
    fn a_seed_that_does_not_end_is_a_violation_and_ends_the_campaign() {
        let (profile, protocol) = (FaultProfile::Neighbours, Protocol::Fenced);
        let campaign = Campaign { seeds: 0..u64::MAX, profile, protocol, jobs: 2, stop_at_first: false };
        let Watched { progress, given_up, .. } = run(&campaign, true, Duration::ZERO);
        let found = progress.found();
        assert!(!given_up.is_empty() && progress.under_way().is_empty());
        assert_eq!(found.seeds.keys().copied().collect::<BTreeSet<u64>>(), given_up);
        let violations: Vec<String> = found.seeds.values().map(ToString::to_string).collect();
        assert!(
            violations.iter().all(|text| text.contains("liveness") && text.contains("not ended")),
            "{violations:?}"
        );
        let runs = Progress::count(&progress.runs);
        assert!(given_up.iter().all(|seed| *seed < runs), "each seed is counted once: {runs}, {given_up:?}");
    }
}
