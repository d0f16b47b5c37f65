//! From single events to what they are about: a request with its answer, a RemediationRequest with its life.

use std::collections::BTreeMap;

use harness::trace::{API, Event, What};

use super::names;

mod builder;
mod parts;
mod request;
mod time;

use self::builder::Builder;

pub(super) use self::{
    parts::{Bar, Commit, Lane, Signal, Timeline},
    request::Request,
    time::{Micros, micros},
};

impl Timeline {
    pub(super) fn of(events: &[Event]) -> Self {
        let mut builder = Builder::default();
        builder.timeline.lanes = lanes(events);
        events.iter().enumerate().for_each(|(row, event)| builder.add(row, event));
        builder.timeline
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
