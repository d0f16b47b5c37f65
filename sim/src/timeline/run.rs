//! What is told.

use harness::{baselines::Protocol, oracles::Violation, trace::Trace};

use crate::origin::Origin;

/// A run, and what is to be told of it.
pub(crate) struct Run<'a> {
    /// What decided everything that happened.
    pub(crate) seed: u64,
    /// How the gateways kept RemediationRequests unique.
    pub(crate) protocol: Protocol,
    /// The fault profile, by name.
    pub(crate) faults: &'a str,
    /// What could go wrong, and how often: a name and a value each.
    pub(crate) profile: Vec<(String, String)>,
    /// What tells it, and of which commit.
    pub(crate) origin: Origin,
    /// The compiler's version.
    pub(crate) toolchain: &'a str,
    /// The command that shows the same run again.
    pub(crate) replay: &'a str,
    /// What happened, in full.
    pub(crate) trace: &'a Trace,
    /// What did not hold.
    pub(crate) violations: &'a [Violation],
}

impl Run<'_> {
    pub(super) fn verdict(&self) -> (&'static str, &'static str) {
        if self.violations.is_empty() { ("pass", "PASS") } else { ("fail", "FAIL") }
    }

    /// What came out, in a sentence.
    pub(super) fn headline(&self) -> String {
        match self.violations {
            [] => "Every oracle holds.".to_owned(),
            [only] => format!("{only}."),
            [first, rest @ ..] => format!("{first}; and {} more.", crate::outcome::plural(rest.len(), "violation")),
        }
    }
}
