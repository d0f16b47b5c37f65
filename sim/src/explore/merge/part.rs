//! One result, read and checked: it may be cut off, or come from anywhere.

use harness::{
    baselines::Protocol,
    explore::{FaultProfile, campaign::LISTED_MAX},
};
use serde::Deserialize;

use crate::explored::{Campaign, MESSAGE_MAX, Seeds};

/// Oracles that results may name.
pub(super) const ORACLES_MAX: usize = 64;
/// Characters of a commit, a version or an oracle.
const NAME_MAX: usize = 100;

/// The result of a share.
pub(super) struct Part {
    pub(super) protocol: Protocol,
    pub(super) profile: FaultProfile,
    pub(super) violations: u64,
    pub(super) twins: u64,
    pub(super) requests: u64,
    pub(super) campaign: Campaign,
}

/// As `sim explore --json` prints it.
#[derive(Deserialize)]
struct Raw {
    protocol: String,
    faults: String,
    seeds: u64,
    violations: u64,
    twins: u64,
    requests: u64,
    campaign: Option<Campaign>,
    merged: Option<Merged>,
}

#[derive(Deserialize)]
struct Merged {
    problems: Vec<String>,
}

impl Part {
    /// Reads a line; fails with what is wrong with it.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(text).map_err(|error| match error.is_eof() {
            true => "it is cut off; a result is one line".to_owned(),
            false => format!("it is not a result of `sim explore --json`: {error}"),
        })?;
        let Raw { protocol, faults, seeds, violations, twins, requests, campaign, merged } = raw;
        let Some(campaign) = campaign else {
            return Err("it is a result of --exhaustive, which explores no seeds".to_owned());
        };
        if let Some(problem) = merged.iter().flat_map(|merged| &merged.problems).next() {
            return Err(format!("it was merged and is incomplete: {problem}"));
        }
        let protocol = Protocol::ALL.into_iter().find(|known| known.name() == protocol);
        let protocol = protocol.ok_or("its protocol is unknown to this version")?;
        let profile = faults.parse::<FaultProfile>().map_err(|error| error.to_string())?;
        let part = Self { protocol, profile, violations, twins, requests, campaign };
        part.check(seeds).map_err(|why| format!("it contradicts itself: {why}"))?;
        Ok(part)
    }

    /// Whether its figures fit each other.
    fn check(&self, seeds: u64) -> Result<(), String> {
        let Campaign { version, commit, toolchain, whole, explored, seconds, oracles, violating } = &self.campaign;
        let plain = |text: &String| text.len() <= NAME_MAX && text.chars().all(|char| matches!(char, ' '..='~'));
        let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        holds([version, commit, toolchain].into_iter().all(plain), "version, commit or toolchain")?;
        holds(*seconds >= 0.0, "seconds")?;
        let in_order = explored.is_sorted_by(|one, next| one.end <= next.start);
        let inside = explored
            .iter()
            .all(|seeds| whole.start <= seeds.start && seeds.start < seeds.end && seeds.end <= whole.end);
        holds(in_order && inside && !explored.is_empty(), "which seeds were explored")?;
        holds(
            explored.iter().map(|seeds| u128::from(seeds.count())).sum::<u128>() == seeds.into(),
            "how many seeds were explored",
        )?;
        holds(self.violations <= seeds && self.twins <= seeds, "more seeds with violations than seeds")?;
        let known = |seed: u64| {
            let place = explored.partition_point(|seeds: &Seeds| seeds.end <= seed);
            explored.get(place).is_some_and(|seeds| seeds.contains(seed))
        };
        let named =
            |name: &str| !name.is_empty() && name.chars().all(|char| matches!(char, 'a'..='z' | '0'..='9' | '-'));
        holds(
            oracles.len() <= ORACLES_MAX && oracles.keys().all(|name| name.len() <= NAME_MAX && named(name)),
            "oracles",
        )?;
        let counted = |count: u64| 0 < count && count <= self.violations;
        holds(
            oracles.values().all(|violated| counted(violated.seeds) && known(violated.first)),
            "how many seeds violate an oracle",
        )?;
        holds(oracles.is_empty() == (self.violations == 0), "violations without an oracle")?;
        let listed = usize::try_from(self.violations).unwrap_or(usize::MAX).min(LISTED_MAX);
        let in_order = violating.is_sorted_by(|one, next| one.seed < next.seed);
        let short = |text: &str| text.chars().count() <= MESSAGE_MAX;
        let told =
            violating.iter().all(|one| known(one.seed) && oracles.contains_key(&one.oracle) && short(&one.message));
        holds(violating.len() == listed && in_order && told, "which seeds have violations")
    }

    /// Why it cannot be one exploration with `other`.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let differ = [
            ("protocol", self.protocol.name(), other.protocol.name()),
            ("faults", self.profile.name(), other.profile.name()),
            ("version", &*self.campaign.version, &*other.campaign.version),
            ("commit", &*self.campaign.commit, &*other.campaign.commit),
        ];
        let (what, mine, its) = differ.into_iter().find(|(_, mine, its)| mine != its)?;
        Some(format!("{what} {mine}, not {its}"))
    }
}
