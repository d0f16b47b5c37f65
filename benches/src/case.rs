//! What is compared.

use std::{fmt, time::Duration};

use harness::baselines::Protocol;

use crate::settings::Settings;

/// The protocols side by side, the simplest first.
pub const PROTOCOLS: [Protocol; 3] = [Protocol::Unlocked, Protocol::LeaseOnly, Protocol::Fenced];

/// Which signals are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// One signal of a fingerprint that has no RemediationRequest.
    New,
    /// One signal of a fingerprint that has one, created by the first replica; sent to the last.
    Duplicate,
    /// Many at once of a fingerprint that has no RemediationRequest, in turn to each replica.
    Burst,
    /// Many at once of a fingerprint that has one, in turn to each replica.
    DuplicateBurst,
}

impl Case {
    /// How many signals are sent and measured.
    pub const fn signals(self, settings: &Settings) -> usize {
        match self {
            Self::New | Self::Duplicate => 1,
            Self::Burst | Self::DuplicateBurst => settings.burst,
        }
    }

    /// Whether there is a RemediationRequest before the measurement.
    pub const fn is_known(self) -> bool {
        matches!(self, Self::Duplicate | Self::DuplicateBurst)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::Burst => "burst",
            Self::DuplicateBurst => "burst of duplicates",
        })
    }
}

/// A row of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Which signals are sent.
    pub case: Case,
    /// To how many replicas.
    pub replicas: usize,
    /// RemediationRequests of other fingerprints that are there already.
    pub stored: usize,
    /// Whether consistent lists wait for etcd's progress (Kubernetes 1.34 and newer).
    pub lists_wait: bool,
}

impl Row {
    /// All rows.
    pub const ALL: [Self; 11] = [
        Self::new(Case::New, 1),
        Self::new(Case::New, 3),
        Self::new(Case::New, 3).with_stored(1_000),
        Self::new(Case::New, 3).without_list_wait(),
        Self::new(Case::Duplicate, 1),
        Self::new(Case::Duplicate, 3),
        Self::new(Case::Duplicate, 3).without_list_wait(),
        Self::new(Case::Burst, 1),
        Self::new(Case::Burst, 3),
        Self::new(Case::Burst, 3).without_list_wait(),
        Self::new(Case::DuplicateBurst, 3),
    ];

    const fn new(case: Case, replicas: usize) -> Self {
        Self { case, replicas, stored: 0, lists_wait: true }
    }

    const fn with_stored(self, stored: usize) -> Self {
        Self { stored, ..self }
    }

    const fn without_list_wait(self) -> Self {
        Self { lists_wait: false, ..self }
    }

    /// How long consistent lists wait at most.
    pub const fn list_wait(self, settings: &Settings) -> Duration {
        if self.lists_wait { settings.list_wait } else { Duration::ZERO }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.case.fmt(f)?;
        if self.stored > 0 {
            write!(f, ", {} stored", self.stored)?;
        }
        if !self.lists_wait {
            f.write_str(", lists at once")?;
        }
        Ok(())
    }
}
