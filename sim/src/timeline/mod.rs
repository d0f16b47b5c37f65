//! One simulated run as a timeline, in text and as a page: who sent what, what became of it, and where it went wrong.
//!
//! | module | what it does |
//! |---|---|
//! | [`story`] | joins the events of a trace into requests, signals, bars and bands |
//! | [`names`] | short names |
//! | [`text()`] | columns for a terminal |
//! | [`page`] | one HTML file, drawn by a script from the story as JSON |

use harness::{baselines::Protocol, oracles::Violation, trace::Trace};

mod names;
mod page;
mod story;
#[cfg(test)]
mod tests;
mod text;

/// A run, and what is to be told of it.
pub(crate) struct Run<'a> {
    /// What decided everything that happened.
    pub(crate) seed: u64,
    /// How the gateways kept RemediationRequests unique.
    pub(crate) protocol: Protocol,
    /// The mix of faults, by name.
    pub(crate) faults: &'a str,
    /// What could go wrong, and how often: a name and a value each.
    pub(crate) profile: Vec<(String, String)>,
    /// The commit that was run.
    pub(crate) commit: &'a str,
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
    fn verdict(&self) -> (&'static str, &'static str) {
        if self.violations.is_empty() { ("pass", "PASS") } else { ("fail", "FAIL") }
    }

    /// What came out, in a sentence.
    fn headline(&self) -> String {
        match self.violations {
            [] => "Every oracle holds.".to_owned(),
            [only] => format!("{only}."),
            [first, rest @ ..] => format!("{first}; and {} more.", crate::outcome::plural(rest.len(), "violation")),
        }
    }
}

/// The run in columns of text, 160 characters wide at most.
pub(crate) fn text(run: &Run<'_>) -> String {
    text::render(run)
}

/// The run as a page of its own that loads nothing from elsewhere.
pub(crate) fn html(run: &Run<'_>) -> String {
    page::render(run)
}
