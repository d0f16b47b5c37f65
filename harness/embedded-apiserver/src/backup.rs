//! An etcd that is restored from a backup: the store goes back, versions are handed out again, and what the API servers have
//! in memory may be wrong.
//!
//! Measured on etcd 3.6 and kube-apiserver 1.36 (`harness/tests/conformance/restores.rs` compares the answers):
//! - etcd restored under a live API server: lists stay at the old version, still with an object that was deleted, while GET
//!   says 404. The API server's watch of etcd goes on from the old version, so that its cache sees what is written after
//!   that, and never what was undone or written before.
//! - Both restored: the old version was passed in 0.18 s, by leases and whatever else a control plane writes; a watch from
//!   it was accepted, and does not tell what was undone.
//! - A watch from a version that is not reached yet is answered 200. No event and no bookmark comes on it until it is.

use std::{sync::Arc, time::Duration};

use super::{
    clock,
    collection::{Collection, Objects},
    crd,
    draws::Draws,
    server::Server,
    store::{Etcd, Store},
};

/// What was in the store at some moment, and the versions that it had reached: a backup of etcd. Cheap to make and to keep.
#[derive(Clone, Debug)]
pub struct Snapshot {
    collections: Vec<Objects>,
    versions: [u64; 2],
    draws: Draws,
    uids_again: bool,
}

impl Snapshot {
    /// Uids and generated names are drawn again as well: what is created after the restore has the uids of what was
    /// created after the snapshot. No real cluster does this (uids are random), so that nothing needs to survive it; it
    /// shows what rests on a uid alone.
    #[must_use]
    pub const fn with_uids_again(mut self) -> Self {
        self.uids_again = true;
        self
    }
}

/// What is restored with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// The API servers too, in a quiet cluster: their caches are made anew, all watches break, and a watch from a version
    /// before the snapshot's is answered 410. One from a later version, which is in the future now, is accepted and
    /// silent until what is written here has passed it.
    Everything,
    /// As [`Restore::Everything`], in a busy cluster: this long after it, the versions have passed those of before, by
    /// writes that are not seen here. A watch from before the restore is accepted, goes on, and lacks what was undone.
    BusyCluster {
        /// Whole milliseconds.
        passed_after: Duration,
    },
    /// Nothing else: GET (without a resourceVersion) and writes see the restored store, while lists and watches are served
    /// from a cache that stays as it was, at its old version. It sees writes again once they have passed that
    /// version, but is wrong for good about what was undone and written before, until `EmbeddedApi::restart_api`.
    /// Watches do not break.
    UnderLiveApi,
}

impl Restore {
    /// In a busy cluster: after the time that a control plane takes which has nothing else to do, as measured.
    pub const BUSY: Self = Self::BusyCluster { passed_after: Duration::from_millis(180) };
}

impl Store {
    /// A backup.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            collections: self.collections.iter().map(Collection::stored).collect(),
            versions: self.etcds.map(|etcd| etcd.version),
            draws: self.draws.clone(),
            uids_again: false,
        }
    }

    /// Goes back to `snapshot`. With `live`, the API servers' cache stays.
    pub(super) fn restore(&mut self, snapshot: &Snapshot, live: bool) {
        for (number, collection) in self.collections.iter_mut().enumerate() {
            // A resource that is younger than the snapshot had no objects.
            let objects = snapshot.collections.get(number).cloned().unwrap_or_default();
            let before = std::mem::replace(&mut collection.objects, objects);
            collection.cache.get_or_insert(before);
            collection.originals.clear();
        }
        for (etcd, version) in self.etcds.iter_mut().zip(snapshot.versions) {
            *etcd = Etcd { version, hidden: etcd.cached(), ..*etcd };
        }
        if snapshot.uids_again {
            self.draws = snapshot.draws.clone();
        }
        self.reindex();
        if !live {
            self.restart();
        }
        let custom: Vec<_> = self.registry.iter().filter(|resource| resource.custom).cloned().collect();
        custom.iter().for_each(|resource| crd::reshape(self, resource));
    }

    /// Makes the API servers' cache anew from the store, and serves what is defined there.
    pub(super) fn restart(&mut self) {
        for etcd in &mut self.etcds {
            etcd.hidden = 0;
        }
        for number in 0..self.collections.len() {
            let version = self.etcds[self.etcd_of(number)].version;
            let collection = &mut self.collections[number];
            collection.cache = None;
            collection.forget(version);
            collection.changed.set(version);
        }
        self.reload_definitions();
    }

    fn reload_definitions(&mut self) {
        let custom: Vec<_> = self.registry.iter().filter(|resource| resource.custom).cloned().collect();
        for resource in custom {
            self.registry.remove(&resource.group, &resource.plural);
        }
        let Some(definitions) = self.registry.named("customresourcedefinitions.apiextensions.k8s.io").cloned() else {
            return;
        };
        let all: Vec<_> =
            self.collection(&definitions).objects.values().flat_map(|names| names.values()).cloned().collect();
        for definition in all {
            crd::written(self, &definitions, &definition);
        }
    }

    /// Lets the versions go on to the ones of `before`, and one beyond, as by writes elsewhere.
    pub(super) fn pass(&mut self, before: [u64; 2]) {
        let now = self.clock.elapsed();
        for (etcd, before) in self.etcds.iter_mut().zip(before) {
            if etcd.version <= before {
                *etcd = Etcd { version: before + 1, written: Some(now), ..*etcd };
            }
        }
    }
}

impl Server {
    /// Goes back to `snapshot`.
    pub(super) fn restore(self: &Arc<Self>, snapshot: &Snapshot, restore: Restore) {
        let before = self.write(|store| {
            let before = store.etcds.map(|etcd| etcd.cached());
            store.restore(snapshot, restore == Restore::UnderLiveApi);
            before
        });
        if restore == Restore::UnderLiveApi {
            return;
        }
        self.break_all();
        if let Restore::BusyCluster { passed_after } = restore {
            let server = Arc::clone(self);
            let later = async move {
                clock::sleep(passed_after).await;
                server.store().pass(before);
                server.control().bump();
            };
            if !clock::try_spawn(later) {
                self.store().pass(before);
            }
        }
    }

    /// Makes the caches anew.
    pub(super) fn restart(&self) {
        self.store().restart();
        self.break_all();
    }
}
