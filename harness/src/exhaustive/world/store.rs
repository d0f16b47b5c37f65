//! What the store holds, kept as a digest while it changes.

use std::{collections::BTreeMap, sync::Arc};

use embedded_apiserver::EmbeddedApi;
use parking_lot::Mutex;

use crate::exhaustive::{digest::Digest, names::Names};

/// What the store holds, as far as it decides on the future.
#[derive(Default)]
pub(super) struct StoreDigest {
    /// Undelivered events are a suffix of the RemediationRequests' history.
    pub(super) others: u128,
    pub(super) leases: BTreeMap<String, u128>,
}

/// Keeps the digest of the store as it changes, and `names` of what it hands out.
pub(super) fn digest_commits(api: &EmbeddedApi, store: &Arc<Mutex<StoreDigest>>, names: &Names) {
    let (store, names) = (Arc::clone(store), names.clone());
    api.on_commit(move |commit| {
        names.learn(commit);
        let mut store = store.lock();
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
