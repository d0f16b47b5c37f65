//! What identifies a state: the future depends on nothing else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{World, replica_number};
use crate::exhaustive::{digest::Digest, names::Names};
use embedded_apiserver::EmbeddedApi;

/// What the store holds, as far as it decides on the future.
#[derive(Default)]
pub(super) struct StoreDigest {
    /// Undelivered events are a suffix of the RemediationRequests' history.
    others: u128,
    leases: BTreeMap<String, u128>,
}

impl World {
    /// What identifies the state: the future depends on nothing else.
    pub(in crate::exhaustive) fn digest(&self) -> u128 {
        let mut digest = Digest::new();
        digest.add(&(self.elapsed(), self.store_digest(), self.left, self.stuck));
        for (index, place) in self.places.iter().enumerate() {
            let history = if place.resting { 0 } else { self.hub.history(replica_number(index)) };
            digest.add(&(place.replica.is_some(), place.resting, history));
        }
        digest.add(&*self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        self.hub.each(|kind, item, parked| digest.add(&(kind, item, parked.content, parked.orphan)));
        digest.value()
    }

    /// [`World::digest`], and the order in which things wait: all that the default order depends on.
    pub(in crate::exhaustive) fn digest_in_order(&self) -> u128 {
        Digest::of(&(self.digest(), self.hub.queue()))
    }

    pub(super) fn store_digest(&self) -> u128 {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        Digest::of(&(store.others, &store.leases, self.names.counts()))
    }
}

/// Keeps the digest of the store as it changes, and `names` of what it hands out.
pub(super) fn digest_commits(api: &EmbeddedApi, store: &Arc<Mutex<StoreDigest>>, names: &Names) {
    let (store, names) = (Arc::clone(store), names.clone());
    api.on_commit(move |commit| {
        names.learn(commit);
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let content = commit.new.as_ref().map(|object| names.digest(object));
        match (commit.resource.as_str(), content) {
            ("leases", Some(content)) => drop(store.leases.insert(commit.name.clone(), content)),
            ("leases", None) => drop(store.leases.remove(&commit.name)),
            (_, content) => {
                let uid =
                    commit.old.as_ref().or(commit.new.as_ref()).map(|object| names.digest(&object["metadata"]["uid"]));
                store.others = Digest::of(&(store.others, uid, content));
            }
        }
    });
}
