//! What this replica remembers of objects' metadata: one bounded cache for owners and scope.
//!
//! However many signals ask for an object at once, one GET is under way for it (single flight), and it asks for metadata
//! only. What an object once was is kept as long as there is room, to answer for it after its deletion.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::{controller::Controller, error::ResolveError, kind::KindRef, object::ObjectKey, refusals::Refusals};
use crate::{
    config::Scope,
    context::{Context, Monotonic},
    kubernetes::{Api, Error, Kubernetes, Operation},
};

/// The label that puts an object, or all objects of a namespace, in scope (contract).
pub(crate) const MANAGED_LABEL: &str = "kubernaut.ai/managed";

/// Requests joined for one answer: the second one in case the first was another signal's, with less time left.
const JOINED_MAX: usize = 2;

/// What matters of an object's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) uid: String,
    /// Whether it carries [`MANAGED_LABEL`] with the value `true`.
    pub(crate) managed: bool,
    /// Its controller, if that stands for it.
    pub(crate) controller: Option<Controller>,
}

/// What an answer will be used for, which decides how old it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose<'a> {
    /// To follow its controller; of the object with this uid, if one is expected.
    Owner(Option<&'a str>),
    /// To see its labels. That they lack the label is believed for the negative TTL only: an operator who has just
    /// followed the hint of a rejection does not wait for minutes.
    Scope,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This call asked the API.
    Api,
    /// The cache, or the GET of another signal.
    Cache,
    /// The cache, past its time, because the API failed.
    Stale,
}

/// What is known of an object.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// `None` if there is no such object.
    pub(crate) current: Option<Arc<Metadata>>,
    /// The newest it was ever seen to be.
    pub(crate) last_known: Option<Arc<Metadata>>,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Position in [`State::by_age`].
    sequence: u64,
    fetched_at: Monotonic,
    exists: bool,
    last_known: Option<Arc<Metadata>>,
}

impl Entry {
    fn answer(&self, origin: Origin) -> Answer {
        let last_known = self.last_known.clone();
        Answer { current: last_known.clone().filter(|_| self.exists), last_known, origin }
    }
}

type Call = Arc<OnceCell<Result<Entry, Error>>>;

#[derive(Default)]
struct State {
    entries: BTreeMap<ObjectKey, Entry>,
    /// The least recently fetched first: it leaves first.
    by_age: BTreeMap<u64, ObjectKey>,
    next_sequence: u64,
    /// One per object asked for right now.
    calls: BTreeMap<ObjectKey, Call>,
}

/// The cache of one gateway instance.
pub(crate) struct MetadataCache {
    kubernetes: Kubernetes,
    context: Context,
    scope: Scope,
    refusals: Refusals,
    state: Mutex<State>,
}

impl MetadataCache {
    pub(crate) fn new(kubernetes: Kubernetes, context: Context, scope: Scope) -> Self {
        let refusals = Refusals::new(context.clone(), scope.negative_cache_ttl);
        Self { kubernetes, context, scope, refusals, state: Mutex::default() }
    }

    /// What is known of `key`, asked of the API if the cache does not know it well enough for `purpose`.
    ///
    /// # Errors
    /// If the API fails in another way than 404, and the object has never been seen, or for [`Purpose::Scope`] not with the label.
    pub(crate) async fn get(
        &self,
        key: &ObjectKey,
        purpose: Purpose<'_>,
        deadline: Monotonic,
    ) -> Result<Answer, ResolveError> {
        let mut failure = Error::Deadline;
        for _ in 0..JOINED_MAX {
            if let Some(answer) = self.fresh(key, purpose) {
                return Ok(answer);
            }
            let (result, led) = match self.refusals.recent(&key.kind) {
                Some(error) => (Err(error), false),
                None => self.join(key, deadline).await,
            };
            match result {
                Ok(entry) => return Ok(entry.answer(if led { Origin::Api } else { Origin::Cache })),
                Err(error) => failure = error,
            }
            let others_deadline = failure == Error::Deadline && !led && self.context.monotonic() < deadline;
            if !others_deadline {
                break;
            }
        }
        // A different object of the same name must not be used: following it would be a guess that could split the incident.
        let suits = |metadata: &Arc<Metadata>| match purpose {
            Purpose::Owner(uid) => uid.is_none_or(|uid| uid == metadata.uid),
            // That it lacked the label once is no answer: it may have it by now.
            Purpose::Scope => metadata.managed,
        };
        let stale =
            self.state.lock().entries.get(key).filter(|entry| entry.last_known.as_ref().is_some_and(suits)).cloned();
        match stale {
            Some(entry) => Ok(entry.answer(Origin::Stale)),
            None => Err(ResolveError::Kubernetes { object: key.to_string(), source: failure }),
        }
    }

    /// [`get`](Self::get) of an object that the operator may have forgotten to permit; `None` if so.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub(crate) async fn get_if_permitted(
        &self,
        key: &ObjectKey,
        purpose: Purpose<'_>,
        deadline: Monotonic,
    ) -> Result<Option<Answer>, ResolveError> {
        match self.get(key, purpose, deadline).await {
            Ok(answer) => Ok(Some(answer)),
            // The chart grants the built-in kinds: without them incidents would split.
            Err(ResolveError::Kubernetes { source, .. })
                if source.is_missing_right() && matches!(key.kind, KindRef::Custom(_)) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The newest that `key` was ever seen to be, without asking for it.
    pub(crate) fn last_known(&self, key: &ObjectKey) -> Option<Arc<Metadata>> {
        self.state.lock().entries.get(key)?.last_known.clone()
    }

    /// Whether there is an object `key`.
    ///
    /// # Errors
    /// As [`MetadataCache::get`].
    pub(crate) async fn exists(&self, key: &ObjectKey, deadline: Monotonic) -> Result<bool, ResolveError> {
        Ok(self.get(key, Purpose::Owner(None), deadline).await?.current.is_some())
    }

    fn fresh(&self, key: &ObjectKey, purpose: Purpose<'_>) -> Option<Answer> {
        let state = self.state.lock();
        let entry = state.entries.get(key)?;
        let age = self.context.monotonic().since(entry.fetched_at);
        (age < self.fresh_for(entry, purpose)).then(|| entry.answer(Origin::Cache))
    }

    /// How long `entry` is fresh.
    fn fresh_for(&self, entry: &Entry, purpose: Purpose<'_>) -> Duration {
        let serves = entry.exists
            && entry.last_known.as_ref().is_some_and(|metadata| match purpose {
                Purpose::Owner(uid) => uid.is_none_or(|uid| uid == metadata.uid),
                Purpose::Scope => metadata.managed,
            });
        if serves { self.scope.cache_ttl } else { self.scope.negative_cache_ttl }
    }

    /// Asks the API for `key`, or joins whoever is asking; also whether it was this call that asked.
    async fn join(&self, key: &ObjectKey, deadline: Monotonic) -> (Result<Entry, Error>, bool) {
        let mut waiter = Waiter::join(self, key);
        let mut led = false;
        // If the one who asks is cancelled, the cell stays empty and the next one asks.
        let answer = waiter.call.get_or_init(|| {
            led = true;
            Box::pin(self.fetch(key, deadline)) // large, and rare
        });
        let result = self.context.timeout_at(deadline, answer).await.map_or(Err(Error::Deadline), Clone::clone);
        waiter.answered = waiter.call.initialized();
        (result, led)
    }

    async fn fetch(&self, key: &ObjectKey, deadline: Monotonic) -> Result<Entry, Error> {
        let resource = key.kind.resource();
        let client = self.kubernetes.client();
        let api: kube::Api<DynamicObject> = if key.kind.namespaced {
            kube::Api::namespaced_with(client, &key.namespace, &resource)
        } else {
            kube::Api::all_with(client, &resource)
        };
        let api = Api::from(api);
        let operation = Operation { verb: "get", resource: key.kind.plural() };
        let answer = self.kubernetes.call(operation, deadline, || api.get_metadata(&key.name)).await;
        let metadata = match answer {
            Ok(object) => Some(Arc::new(Metadata::of(object.metadata))),
            Err(Error::NotFound(_)) => None,
            Err(error) => {
                if error.is_missing_right() {
                    self.refusals.note(&key.kind, Some(&error));
                }
                return Err(error);
            }
        };
        self.refusals.note(&key.kind, None);
        Ok(self.remember(key, metadata))
    }

    fn remember(&self, key: &ObjectKey, metadata: Option<Arc<Metadata>>) -> Entry {
        let mut state = self.state.lock();
        let old = state.entries.remove(key);
        if let Some(old) = &old {
            state.by_age.remove(&old.sequence);
        }
        let exists = metadata.is_some();
        let last_known = metadata.or_else(|| old.and_then(|old| old.last_known));
        let sequence = state.next_sequence;
        state.next_sequence += 1;
        let entry = Entry { sequence, fetched_at: self.context.monotonic(), exists, last_known };
        // One in, so one out at most.
        if state.entries.len() >= self.scope.cache_size.max(1)
            && let Some((_, oldest)) = state.by_age.pop_first()
        {
            state.entries.remove(&oldest);
        }
        state.by_age.insert(sequence, key.clone());
        state.entries.insert(key.clone(), entry.clone());
        entry
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let state = self.state.lock();
        assert_eq!(state.entries.len(), state.by_age.len(), "each entry has one age");
        assert!(state.calls.is_empty(), "no call stays behind");
        state.entries.len()
    }
}

impl Metadata {
    fn of(metadata: ObjectMeta) -> Self {
        let ObjectMeta { uid, labels, owner_references, .. } = metadata;
        let managed = labels.is_some_and(|labels| labels.get(MANAGED_LABEL).is_some_and(|value| value == "true"));
        let controller = Controller::among(owner_references.as_deref().unwrap_or_default());
        Self { uid: uid.unwrap_or_default(), managed, controller }
    }
}

/// One that waits for a call's answer: the last one to leave, or the first after the answer, forgets the call.
struct Waiter<'a> {
    cache: &'a MetadataCache,
    key: &'a ObjectKey,
    call: Call,
    answered: bool,
}

impl<'a> Waiter<'a> {
    fn join(cache: &'a MetadataCache, key: &'a ObjectKey) -> Self {
        let call = Arc::clone(cache.state.lock().calls.entry(key.clone()).or_default());
        Self { cache, key, call, answered: false }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.state.lock();
        let listed = state.calls.get(self.key).is_some_and(|call| Arc::ptr_eq(call, &self.call));
        // Two references: the table's and this one.
        if listed && (self.answered || Arc::strong_count(&self.call) <= 2) {
            state.calls.remove(self.key);
        }
    }
}
