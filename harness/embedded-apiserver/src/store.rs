//! The objects, their history, and the resourceVersion that orders all writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    builtin,
    clock::Clock,
    collection::{Collection, Event},
    draws::Draws,
    object,
    resources::{Registry, Resource},
};

/// A write that took effect.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The version that the write made.
    pub resource_version: u64,
    /// create, update, patch or delete; what the request was, not what it did.
    pub verb: &'static str,
    /// The API group, empty for the core group.
    pub group: String,
    /// The plural, such as `leases`.
    pub resource: String,
    /// Such as `status`; usually empty.
    pub subresource: String,
    /// Empty for cluster-scoped resources.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object before, none if it was created.
    pub old: Option<Arc<Value>>,
    /// The object after, none if it is gone.
    pub new: Option<Arc<Value>>,
    /// The user whose request it was.
    pub caller: String,
    /// The server's wall time.
    pub at: Timestamp,
    /// The time since the server's creation.
    pub elapsed: Duration,
}

/// Called for every commit, in order, while the store is locked.
pub(super) type Hook = Box<dyn FnMut(&Commit) + Send>;

/// Which request a write belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) verb: &'static str,
    pub(super) subresource: &'a str,
    pub(super) caller: &'a str,
}

/// The caller of writes past all requests.
pub(super) const SEEDER: &str = "seed";

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) collection: usize,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What orders the writes of an etcd.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Etcd {
    /// The version of the newest write.
    pub(super) version: u64,
    /// When a request last wrote; none if none has.
    pub(super) written: Option<Duration>,
    /// Writes up to this version never reach the API servers' cache; zero but for an etcd restored under them.
    pub(super) hidden: u64,
}

impl Etcd {
    /// The version of the API servers' cache when it has seen everything.
    pub(super) fn cached(&self) -> u64 {
        self.version.max(self.hidden)
    }
}

/// All objects of the server.
pub(super) struct Store {
    pub(super) clock: Clock,
    pub(super) registry: Registry,
    /// One for all, and one of the leases' own if they are kept apart.
    pub(super) etcds: [Etcd; 2],
    /// The collection of the leases, if they are kept apart.
    apart: Option<usize>,
    /// How many writes there were.
    pub(super) sequence: u64,
    /// Set when a write may leave something for the garbage collector.
    pub(super) collectable: bool,
    pub(super) collections: Vec<Collection>,
    pub(super) by_uid: BTreeMap<String, Key>,
    pub(super) dependents: BTreeMap<String, BTreeSet<Key>>,
    pub(super) terminating: BTreeSet<Key>,
    history: usize,
    pub(super) draws: Draws,
    hooks: Vec<Hook>,
}

impl Store {
    /// An empty store that knows the built-in resources and keeps `history` events per resource.
    pub(super) fn new(clock: Clock, history: usize) -> Self {
        let registry = builtin::registry();
        Self {
            clock,
            etcds: [Etcd::default(); 2],
            apart: None,
            sequence: 0,
            collectable: false,
            collections: (0..registry.collections()).map(|_| Collection::new()).collect(),
            registry,
            by_uid: BTreeMap::new(),
            dependents: BTreeMap::new(),
            terminating: BTreeSet::new(),
            history: history.max(1),
            draws: Draws::default(),
            hooks: Vec::new(),
        }
    }

    /// Keeps leases in an etcd of their own, whose newest version is `version`. Before anything is written.
    pub(super) fn keep_leases_apart(&mut self, version: u64) {
        self.apart = self.registry.named("leases.coordination.k8s.io").map(|leases| leases.collection);
        self.etcds[1].version = version;
    }

    /// The etcd that a collection is in.
    pub(super) fn etcd_of(&self, collection: usize) -> usize {
        usize::from(self.apart == Some(collection))
    }

    /// The etcd that `resource` is in.
    pub(super) fn etcd(&self, resource: &Resource) -> &Etcd {
        &self.etcds[self.etcd_of(resource.collection)]
    }

    /// The version of the next write.
    fn advance(&mut self, resource: &Resource) -> u64 {
        let etcd = self.etcd_of(resource.collection);
        self.etcds[etcd].version += 1;
        self.etcds[etcd].version
    }

    /// Serves `resource` from now on.
    pub(super) fn serve(&mut self, resource: Resource) {
        let collection = self.registry.add(resource);
        while self.collections.len() <= collection {
            self.collections.push(Collection::new());
        }
    }

    pub(super) fn add_hook(&mut self, hook: Hook) {
        self.hooks.push(hook);
    }

    pub(super) fn collection(&self, resource: &Resource) -> &Collection {
        &self.collections[resource.collection]
    }

    pub(super) fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.collection(resource).objects.get(namespace)?.get(name)
    }

    pub(super) fn at(&self, key: &Key) -> Option<&Arc<Value>> {
        self.collections.get(key.collection)?.objects.get(&key.namespace)?.get(&key.name)
    }

    /// The keys of everything in `namespace`.
    pub(super) fn keys_in(&self, namespace: &str) -> Vec<Key> {
        let collections = self.collections.iter().enumerate();
        let keys = collections.flat_map(|(collection, content)| {
            let names = content.objects.get(namespace).into_iter().flat_map(BTreeMap::keys);
            names.map(move |name| Key { collection, namespace: namespace.to_owned(), name: name.clone() })
        });
        keys.collect()
    }

    /// Writes `object` under the next version.
    pub(super) fn put(&mut self, resource: &Resource, mut object: Value, origin: Origin<'_>) -> Arc<Value> {
        let version = self.advance(resource);
        object::set(&mut object, "resourceVersion", Some(version.to_string().into()));
        let key = Key {
            collection: resource.collection,
            namespace: object::namespace(&object).to_owned(),
            name: object::name(&object).to_owned(),
        };
        let object = Arc::new(object);
        self.forget_original(&key);
        let namespace = self.collections[key.collection].objects.entry(key.namespace.clone()).or_default();
        let old = namespace.insert(key.name.clone(), Arc::clone(&object));
        self.index(&key, old.as_deref(), Some(&object));
        self.record(resource, key, old, Some(Arc::clone(&object)), origin);
        object
    }

    /// Removes an object under the next version; returns its last state.
    pub(super) fn remove(
        &mut self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        origin: Origin<'_>,
    ) -> Option<Arc<Value>> {
        let old = self.collections[resource.collection].objects.get_mut(namespace)?.remove(name)?;
        self.advance(resource);
        let key = Key { collection: resource.collection, namespace: namespace.to_owned(), name: name.to_owned() };
        self.forget_original(&key);
        self.index(&key, Some(&old), None);
        self.record(resource, key, Some(Arc::clone(&old)), None, origin);
        Some(old)
    }

    /// Notes that an object is written, and in etcd as it is read.
    fn forget_original(&mut self, key: &Key) {
        let originals = &mut self.collections[key.collection].originals;
        if !originals.is_empty() {
            originals.remove(&(key.namespace.clone(), key.name.clone()));
        }
    }

    /// Whether etcd has more of an object than is read.
    pub(super) fn is_pruned(&self, resource: &Resource, namespace: &str, name: &str) -> bool {
        let originals = &self.collection(resource).originals;
        !originals.is_empty() && originals.contains_key(&(namespace.to_owned(), name.to_owned()))
    }

    fn record(
        &mut self,
        resource: &Resource,
        key: Key,
        old: Option<Arc<Value>>,
        new: Option<Arc<Value>>,
        origin: Origin<'_>,
    ) {
        let at = self.clock.elapsed();
        let etcd = self.etcd_of(key.collection);
        let Etcd { version, hidden, .. } = self.etcds[etcd];
        // What was there from the start has been there for long.
        if origin.caller != SEEDER {
            self.etcds[etcd].written = Some(at);
        }
        self.sequence += 1;
        let cached = if version > hidden { self.cache(&key, old.as_ref(), new.as_ref()) } else { None };
        let collection = key.collection;
        if !self.hooks.is_empty() {
            let commit = Commit {
                resource_version: version,
                verb: origin.verb,
                group: resource.group.clone(),
                resource: resource.plural.clone(),
                subresource: origin.subresource.to_owned(),
                namespace: key.namespace,
                name: key.name,
                old: old.clone(),
                new: new.clone(),
                caller: origin.caller.to_owned(),
                at: self.clock.at(at),
                elapsed: at,
            };
            self.hooks.iter_mut().for_each(|hook| hook(&commit));
        }
        if version > hidden {
            let event = Event { version, sequence: self.sequence, at, old: cached, new, text: OnceLock::new() };
            self.collections[collection].push(event, self.history);
        }
    }

    /// Lets the API servers' cache see a write; returns what it had, which is `old` where the cache is right.
    fn cache(&mut self, key: &Key, old: Option<&Arc<Value>>, new: Option<&Arc<Value>>) -> Option<Arc<Value>> {
        let Some(cache) = &mut self.collections[key.collection].cache else { return old.cloned() };
        let names = cache.entry(key.namespace.clone()).or_default();
        match new {
            Some(new) => names.insert(key.name.clone(), Arc::clone(new)),
            None => names.remove(&key.name),
        }
    }

    /// Forgets every event: watches and lists from versions before now are answered 410.
    pub(super) fn forget_history(&mut self) {
        for collection in 0..self.collections.len() {
            let etcd = self.etcds[self.etcd_of(collection)];
            self.collections[collection].forget(etcd.cached());
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("etcds", &self.etcds).finish_non_exhaustive()
    }
}
