//! The part of a result that only explorations of seeds have: what `sim explore merge` goes by.

use std::{collections::BTreeMap, fmt};

use harness::{
    baselines::Protocol,
    explore::{
        FaultProfile,
        campaign::{Found, LISTED_MAX},
    },
    oracles::Violation,
};
use serde::{Deserialize, Serialize};

use crate::{fault_profile::options, origin};

/// Characters of a violation that a result keeps; the replay has the rest.
pub(crate) const MESSAGE_MAX: usize = 1_000;

/// Where the seeds of a result come from, and which of them have a violation.
#[derive(Serialize, Deserialize)]
pub(crate) struct Campaign {
    pub(crate) version: String,
    pub(crate) commit: String,
    pub(crate) toolchain: String,
    /// The seeds of all shares.
    pub(crate) whole: Seeds,
    /// Those explored here, in order: not the whole share if a violation stopped it.
    pub(crate) explored: Vec<Seeds>,
    pub(crate) seconds: f64,
    pub(crate) oracles: BTreeMap<String, Violated>,
    /// The lowest seeds with a violation, [`LISTED_MAX`] at most.
    pub(crate) violating: Vec<Violating>,
}

/// Seeds in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Seeds {
    /// The first of them.
    pub(crate) start: u64,
    /// The one after the last.
    pub(crate) end: u64,
}

/// How many seeds violate an oracle, and the lowest of them.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Violated {
    pub(crate) seeds: u64,
    pub(crate) first: u64,
}

/// A seed with a violation, and its first one.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Violating {
    pub(crate) seed: u64,
    pub(crate) oracle: String,
    pub(crate) message: String,
    /// What runs it again.
    pub(crate) replay: String,
}

impl Campaign {
    /// `explored` of `whole`, with what was `found` there.
    pub(crate) fn new(
        whole: Seeds,
        explored: Seeds,
        seconds: f64,
        found: &Found,
        profile: FaultProfile,
        protocol: Protocol,
    ) -> Self {
        let violated = |(oracle, (seeds, first)): (&&str, &(u64, u64))| {
            ((*oracle).to_owned(), Violated { seeds: *seeds, first: *first })
        };
        let violating = |(seed, violation): (&u64, &Violation)| Violating {
            seed: *seed,
            oracle: violation.oracle.to_owned(),
            message: violation.to_string().chars().take(MESSAGE_MAX).collect(),
            replay: replay(*seed, profile, protocol),
        };
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: origin::commit(),
            toolchain: env!("SIM_TOOLCHAIN").to_owned(),
            whole,
            explored: vec![explored],
            seconds: (seconds * 1e3).round() / 1e3,
            oracles: found.oracles.iter().map(violated).collect(),
            violating: found.seeds.iter().take(LISTED_MAX).map(violating).collect(),
        }
    }
}

/// The command that runs a seed again.
pub(crate) fn replay(seed: u64, profile: FaultProfile, protocol: Protocol) -> String {
    format!("cargo run --release -p sim -- replay --seed {seed}{}", options(profile, protocol))
}

impl Seeds {
    /// How many they are.
    pub(crate) const fn count(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The `index`th of `shares` parts that differ by one seed at most.
    pub(crate) fn share(self, index: u64, shares: u64) -> Self {
        let bound = |index: u64| {
            let before = u128::from(self.count()) * u128::from(index) / u128::from(shares.max(1));
            self.start + u64::try_from(before).unwrap_or(u64::MAX)
        };
        Self { start: bound(index), end: bound(index + 1) }
    }

    pub(crate) const fn contains(self, seed: u64) -> bool {
        self.start <= seed && seed < self.end
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            1 => write!(f, "seed {}", self.start),
            _ => write!(f, "seeds {} to {}", self.start, self.end.saturating_sub(1)),
        }
    }
}
