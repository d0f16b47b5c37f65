//! What a timeline consists of. `row`, `from` and the like are places in the order of events: many share a moment.

use super::{request::Request, time::Micros};

/// A run, joined. Times are in microseconds.
#[derive(Debug, Default)]
pub(in crate::timeline) struct Timeline {
    /// Who sends requests, replicas first.
    pub(in crate::timeline) lanes: Vec<Lane>,
    /// Fingerprints in the order of their appearance.
    pub(in crate::timeline) fingerprints: Vec<String>,
    pub(in crate::timeline) requests: Vec<Request>,
    pub(in crate::timeline) signals: Vec<Signal>,
    pub(in crate::timeline) commits: Vec<Commit>,
    pub(in crate::timeline) deliveries: Vec<Delivery>,
    pub(in crate::timeline) bands: Vec<Band>,
    pub(in crate::timeline) bars: Vec<Bar>,
    pub(in crate::timeline) notes: Vec<Note>,
    pub(in crate::timeline) violations: Vec<Broken>,
}

#[derive(Debug)]
pub(in crate::timeline) struct Lane {
    pub(in crate::timeline) name: String,
    pub(in crate::timeline) short: String,
    pub(in crate::timeline) replica: bool,
}

/// A signal posted to a replica.
#[derive(Debug)]
pub(in crate::timeline) struct Signal {
    pub(in crate::timeline) number: u64,
    pub(in crate::timeline) lane: usize,
    pub(in crate::timeline) fingerprint: usize,
    pub(in crate::timeline) row: usize,
    pub(in crate::timeline) at: Micros,
    /// Where and when.
    pub(in crate::timeline) answered: Option<(usize, Micros)>,
    pub(in crate::timeline) status: u16,
    pub(in crate::timeline) short: String,
    pub(in crate::timeline) text: String,
}

/// A committed write.
#[derive(Debug)]
pub(in crate::timeline) struct Commit {
    pub(in crate::timeline) row: usize,
    pub(in crate::timeline) at: Micros,
    pub(in crate::timeline) version: u64,
    pub(in crate::timeline) by: String,
    pub(in crate::timeline) fingerprint: Option<usize>,
    pub(in crate::timeline) resource: String,
    pub(in crate::timeline) short: String,
    pub(in crate::timeline) text: String,
}

/// A watch event that arrived, or the end of a watch.
#[derive(Debug)]
pub(in crate::timeline) struct Delivery {
    pub(in crate::timeline) row: usize,
    pub(in crate::timeline) lane: usize,
    pub(in crate::timeline) version: Option<u64>,
    pub(in crate::timeline) fingerprint: Option<usize>,
    pub(in crate::timeline) resource: String,
    pub(in crate::timeline) short: String,
    pub(in crate::timeline) text: String,
}

/// A time in which a replica, or the API, is not what it should be.
#[derive(Debug)]
pub(in crate::timeline) struct Band {
    /// None for the API.
    pub(in crate::timeline) lane: Option<usize>,
    pub(in crate::timeline) what: &'static str,
    pub(in crate::timeline) from: usize,
    pub(in crate::timeline) to: Option<usize>,
}

/// The time in which a RemediationRequest was active.
#[derive(Debug)]
pub(in crate::timeline) struct Bar {
    pub(in crate::timeline) fingerprint: usize,
    pub(in crate::timeline) name: String,
    pub(in crate::timeline) from: usize,
    pub(in crate::timeline) to: Option<usize>,
    /// What it came to.
    pub(in crate::timeline) text: String,
}

/// Anything else.
#[derive(Debug)]
pub(in crate::timeline) struct Note {
    pub(in crate::timeline) row: usize,
    pub(in crate::timeline) at: Micros,
    /// None for the API.
    pub(in crate::timeline) lane: Option<usize>,
    pub(in crate::timeline) text: String,
}

/// Something that did not hold.
#[derive(Debug)]
pub(in crate::timeline) struct Broken {
    pub(in crate::timeline) row: usize,
    pub(in crate::timeline) at: Micros,
    pub(in crate::timeline) oracle: String,
    pub(in crate::timeline) message: String,
    /// Of the write that broke it; none at the end of the run.
    pub(in crate::timeline) version: Option<u64>,
    pub(in crate::timeline) fingerprint: Option<usize>,
}
