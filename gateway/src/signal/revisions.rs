//! What controls the other revisions of a workload: for a pod whose own ReplicaSet is gone.
//!
//! Asked of the API, not of what this replica happens to remember: the replicas must agree.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::{api::ListParams, core::DynamicObject};

use super::{controller::Controller, kind::Kind, naming};
use crate::{
    config::Scope,
    context::{Context, Monotonic},
    kubernetes::{Api, Error, Kubernetes, Operation, turn_page},
    ttl_cache::TtlCache,
};

/// ReplicaSets asked for in one request.
const PAGE: u32 = 500;
/// Requests for the ReplicaSets of one namespace.
const MAX_PAGES: usize = 10;

/// The controllers of ReplicaSets by namespace and stem, remembered for a short time.
pub(crate) struct Revisions {
    kubernetes: Kubernetes,
    context: Context,
    ttl: Duration,
    /// Shared with the lists under way.
    forbidden: Arc<AtomicBool>,
    namespaces: TtlCache<String, Arc<BTreeMap<String, Controller>>, Error>,
}

/// Lists waited for: the second one in case the first was another signal's, with less time left.
const MAX_LISTS: usize = 2;
/// Namespaces remembered at most.
const NAMESPACES: usize = 256;

impl Revisions {
    pub(crate) fn new(kubernetes: Kubernetes, context: Context, scope: &Scope) -> Self {
        let namespaces = TtlCache::new(context.clone(), NAMESPACES);
        Self { kubernetes, context, ttl: scope.negative_cache_ttl, forbidden: Arc::default(), namespaces }
    }

    /// What controls the newest ReplicaSet in `namespace` called `<stem>-<hash>`; `None` also where they may not be listed.
    ///
    /// # Errors
    /// If the API fails in another way, and the last list does not tell.
    pub(crate) async fn controller(
        &self,
        namespace: &str,
        stem: &str,
        deadline: Monotonic,
    ) -> Result<Option<Controller>, Error> {
        let (ttl, key) = (self.ttl, namespace.to_owned());
        let mut failure = Error::Deadline;
        for _ in 0..MAX_LISTS {
            let load = || list(self.kubernetes.clone(), key.clone(), Arc::clone(&self.forbidden), deadline);
            let listed = self.namespaces.get_or_load(key.clone(), move |_| ttl, load);
            match self.context.timeout_at(deadline, listed).await {
                Ok(Ok(controllers)) => return Ok(controllers.get(stem).cloned()),
                Ok(Err(error)) => failure = error,
                Err(_) => break,
            }
            if failure != Error::Deadline || self.context.monotonic() >= deadline {
                break;
            }
        }
        let stale = self.namespaces.get_stale(&key).and_then(|controllers| controllers.get(stem).cloned());
        stale.map(Some).ok_or(failure)
    }
}

async fn list(
    kubernetes: Kubernetes,
    namespace: String,
    forbidden: Arc<AtomicBool>,
    deadline: Monotonic,
) -> Result<Arc<BTreeMap<String, Controller>>, Error> {
    let Some(resource) = Kind::named("ReplicaSet").map(Kind::resource) else { return Ok(Arc::default()) };
    let api = kube::Api::<DynamicObject>::namespaced_with(kubernetes.client(), &namespace, &resource);
    let api = Api::from(api);
    let operation = Operation { verb: "list", resource: "replicasets" };
    let mut page = ListParams::default().limit(PAGE);
    let mut newest = BTreeMap::new();
    for _ in 0..MAX_PAGES {
        let list = match kubernetes.call(operation, deadline, || api.list_metadata(&page)).await {
            Err(error) if error.is_missing_right() => {
                if !forbidden.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        %error,
                        "no permission to list ReplicaSets, so some deleted pods get incidents of their own: \
                         grant `list` on replicasets"
                    );
                }
                return Ok(controllers(newest));
            }
            list => list?,
        };
        forbidden.store(false, Ordering::Relaxed);
        for replicaset in list.items {
            let metadata = replicaset.metadata;
            let (Some(name), Some(created)) = (metadata.name, metadata.creation_timestamp) else { continue };
            let controller = Controller::among(metadata.owner_references.as_deref().unwrap_or_default());
            let (Some(stem), Some(controller)) = (naming::stem(&name), controller) else { continue };
            let (stem, age) = (stem.to_owned(), (created.0, name));
            if newest.get(&stem).is_none_or(|(known, _)| *known < age) {
                newest.insert(stem, (age, controller));
            }
        }
        if !turn_page(&mut page, &list.metadata) {
            return Ok(controllers(newest));
        }
    }
    tracing::warn!(
        namespace,
        "too many ReplicaSets: some deleted pods get incidents of their own; lower `revisionHistoryLimit`"
    );
    Ok(controllers(newest))
}

/// Without what tells which is newest.
fn controllers<Age>(newest: BTreeMap<String, (Age, Controller)>) -> Arc<BTreeMap<String, Controller>> {
    Arc::new(newest.into_iter().map(|(stem, (_, controller))| (stem, controller)).collect())
}
