//! From single events to what they are about: a request with its answer, a RemediationRequest with its life.

use std::collections::BTreeMap;

use harness::trace::{API, Event, What};
use serde::Serialize;

use super::names;

mod request;
mod teller;

use self::teller::Teller;

pub(super) use self::request::Request;

/// Microseconds since the run began.
pub(super) type Micros = u64;

/// A run, joined. Times are in microseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Story {
    /// Who sends requests, replicas first.
    pub(super) lanes: Vec<Lane>,
    /// Fingerprints in the order of their appearance.
    pub(super) fingerprints: Vec<String>,
    pub(super) requests: Vec<Request>,
    pub(super) signals: Vec<Signal>,
    pub(super) commits: Vec<Commit>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) bands: Vec<Band>,
    pub(super) bars: Vec<Bar>,
    pub(super) notes: Vec<Note>,
    pub(super) violations: Vec<Broken>,
    /// The last moment.
    pub(super) end: Micros,
}

/// A caller.
#[derive(Debug, Serialize)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) short: String,
    pub(super) replica: bool,
}

/// A signal posted to a replica.
#[derive(Debug, Serialize)]
pub(super) struct Signal {
    pub(super) number: u64,
    pub(super) lane: usize,
    pub(super) fingerprint: usize,
    pub(super) at: Micros,
    pub(super) answered: Option<Micros>,
    pub(super) status: u16,
    pub(super) short: String,
    pub(super) text: String,
}

/// A committed write.
#[derive(Debug, Serialize)]
pub(super) struct Commit {
    pub(super) at: Micros,
    pub(super) version: u64,
    pub(super) by: String,
    pub(super) fingerprint: Option<usize>,
    pub(super) resource: String,
    pub(super) short: String,
    pub(super) text: String,
}

/// A watch event that arrived, or the end of a watch.
#[derive(Debug, Serialize)]
pub(super) struct Delivery {
    pub(super) at: Micros,
    pub(super) lane: usize,
    pub(super) version: Option<u64>,
    pub(super) fingerprint: Option<usize>,
    pub(super) resource: String,
    pub(super) short: String,
    pub(super) text: String,
}

/// A time in which a replica, or the API, is not what it should be.
#[derive(Debug, Serialize)]
pub(super) struct Band {
    /// None for the API.
    pub(super) lane: Option<usize>,
    pub(super) what: &'static str,
    pub(super) from: Micros,
    pub(super) to: Option<Micros>,
}

/// The time in which a RemediationRequest was active.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) fingerprint: usize,
    pub(super) name: String,
    pub(super) short: String,
    pub(super) by: String,
    pub(super) from: Micros,
    pub(super) to: Option<Micros>,
    /// What it came to.
    pub(super) text: String,
}

/// Anything else.
#[derive(Debug, Serialize)]
pub(super) struct Note {
    pub(super) at: Micros,
    /// None for the API.
    pub(super) lane: Option<usize>,
    pub(super) text: String,
}

/// Something that did not hold.
#[derive(Debug, Serialize)]
pub(super) struct Broken {
    pub(super) at: Micros,
    pub(super) oracle: String,
    pub(super) message: String,
    /// Of the write that broke it; none at the end of the run.
    pub(super) version: Option<u64>,
    pub(super) fingerprint: Option<usize>,
}

impl Story {
    /// Joins `events`.
    pub(super) fn of(events: &[Event]) -> Self {
        let mut teller = Teller::default();
        teller.story.lanes = lanes(events);
        events.iter().for_each(|event| teller.tell(event));
        teller.story
    }

    /// The lane of a caller.
    pub(super) fn lane(&self, name: &str) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.name == name)
    }
}

/// Replicas by name, then all others that do more than commit.
fn lanes(events: &[Event]) -> Vec<Lane> {
    let mut replica: BTreeMap<&str, bool> = BTreeMap::new();
    for Event { actor, what, .. } in events.iter().filter(|event| event.actor != API) {
        let lives = matches!(what, What::Life(_) | What::Posted { .. });
        if lives || !matches!(what, What::Committed(_) | What::Violation { .. }) {
            *replica.entry(actor).or_default() |= lives;
        }
    }
    let mut lanes: Vec<Lane> = replica
        .into_iter()
        .map(|(name, replica)| Lane { name: name.to_owned(), short: names::caller(name), replica })
        .collect();
    lanes.sort_by_key(|lane| (!lane.replica, lane.name.len(), lane.name.clone()));
    lanes
}

pub(super) fn micros(event: &Event) -> Micros {
    u64::try_from(event.at.as_micros()).unwrap_or(u64::MAX)
}
