//! The state behind all connections.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard, RwLock};
use serde_json::Value;

use super::{
    builtin,
    clock::{self, Clock},
    collection::Event,
    config::Options,
    faults::{Faults, NoFaults},
    gc,
    link::Link,
    rbac::{self, Attributes, Decision},
    request::{Caller, RequestInfo},
    seed::{seed, seed_namespace},
    signal::Signal,
    store::Store,
    tokens::{Token, Tokens},
    tracer::Tracer,
};

/// How many requests the log keeps.
const LOG_CAPACITY: usize = 100_000;

/// One request, as it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// The user.
    pub caller: String,
    /// get, list, watch, create, update, patch, delete or deletecollection.
    pub verb: &'static str,
    /// The plural with the subresource, such as `remediationrequests/status`; the path if it is not a resource's.
    pub resource: String,
    /// Empty for cluster-scoped resources and requests over all namespaces.
    pub namespace: String,
    /// Empty for requests on a collection.
    pub name: String,
    /// The HTTP status that was sent, or `reset`.
    pub code: String,
    /// The time since the server's creation when the answer was sent.
    pub elapsed: Duration,
}

/// What the cache of the server that a caller talks to shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    now: Duration,
    lag: Duration,
    /// The number of the last write that was seen.
    held_at: Option<u64>,
}

impl Horizon {
    /// Whether the cache has not seen `event` yet.
    pub(super) fn hides(&self, event: &Event) -> bool {
        event.at + self.lag > self.now || self.held_at.is_some_and(|sequence| event.sequence > sequence)
    }
}

pub(super) struct Server {
    options: Options,
    clock: Clock,
    store: Mutex<Store>,
    access: Mutex<Access>,
    log: Mutex<VecDeque<RequestRecord>>,
    faults: RwLock<Arc<dyn Faults>>,
    tracer: RwLock<Option<Arc<dyn Tracer>>>,
    /// Counts changes to what is held and how caches lag.
    control: Signal,
}

#[derive(Default)]
struct Access {
    links: BTreeMap<String, Link>,
    held: BTreeMap<String, u64>,
    tokens: Tokens,
    rbac: bool,
    lag: Duration,
}

impl Server {
    pub(super) fn new(mut options: Options) -> Self {
        let clock = Clock::new(options.epoch);
        let mut store = Store::new(clock, options.history);
        if let Some(version) = options.lease_store {
            store.keep_leases_apart(version);
        }
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            seed_namespace(&mut store, name);
        }
        for crd in std::mem::take(&mut options.crds) {
            seed(&mut store, crd);
        }
        if options.rbac {
            rbac::bootstrap().into_iter().for_each(|object| seed(&mut store, object));
        }
        let access = Access { lag: options.event_lag, rbac: options.rbac, ..Access::default() };
        Self {
            options,
            clock,
            store: Mutex::new(store),
            access: Mutex::new(access),
            log: Mutex::default(),
            faults: RwLock::new(Arc::new(NoFaults)),
            tracer: RwLock::default(),
            control: Signal::default(),
        }
    }

    pub(super) const fn options(&self) -> &Options {
        &self.options
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock()
    }

    /// Writes under the lock, and lets the garbage collector look after a while if the write gave reason to.
    pub(super) fn write<T>(self: &Arc<Self>, write: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store();
        let result = write(&mut store);
        if store.collectable {
            let server = Arc::downgrade(self);
            let delay = self.options.collection_delay;
            let started = clock::try_spawn(async move {
                clock::sleep(delay).await;
                if let Some(server) = server.upgrade() {
                    server.write(gc::pass);
                }
            });
            store.collectable = !started;
        }
        result
    }

    pub(super) fn faults(&self) -> Arc<dyn Faults> {
        Arc::clone(&self.faults.read())
    }

    pub(super) fn set_faults(&self, faults: Arc<dyn Faults>) {
        *self.faults.write() = faults;
    }

    pub(super) fn tracer(&self) -> Option<Arc<dyn Tracer>> {
        self.tracer.read().clone()
    }

    pub(super) fn set_tracer(&self, tracer: Arc<dyn Tracer>) {
        *self.tracer.write() = Some(tracer);
    }

    pub(super) fn lag(&self) -> Duration {
        self.access.lock().lag
    }

    pub(super) fn set_lag(&self, lag: Duration) {
        self.access.lock().lag = lag;
        self.control.bump();
    }

    /// What `user` sees in the cache of its server, which lags `more` than others.
    pub(super) fn horizon(&self, user: &str, more: Duration) -> Horizon {
        let access = self.access.lock();
        Horizon { now: self.clock.elapsed(), lag: access.lag + more, held_at: access.held.get(user).copied() }
    }

    pub(super) fn is_held(&self, user: &str) -> bool {
        self.access.lock().held.contains_key(user)
    }

    pub(super) fn hold(&self, user: &str) {
        let sequence = self.store().sequence;
        self.access.lock().held.entry(user.to_owned()).or_insert(sequence);
        self.control.bump();
    }

    pub(super) fn release(&self, user: &str) {
        self.access.lock().held.remove(user);
        self.control.bump();
    }

    pub(super) fn control(&self) -> Signal {
        self.control.clone()
    }

    pub(super) fn link(&self, user: &str) -> Link {
        self.access.lock().links.entry(user.to_owned()).or_default().clone()
    }

    pub(super) fn disconnect(&self, user: &str, lands: bool) {
        let Some(link) = self.access.lock().links.remove(user) else { return };
        if !lands {
            link.lands.cancel();
        }
        link.dead.cancel();
    }

    pub(super) fn break_watches(&self, user: &str) {
        let mut access = self.access.lock();
        if let Some(link) = access.links.get_mut(user) {
            std::mem::take(&mut link.watches).cancel();
        }
    }

    /// Breaks all watches, and lets go what is held: whoever connects again is served from new caches.
    pub(super) fn break_all(&self) {
        let mut access = self.access.lock();
        access.held.clear();
        access.links.values_mut().for_each(|link| std::mem::take(&mut link.watches).cancel());
        drop(access);
        self.control.bump();
    }

    pub(super) fn add_token(&self, text: String, token: Token) {
        self.access.lock().tokens.add(text, token);
    }

    pub(super) fn remove_token(&self, token: &str) {
        self.access.lock().tokens.remove(token);
    }

    /// What the token is good for, if it is a good one.
    pub(super) fn authenticate(&self, token: &str) -> Option<Token> {
        let store = self.store();
        self.access.lock().tokens.find(token, &store)
    }

    pub(super) fn bootstrap(self: &Arc<Self>) {
        let system = builtin::system_objects(&self.store().registry);
        rbac::bootstrap().into_iter().chain(system).for_each(|object| self.seed(object));
    }

    pub(super) fn enforce_rbac(self: &Arc<Self>) {
        rbac::bootstrap().into_iter().for_each(|object| self.seed(object));
        self.access.lock().rbac = true;
    }

    /// Whether `caller` may do what `asked` says; everybody may do everything while RBAC is not enforced.
    pub(super) fn decide(&self, caller: &Caller, asked: &Attributes<'_>) -> Decision {
        if !self.access.lock().rbac {
            return Decision { allowed: true, reason: String::new() };
        }
        rbac::decide(&self.store(), caller, asked)
    }

    /// The rules that let `caller` do what it may do in `namespace`.
    pub(super) fn rules(&self, caller: &Caller, namespace: &str) -> Vec<Value> {
        if !self.access.lock().rbac {
            return vec![
                serde_json::json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}),
                serde_json::json!({"verbs": ["*"], "nonResourceURLs": ["*"]}),
            ];
        }
        rbac::rules(&self.store(), caller, namespace)
    }

    /// Notes how a request ended.
    pub(super) fn log(&self, info: RequestInfo, code: String) {
        let elapsed = self.clock.elapsed();
        let resource = if info.resource.is_empty() { info.path.clone() } else { info.label() };
        let RequestInfo { caller, verb, namespace, name, .. } = info;
        let mut log = self.log.lock();
        if log.len() == LOG_CAPACITY {
            log.pop_front();
        }
        log.push_back(RequestRecord { caller: caller.user, verb, resource, namespace, name, code, elapsed });
    }

    pub(super) fn requests(&self) -> Vec<RequestRecord> {
        self.log.lock().iter().cloned().collect()
    }

    pub(super) fn clear_requests(&self) {
        self.log.lock().clear();
    }

    /// The wall time now.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("elapsed", &self.clock.elapsed()).finish_non_exhaustive()
    }
}
