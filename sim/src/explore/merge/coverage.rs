//! Which seeds the results cover: all of them, and each once.

use harness::{baselines::Protocol, explore::FaultProfile};

use super::{part::Part, problems::Problems};
use crate::{explored::Seeds, fault_profile::options};

/// Ranges that are kept at most; an Indexed Job has no more completions.
const RANGES_MAX: usize = 100_000;

/// The seeds of all results.
#[derive(Default)]
pub(super) struct Coverage {
    whole: Option<Seeds>,
    /// With the place of its source.
    ranges: Vec<(Seeds, usize)>,
    sources: Vec<String>,
}

impl Coverage {
    /// Adds those of a result; false, and nothing is added, if there are too many.
    pub(super) fn add(&mut self, source: &str, part: &Part) -> bool {
        let explored = &part.campaign.explored;
        if self.ranges.len() + explored.len() > RANGES_MAX {
            return false;
        }
        self.ranges.extend(explored.iter().map(|seeds| (*seeds, self.sources.len())));
        self.sources.push(source.to_owned());
        let mine = part.campaign.whole;
        let whole = self.whole.get_or_insert(mine);
        *whole = Seeds { start: whole.start.min(mine.start), end: whole.end.max(mine.end) };
        true
    }

    /// All seeds that any result knows to be explored here or elsewhere.
    pub(super) const fn whole(&self) -> Option<Seeds> {
        self.whole
    }

    /// Notes which seeds of `whole` are missing or there twice; returns those that are there.
    pub(super) fn check(
        &mut self,
        whole: Seeds,
        profile: FaultProfile,
        protocol: Protocol,
        problems: &mut Problems,
    ) -> Vec<Seeds> {
        self.ranges.sort_unstable();
        let missing = |start: u64, end: u64| {
            let seeds = Seeds { start, end };
            let (count, options) = (seeds.count(), options(profile, protocol));
            format!(
                "{seeds}: missing from all results. Explore them, and merge that result too: \
                 sim explore --start {start} --seeds {count}{options} --keep-going --json"
            )
        };
        let mut explored: Vec<Seeds> = Vec::new();
        let mut furthest = 0;
        for (seeds, source) in &self.ranges {
            let reached = explored.last().map_or(whole.start, |last| last.end);
            if seeds.start > reached {
                problems.add(&missing(reached, seeds.start));
            } else if let Some(last) = explored.last_mut() {
                if seeds.start < reached {
                    let twice = Seeds { start: seeds.start, end: seeds.end.min(reached) };
                    let (one, other) = (&self.sources[furthest], &self.sources[*source]);
                    problems.add(&format!("{twice}: both {one} and {other} have them; leave one of them out"));
                }
                if seeds.end > reached {
                    (last.end, furthest) = (seeds.end, *source);
                }
                continue;
            }
            explored.push(*seeds);
            furthest = *source;
        }
        let reached = explored.last().map_or(whole.start, |last| last.end);
        if reached < whole.end {
            problems.add(&missing(reached, whole.end));
        }
        explored
    }
}
