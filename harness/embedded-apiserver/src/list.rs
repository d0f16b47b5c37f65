//! Lists: which state of the store they show, and in which portions.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    collection::Objects,
    object,
    render::Listing,
    request::Query,
    resources::Resource,
    selectors::Selector,
    server::Server,
    status::{Failure, Result},
    store::Store,
};

/// How long kube-apiserver waits for a version that it has not seen yet.
const FUTURE_VERSION_WAIT: Duration = Duration::from_secs(3);

/// Which state of a collection a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The newest.
    Consistent,
    /// What the server's cache has, however old.
    Cached,
    /// At least this version.
    NotOlderThan(u64),
    /// Exactly this version.
    Exact(u64),
}

/// Where a list that was cut by `limit` goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    /// None after the version was forgotten: go on with the newest.
    version: Option<u64>,
    namespace: String,
    name: String,
}

impl Token {
    fn encode(&self) -> String {
        let version = self.version.map_or_else(|| "-1".to_owned(), |version| version.to_string());
        let text = format!("{version}/{}/{}", self.namespace, self.name);
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes: Option<Vec<u8>> =
            (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect();
        let text = String::from_utf8(bytes?).ok()?;
        let mut parts = text.splitn(3, '/');
        let version = match parts.next()? {
            "-1" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Self { version, namespace: parts.next()?.to_owned(), name: parts.next()?.to_owned() })
    }
}

/// A list request.
pub(super) struct Request<'a> {
    pub(super) resource: &'a Resource,
    /// Empty for all namespaces.
    pub(super) namespace: &'a str,
    pub(super) query: &'a Query,
    pub(super) selector: &'a Selector,
    /// See [`Server::horizon`].
    pub(super) user: &'a str,
    pub(super) lag: Duration,
}

/// Serves a list.
pub(super) async fn list(server: &Server, request: &Request<'_>) -> Result<Listing> {
    let (state, token) = parse(request.query)?;
    match state {
        State::Consistent => {
            wait_until_synced(server, request.resource).await;
            wait_until_visible(server, request).await;
        }
        State::NotOlderThan(version) | State::Exact(version) => {
            wait_for_version(server, request.resource, version).await?
        }
        State::Cached => {}
    }
    let horizon = server.horizon(request.user, request.lag);
    let store = server.store();
    let collection = store.collection(request.resource);
    let (objects, version) = match state {
        State::Cached if collection.events.back().is_some_and(|event| horizon.hides(event)) => {
            let first_hidden = collection.events.iter().rev().take_while(|event| horizon.hides(event)).last();
            let version = first_hidden.map_or(store.etcd(request.resource).cached(), |event| event.version - 1);
            (collection.rewound(|event| horizon.hides(event)), version)
        }
        State::Exact(version) => (exact(&store, request.resource, version, token.as_ref())?, version),
        _ => {
            let version = store.etcd(request.resource).cached();
            return Ok(cut(collection.cached(), version, request, token.as_ref(), state == State::Cached));
        }
    };
    drop(store);
    Ok(cut(&objects, version, request, token.as_ref(), state == State::Cached))
}

fn parse(query: &Query) -> Result<(State, Option<Token>)> {
    let (version, exactly) = (query.get("resourceVersion"), query.get("resourceVersionMatch"));
    let number = || {
        let why = format!("resourceVersion: Invalid value: {version:?}: strconv.ParseUint: parsing {version:?}");
        let message = format!("invalid resource version: {why}: invalid syntax");
        version.parse::<u64>().map_err(|_| Failure::bad_request(message))
    };
    let token = query.get("continue");
    if !token.is_empty() {
        if !matches!(version, "" | "0") {
            return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
        }
        let token = Token::decode(token)
            .ok_or_else(|| Failure::bad_request("continue key is not valid: it was not made by this server"))?;
        let state = token.version.map_or(State::Consistent, State::Exact);
        return Ok((state, Some(token)));
    }
    let limited = query.number("limit").is_some_and(|limit| limit > 0);
    let state = match (version, exactly) {
        ("", _) => State::Consistent,
        ("0", _) => State::Cached,
        (_, "Exact") => State::Exact(number()?),
        (_, "") if limited => State::Exact(number()?),
        _ => State::NotOlderThan(number()?),
    };
    Ok((state, None))
}

/// A consistent list comes from the watch cache, which must first have seen the store's newest version. It has if the
/// newest write was one of this resource; else etcd tells it in its next progress notification.
async fn wait_until_synced(server: &Server, resource: &Resource) {
    let period = server.options().consistent_list_wait;
    if period.is_zero() {
        return;
    }
    let (needed, changed, due) = {
        let store = server.store();
        let collection = store.collection(resource);
        let etcd = store.etcd(resource);
        // A cache that has gone beyond an etcd that was restored takes itself for fresh.
        let seen = collection.changed.get().max(etcd.hidden);
        let last_progress = floor(store.clock.elapsed(), period);
        if seen >= etcd.version || etcd.written.is_none_or(|written| written < last_progress) {
            return;
        }
        (etcd.version, collection.changed.clone(), last_progress + period)
    };
    let clock = *server.clock();
    clock.wait_until(due, changed.wait_for(|seen| seen >= needed)).await;
}

/// The cache must also have seen this resource's own newest event. A cache that stands still is not waited for.
async fn wait_until_visible(server: &Server, request: &Request<'_>) {
    let lag = server.lag() + request.lag;
    let newest = server.store().collection(request.resource).events.back().map(|event| event.at);
    if let Some(at) = newest.filter(|_| !lag.is_zero()) {
        server.clock().sleep_until(at + lag).await;
    }
}

/// The last multiple of `period` that has passed.
fn floor(elapsed: Duration, period: Duration) -> Duration {
    let periods = elapsed.as_nanos() / period.as_nanos();
    Duration::from_nanos(u64::try_from(periods * period.as_nanos()).unwrap_or(u64::MAX))
}

/// Waits until the cache has come to `version`, for so long as a server does.
pub(super) async fn wait_for_version(server: &Server, resource: &Resource, version: u64) -> Result<()> {
    let current = || server.store().etcd(resource).cached();
    if current() >= version {
        return Ok(());
    }
    super::clock::sleep(FUTURE_VERSION_WAIT).await;
    let current = current();
    if current >= version { Ok(()) } else { Err(Failure::too_large_version(version, current)) }
}

fn exact(store: &Store, resource: &Resource, version: u64, token: Option<&Token>) -> Result<Objects> {
    let collection = store.collection(resource);
    if version >= collection.forgotten {
        return Ok(collection.rewound(|event| event.version > version));
    }
    let Some(token) = token else {
        return Err(Failure::expired("The resourceVersion for the provided list is too old."));
    };
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
        list without the continue parameter, or use the continue token in this response to retrieve the remainder of \
        the results. Continuing with the provided token results in an inconsistent list - objects that were created, \
        modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    let next = Token { version: None, ..token.clone() };
    Err(Failure::expired_list(message, next.encode()))
}

/// The selected objects after `token`, `limit` of them at most.
fn cut(objects: &Objects, version: u64, request: &Request<'_>, token: Option<&Token>, unlimited: bool) -> Listing {
    let limit = request.query.number("limit").filter(|limit| *limit > 0 && !unlimited);
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut selected = selected(objects, request.namespace, request.selector).filter(|object| {
        token.is_none_or(|token| {
            (object::namespace(object), object::name(object)) > (token.namespace.as_str(), token.name.as_str())
        })
    });
    let objects: Vec<Arc<Value>> = selected.by_ref().take(limit).cloned().collect();
    let left = selected.count();
    let next = objects.last().filter(|_| left > 0).map(|last| {
        let token = Token {
            version: Some(version),
            namespace: object::namespace(last).to_owned(),
            name: object::name(last).to_owned(),
        };
        token.encode()
    });
    let remaining = (left > 0 && request.selector.is_empty()).then_some(left);
    Listing { objects, version, next, remaining }
}

/// The selected objects of one namespace, or of all if it is empty.
pub(super) fn selected<'a>(
    objects: &'a Objects,
    namespace: &'a str,
    selector: &'a Selector,
) -> impl Iterator<Item = &'a Arc<Value>> {
    let all = namespace.is_empty();
    let every = objects.values().filter(move |_| all).flat_map(|names| names.values());
    let own = objects.get(namespace).filter(|_| !all).into_iter().flat_map(|names| names.values());
    every.chain(own).filter(move |object| selector.matches(object))
}
