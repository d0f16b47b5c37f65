//! Shows the oracles what a real cluster's watch tells.
//!
//! A watch does not say who wrote, nor by which verb: the verb is that of the event, and whoever writes a lock's lease is its
//! holder. So of the rule on leases only take-overs are judged, not deletions, and nothing is that depends on a replica having
//! written: `ownership`, and of `counters` the single writes. What counters and statuses say at rest is.
//!
//! A watch that goes on from the version it has come to misses nothing. But an API server that was started again knows no
//! events from before (410): then a list is compared with what was known. Versions in between are missed, which hides no
//! RemediationRequest unless it is deleted meanwhile; that is an error, because its last count is not known.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt;
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, WatchEvent, WatchParams},
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    error::Error,
    objects::{leases, objects, remediation_requests},
};
use crate::oracles::{Oracles, REMEDIATION_REQUESTS, Write, name};

/// Before a watch that ended is opened again.
const RETRY: Duration = Duration::from_millis(100);
/// How long the watches may lag behind a list.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(60);
const CATCH_UP_POLL: Duration = Duration::from_millis(50);

/// One write, as a watch shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Such as `leases`.
    pub resource: String,
    /// create, update or delete.
    pub verb: &'static str,
    /// The object's name.
    pub name: String,
    /// The holder of a lease, empty otherwise.
    pub holder: String,
}

/// Watches the RemediationRequests and leases of a namespace until it is dropped.
pub struct Witness {
    client: Client,
    namespace: String,
    state: Arc<Mutex<State>>,
    _watches: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest version of each object, by resource and name.
    objects: BTreeMap<(String, String), Value>,
    seen: Vec<Seen>,
    /// Why not all was seen.
    gap: Option<String>,
}

impl Witness {
    /// Shows `oracles` all that happens in `namespace` from now on.
    ///
    /// # Errors
    /// If the objects there cannot be listed.
    pub async fn start(client: &Client, namespace: &str, oracles: &Oracles) -> Result<Self, Error> {
        let state = Arc::new(Mutex::new(State::default()));
        let mut watches = JoinSet::new();
        for resource in [remediation_requests(), leases()] {
            let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
            let version = api.list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
            let (state, oracles) = (Arc::clone(&state), oracles.clone());
            watches.spawn(Watch { api, resource: resource.plural, version, state, oracles }.run());
        }
        Ok(Self { client: client.clone(), namespace: namespace.to_owned(), state, _watches: watches })
    }

    /// What was seen of `resource`, in order.
    pub fn seen(&self, resource: &str) -> Vec<Seen> {
        self.state.lock().seen.iter().filter(|seen| seen.resource == resource).cloned().collect()
    }

    /// The newest version of an object that is as `wanted`.
    pub fn find(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        self.state.lock().objects.values().find(|object| wanted(object)).cloned()
    }

    /// Writes seen so far.
    pub fn writes(&self) -> usize {
        self.state.lock().seen.len()
    }

    /// Waits until the watches have come to what a list says now: RemediationRequests and leases.
    ///
    /// # Errors
    /// If they cannot be listed, or the watches missed something or lag: what, as text.
    pub async fn catch_up(&self) -> Result<(Vec<Value>, Vec<Value>), String> {
        let list =
            async |resource| objects(&self.client, &self.namespace, &resource).await.map_err(|e| format!("{e:?}"));
        for _ in 0..CATCH_UP_TIMEOUT.as_millis() / CATCH_UP_POLL.as_millis() {
            let (requests, leases) = (list(remediation_requests()).await?, list(leases()).await?);
            let versions = |objects: &mut dyn Iterator<Item = &Value>| {
                let mut versions: Vec<String> =
                    objects.map(|o| format!("{} {}", o["metadata"]["uid"], o["metadata"]["resourceVersion"])).collect();
                versions.sort();
                versions
            };
            {
                let state = self.state.lock();
                if let Some(gap) = &state.gap {
                    return Err(gap.clone());
                }
                let listed = versions(&mut requests.iter().chain(&leases));
                if listed == versions(&mut state.objects.values()) {
                    return Ok((requests, leases));
                }
            }
            tokio::time::sleep(CATCH_UP_POLL).await;
        }
        Err(format!("the watches did not reach what a list says within {} s", CATCH_UP_TIMEOUT.as_secs()))
    }
}

/// One resource, watched from a version on.
struct Watch {
    api: Api<DynamicObject>,
    resource: String,
    version: String,
    state: Arc<Mutex<State>>,
    oracles: Oracles,
}

/// Why a watch ended.
enum End {
    /// It can go on where it was.
    Broken,
    /// It cannot: 410.
    Forgotten,
}

impl Watch {
    /// Watches again and again.
    async fn run(mut self) {
        loop {
            if matches!(self.once().await, End::Forgotten) {
                self.compare().await;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn once(&mut self) -> End {
        let events = match self.api.watch(&WatchParams::default(), &self.version).await {
            Ok(events) => events,
            Err(kube::Error::Api(status)) if status.code == 410 => return End::Forgotten,
            Err(_) => return End::Broken,
        };
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let (verb, object) = match event {
                Ok(WatchEvent::Added(object)) => ("create", object),
                Ok(WatchEvent::Modified(object)) => ("update", object),
                Ok(WatchEvent::Deleted(object)) => ("delete", object),
                Ok(WatchEvent::Bookmark(bookmark)) => {
                    self.version = bookmark.metadata.resource_version;
                    continue;
                }
                Ok(WatchEvent::Error(status)) if status.code == 410 => return End::Forgotten,
                Ok(WatchEvent::Error(_)) | Err(_) => return End::Broken,
            };
            if let Some(version) = &object.metadata.resource_version {
                self.version.clone_from(version);
            }
            show(&self.state, &self.oracles, &self.resource, verb, serde_json::to_value(object).unwrap_or_default());
        }
        End::Broken
    }

    /// Shows how a list differs from what was known.
    async fn compare(&mut self) {
        let Ok(list) = self.api.list(&ListParams::default()).await else { return };
        self.version = list.metadata.resource_version.unwrap_or_default();
        let listed = list.items.into_iter().filter_map(|object| serde_json::to_value(object).ok());
        let mut listed: Vec<Value> = listed.collect();
        listed.sort_by_key(version);
        let known: Vec<Value> = {
            let state = self.state.lock();
            let of_this = state.objects.iter().filter(|((resource, _), _)| *resource == self.resource);
            of_this.map(|(_, object)| object.clone()).collect()
        };
        let same = |one: &Value, other: &Value| one["metadata"]["uid"] == other["metadata"]["uid"];
        for object in known.iter().filter(|object| !listed.iter().any(|other| same(object, other))) {
            show(&self.state, &self.oracles, &self.resource, "delete", object.clone());
            if self.resource == REMEDIATION_REQUESTS {
                self.state.lock().gap = Some(format!("{} was deleted unseen", name(object)));
            }
        }
        for object in listed {
            match known.iter().find(|other| same(&object, other)) {
                None => show(&self.state, &self.oracles, &self.resource, "create", object),
                Some(known) if version(known) < version(&object) => {
                    show(&self.state, &self.oracles, &self.resource, "update", object);
                }
                Some(_) => {}
            }
        }
    }
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// Shows one event to the oracles.
fn show(state: &Mutex<State>, oracles: &Oracles, resource: &str, verb: &'static str, object: Value) {
    let mut state = state.lock();
    let name = name(&object).to_owned();
    let key = (resource.to_owned(), name.clone());
    let holder = object["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
    let old = state.objects.remove(&key);
    // A deletion's event carries the last state; an update's caller wrote its renewTime at that moment.
    let (old, new) = if verb == "delete" { (Some(&object), None) } else { (old.as_ref(), Some(&object)) };
    let renewed = new.and_then(|object| object["spec"]["renewTime"].as_str()?.parse::<Timestamp>().ok());
    oracles.on_write(&Write {
        version: version(&object),
        resource,
        verb,
        caller: if new.is_some() { &holder } else { "" },
        old,
        new,
        at_ms: renewed.unwrap_or_else(Timestamp::now).as_millisecond(),
    });
    if verb != "delete" {
        state.objects.insert(key, object);
    }
    state.seen.push(Seen { resource: resource.to_owned(), verb, name, holder });
}
