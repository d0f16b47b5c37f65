//! How far a search goes, and what can be switched off.

use std::fmt;

use crate::model::switches::Switches;

/// As many states as fit into about 6 GiB.
const STATES_MAX: u32 = 100_000_000;

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Boots that count.
    pub writers: u8,
    /// Signals of each, in batches of any size.
    pub signals: u8,
    /// Writes that each sends at most.
    pub writes: u8,
    /// Writes under way at any time, those that nobody waits for any more included.
    pub in_flight: u8,
    /// Whether others counted on the RemediationRequest before.
    pub foreign: bool,
    /// Whether the RemediationRequest may be deleted, and its counter collected after it.
    pub goes: bool,
    /// Folds, each a read and a write.
    pub folds: u8,
    /// Projections of the count into the status, each a read and a write.
    pub projections: u8,
    /// Times that somebody deletes the counter.
    pub deletions: u8,
    /// Whether the API may also refuse a write without doing it, for good or for now.
    pub refusals: bool,
    /// States after which the search gives up.
    pub states_max: u32,
}

impl Bounds {
    /// Bounds without the further troubles.
    pub const fn new(writers: u8, signals: u8, writes: u8, in_flight: u8) -> Self {
        Self {
            writers,
            signals,
            writes,
            in_flight,
            foreign: false,
            goes: false,
            folds: 0,
            projections: 0,
            deletions: 0,
            refusals: false,
            states_max: STATES_MAX,
        }
    }

    /// What the status says before any of these signals.
    pub(super) fn before(&self) -> u64 {
        1 + u64::from(self.foreign)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            writers, signals, writes, in_flight, foreign, goes, folds, projections, deletions, refusals, ..
        } = self;
        write!(f, "{writers} writers × {signals} signals × {writes} writes × {in_flight} in flight")?;
        write!(f, ", {folds} folds, {projections} projections, {deletions} deleted counters")?;
        f.write_str(if *foreign { ", counted on by others before" } else { "" })?;
        f.write_str(if *goes { ", may be deleted" } else { "" })?;
        f.write_str(if *refusals { ", refusals" } else { "" })
    }
}

/// What keeps counts right (DD-GATEWAY-013: the fast path).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A write tests the register that it replaces.
    Test,
    /// A batch in doubt whose RemediationRequest has ended is fenced off by a write, before it goes elsewhere.
    Fence,
    /// A batch in the counter of a RemediationRequest that has ended is taken back, before it goes elsewhere.
    TakeBack,
    /// The RemediationRequest is read after the signals have arrived.
    Look,
    /// No sequence is used twice.
    Sequence,
    /// A fold tests the registers that it removes.
    FoldTests,
    /// A fold takes only registers of which no write can be under way any more.
    FoldWaits,
    /// Assumption: nobody deletes a counter while signals are being counted on it.
    DeletionWaits,
}

impl From<Rule> for u32 {
    fn from(rule: Rule) -> Self {
        rule as Self
    }
}

/// The rules that hold.
pub type Rules = Switches<Rule>;
