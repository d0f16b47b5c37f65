//! Which Node has an address or a name: what `instance` tells of a machine.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use kube::{api::ListParams, core::Object};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::kind::Kind;
use crate::{
    config::Scope,
    context::{Context, Monotonic},
    kubernetes::{Api, Error, Kubernetes, Operation, turn_page},
};

/// Nodes asked for in one request.
const PAGE: u32 = 500;
/// Requests for one list: 10,000 nodes, twice what Kubernetes is built for.
const MAX_PAGES: usize = 20;
/// After a failure, for the signals that wait in line.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The nodes of the cluster, listed when an address is asked for and again when the list has grown old.
pub(crate) struct Nodes {
    kubernetes: Kubernetes,
    context: Context,
    /// How long a list is believed.
    ttl: Duration,
    /// How long a list is believed that lacks an address.
    negative_ttl: Duration,
    /// Held during a list, so that one is under way at most.
    state: Mutex<State>,
    forbidden: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Names by address, host name and name.
    names: BTreeMap<String, String>,
    listed_at: Option<Monotonic>,
    failed: Option<(Monotonic, Error)>,
}

/// What is read of a Node. One without a spec must not cost the others.
type Node = Object<Option<Spec>, Status>;

#[derive(Clone, Debug, Deserialize)]
struct Spec {}

#[derive(Clone, Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    addresses: Vec<Address>,
}

#[derive(Clone, Debug, Deserialize)]
struct Address {
    address: String,
}

impl Nodes {
    pub(crate) fn new(kubernetes: Kubernetes, context: Context, scope: &Scope) -> Self {
        let (ttl, negative_ttl) = (scope.cache_ttl, scope.negative_cache_ttl);
        Self { kubernetes, context, ttl, negative_ttl, state: Mutex::default(), forbidden: AtomicBool::new(false) }
    }

    /// The node that has one of `addresses`, the first that any has; `None` also where nodes may not be listed.
    ///
    /// # Errors
    /// If the API fails in another way.
    pub(crate) async fn find(&self, addresses: &[String], deadline: Monotonic) -> Result<Option<String>, Error> {
        let Ok(mut state) = self.context.timeout_at(deadline, self.state.lock()).await else {
            return Err(Error::Deadline);
        };
        let now = self.context.monotonic();
        // What the last list told is also the answer if the API fails. A node that it lacks may have joined since.
        let found = state.find(addresses);
        let believed = if found.is_some() { self.ttl } else { self.negative_ttl };
        if state.listed_at.is_some_and(|at| now.since(at) < believed) {
            return Ok(found);
        }
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| now.since(*at) < PAUSE_AFTER_FAILURE) {
            return found.map(Some).ok_or_else(|| error.clone());
        }
        match self.list(deadline).await {
            Ok(names) => {
                self.forbidden.store(false, Ordering::Relaxed);
                *state = State { names, listed_at: Some(self.context.monotonic()), failed: None };
                Ok(state.find(addresses))
            }
            Err(error) if error.is_missing_right() => {
                if !self.forbidden.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        %error,
                        "no permission to list nodes, so alerts about machines get incidents of their own: \
                         grant `list` on nodes, or set signal.nodeByInstance to false"
                    );
                }
                *state = State { listed_at: Some(self.context.monotonic()), ..State::default() };
                Ok(None)
            }
            Err(error) => {
                state.failed = Some((self.context.monotonic(), error.clone()));
                found.map(Some).ok_or(error)
            }
        }
    }

    /// Asks for all nodes. Metadata would not do: addresses are in the status.
    async fn list(&self, deadline: Monotonic) -> Result<BTreeMap<String, String>, Error> {
        let Some(resource) = Kind::named("Node").map(Kind::resource) else { return Ok(BTreeMap::new()) };
        let api = Api::from(kube::Api::<Node>::all_with(self.kubernetes.client(), &resource));
        let operation = Operation { verb: "list", resource: "nodes" };
        let mut page = ListParams::default().limit(PAGE);
        let mut names = BTreeMap::new();
        for _ in 0..MAX_PAGES {
            let list = self.kubernetes.call(operation, deadline, || api.list(&page)).await?;
            for node in list.items {
                add(&mut names, node);
            }
            if !turn_page(&mut page, &list.metadata) {
                return Ok(names);
            }
        }
        tracing::warn!(nodes = names.len(), "too many nodes: some are not found by their address");
        Ok(names)
    }
}

/// Of two nodes with one address, the first in the order of names: every replica decides alike.
fn add(names: &mut BTreeMap<String, String>, node: Node) {
    let Some(name) = node.metadata.name else { return };
    let addresses = node.status.unwrap_or_default().addresses.into_iter().map(|address| address.address);
    for address in addresses {
        names.entry(spelled_as_usual(&address)).or_insert_with(|| name.clone());
    }
    // Its own name is nobody else's.
    names.insert(name.clone(), name);
}

/// An IPv6 address has many spellings, and names are kept in lower case, as kubelets register them.
fn spelled_as_usual(address: &str) -> String {
    let ip = address.parse::<IpAddr>().map(|ip| ip.to_canonical().to_string());
    ip.unwrap_or_else(|_| address.to_ascii_lowercase())
}

impl State {
    fn find(&self, addresses: &[String]) -> Option<String> {
        addresses.iter().find_map(|address| self.names.get(&spelled_as_usual(address))).cloned()
    }
}
