//! What results come to together.

use std::collections::BTreeMap;

use harness::explore::campaign::LISTED_MAX;

use super::{
    coverage::Coverage,
    part::{ORACLES_MAX, Part},
    problems::Problems,
};
use crate::explored::{Campaign, First, Merged, Outcome, Violated, Violating, replay};

/// What the results that were read so far come to.
#[derive(Default)]
pub(super) struct Merge {
    first: Option<(String, Part)>,
    results: usize,
    coverage: Coverage,
    violations: u64,
    twins: u64,
    requests: u64,
    seconds: f64,
    oracles: BTreeMap<String, Violated>,
    violating: BTreeMap<u64, Violating>,
    pub(super) problems: Problems,
}

impl Merge {
    /// Adds the result that is the line `text` of `source`; what is wrong with it is noted.
    pub(super) fn add(&mut self, source: String, text: &[u8]) {
        let part = match Part::read(text) {
            Ok(part) => part,
            Err(why) => return self.problems.add(&format!("{source} is not used: {why}")),
        };
        if let Some((first, kept)) = &self.first
            && let Some(difference) = part.difference(kept)
        {
            return self
                .problems
                .add(&format!("{source} is not used, it belongs to another exploration than {first}: {difference}"));
        }
        let unknown = part.campaign.oracles.keys().filter(|oracle| !self.oracles.contains_key(*oracle)).count();
        if self.oracles.len() + unknown > ORACLES_MAX || !self.coverage.add(&source, &part) {
            return self.problems.add(&format!("{source} is not used: there are too many results, or oracles"));
        }
        self.results += 1;
        self.violations = self.violations.saturating_add(part.violations);
        self.twins = self.twins.saturating_add(part.twins);
        self.requests = self.requests.saturating_add(part.requests);
        self.seconds += part.campaign.seconds;
        for (oracle, Violated { seeds, first }) in &part.campaign.oracles {
            let all = self.oracles.entry(oracle.clone()).or_insert(Violated { seeds: 0, first: *first });
            *all = Violated { seeds: all.seeds.saturating_add(*seeds), first: all.first.min(*first) };
        }
        for violating in &part.campaign.violating {
            // What others wrote is not printed as a command.
            let replay = replay(violating.seed, part.profile, part.protocol);
            self.violating.insert(violating.seed, Violating { replay, ..violating.clone() });
        }
        while self.violating.len() > LISTED_MAX {
            self.violating.pop_last();
        }
        self.first.get_or_insert((source, part));
    }

    /// The whole; none if there was no result.
    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        let (_, first) = self.first.as_ref()?;
        let (profile, protocol) = (first.profile, first.protocol);
        let whole = self.coverage.whole()?;
        let explored = self.coverage.check(whole, profile, protocol, &mut self.problems);
        let seeds = explored.iter().map(|seeds| seeds.count()).sum();
        let per_second = if self.seconds > 0.0 { seeds as f64 / self.seconds } else { 0.0 };
        let violating = self.violating.values().next();
        Some(Outcome {
            protocol: protocol.name(),
            faults: profile.name(),
            seeds,
            violations: self.violations,
            twins: self.twins,
            first_violation: violating
                .map(|Violating { seed, oracle, .. }| First { seed: Some(*seed), oracle: oracle.clone().into() }),
            schedules_per_second: (per_second * 10.0).round() / 10.0,
            requests: self.requests,
            exhaustive: None,
            campaign: Some(Campaign {
                version: first.campaign.version.clone(),
                commit: first.campaign.commit.clone(),
                toolchain: first.campaign.toolchain.clone(),
                whole,
                explored,
                seconds: (self.seconds * 1e3).round() / 1e3,
                oracles: self.oracles.clone(),
                violating: self.violating.values().cloned().collect(),
            }),
            merged: Some(Merged { results: self.results, problems: self.problems.told() }),
        })
    }
}
