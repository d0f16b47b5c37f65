//! An event as it waits: the bytes that will be sent, and no tree of them, which takes ten times the memory.

use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::event::Event;
use crate::trace::Scope;

/// An event as JSON, in its place among the bytes that may wait: it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Encoded {
    json: Box<[u8]>,
    /// Of the trace that it is part of.
    pub(super) scope: Scope,
    _place: OwnedSemaphorePermit,
}

/// What a log line tells of an event.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct About {
    pub(super) event_type: String,
    pub(super) correlation_id: String,
}

impl Encoded {
    /// `event`, if there is room for it: a permit for each byte.
    pub(super) fn new(event: &Event, room: &Arc<Semaphore>) -> Option<Self> {
        let json = serde_json::to_vec(event).ok()?.into_boxed_slice();
        let place = Arc::clone(room).try_acquire_many_owned(u32::try_from(json.len()).ok()?).ok()?;
        Some(Self { json, scope: Scope::current(), _place: place })
    }

    /// Which event it is.
    pub(super) fn about(&self) -> About {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }

    /// A JSON array: the body of one POST to DataStorage.
    pub(super) fn array(events: &[Self]) -> Vec<u8> {
        let mut array = Vec::with_capacity(2 + events.iter().map(|event| event.json.len() + 1).sum::<usize>());
        array.push(b'[');
        for (place, event) in events.iter().enumerate() {
            if place > 0 {
                array.push(b',');
            }
            array.extend_from_slice(&event.json);
        }
        array.push(b']');
        array
    }
}
