//! The objects of one resource and their history, from which watches and older states are read.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;

use super::{object, signal::Signal};

/// One write in a collection's history.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) version: u64,
    /// Counts all writes, and unlike versions never goes back.
    pub(super) sequence: u64,
    /// Time since the server's creation.
    pub(super) at: Duration,
    pub(super) old: Option<Arc<Value>>,
    pub(super) new: Option<Arc<Value>>,
    /// `new` as JSON, made once for all watches.
    pub(super) text: OnceLock<Bytes>,
}

/// Objects by namespace and name.
pub(super) type Objects = BTreeMap<String, BTreeMap<String, Arc<Value>>>;

/// The objects of one resource.
#[derive(Debug)]
pub(super) struct Collection {
    /// What etcd has.
    pub(super) objects: Objects,
    /// What the API servers' cache has, where that is something else; see [`super::backup`].
    pub(super) cache: Option<Objects>,
    /// Oldest first.
    pub(super) events: VecDeque<Event>,
    /// The version of the newest event that is no longer kept.
    pub(super) forgotten: u64,
    /// The definition of a custom resource.
    pub(super) definition: Option<Arc<Value>>,
    /// What etcd has where `objects` is what is left of it by the present definition, by namespace and name.
    pub(super) originals: BTreeMap<(String, String), Arc<Value>>,
    /// How often the definition was replaced; watches from before end a little after the time.
    pub(super) life: (u64, Duration),
    /// The version of the newest event; watches and lists wait on it.
    pub(super) changed: Signal,
}

impl Collection {
    pub(super) fn new() -> Self {
        Self {
            objects: Objects::new(),
            cache: None,
            events: VecDeque::new(),
            forgotten: 0,
            definition: None,
            originals: BTreeMap::new(),
            life: (0, Duration::ZERO),
            changed: Signal::default(),
        }
    }

    /// What lists and watches are served from.
    pub(super) fn cached(&self) -> &Objects {
        self.cache.as_ref().unwrap_or(&self.objects)
    }

    /// What etcd has, whatever the present definition leaves of it.
    pub(super) fn stored(&self) -> Objects {
        let mut objects = self.objects.clone();
        for ((namespace, name), original) in &self.originals {
            if let Some(object) = objects.get_mut(namespace).and_then(|names| names.get_mut(name)) {
                *object = Arc::clone(original);
            }
        }
        objects
    }

    /// The objects that are cached as they were before the events for which `undo` holds, which must be the newest ones.
    pub(super) fn rewound(&self, undo: impl Fn(&Event) -> bool) -> Objects {
        let mut objects = self.cached().clone();
        for event in self.events.iter().rev().take_while(|event| undo(event)) {
            let Some(object) = event.old.as_ref().or(event.new.as_ref()) else { continue };
            let namespace = objects.entry(object::namespace(object).to_owned()).or_default();
            match &event.old {
                Some(old) => namespace.insert(object::name(object).to_owned(), Arc::clone(old)),
                None => namespace.remove(object::name(object)),
            };
        }
        objects
    }

    /// Adds an event, and forgets the oldest beyond `limit`.
    pub(super) fn push(&mut self, event: Event, limit: usize) {
        let version = event.version;
        self.events.push_back(event);
        while self.events.len() > limit {
            if let Some(event) = self.events.pop_front() {
                self.forgotten = event.version;
            }
        }
        self.changed.set(version);
    }

    /// Forgets all events; `version` is the newest of its etcd.
    pub(super) fn forget(&mut self, version: u64) {
        self.events.clear();
        self.forgotten = version;
    }
}
