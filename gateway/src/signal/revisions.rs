//! What controls the other revisions of a workload: for a pod whose own ReplicaSet is gone.
//!
//! Asked of the API, not of what this replica happens to remember: the replicas must agree.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{Api, api::ListParams, core::DynamicObject};

use super::{controller::Controller, kind::Kind, naming};
use crate::{
    config::Scope,
    context::{Context, Monotonic},
    kubernetes::{Error, Kubernetes, Operation},
    ttl_cache::TtlCache,
};

/// ReplicaSets asked for in one request.
const PAGE: u32 = 500;
/// Requests for the ReplicaSets of one namespace.
const MAX_PAGES: usize = 10;

/// The controllers of ReplicaSets by namespace and stem, remembered for a short time.
pub(crate) struct Revisions {
    kubernetes: Kubernetes,
    ttl: Duration,
    namespaces: TtlCache<String, Arc<BTreeMap<String, Controller>>, Error>,
}

/// Namespaces remembered at most.
const NAMESPACES: usize = 256;

impl Revisions {
    pub(crate) fn new(kubernetes: Kubernetes, context: Context, scope: &Scope) -> Self {
        Self { kubernetes, ttl: scope.negative_cache_ttl, namespaces: TtlCache::new(context, NAMESPACES) }
    }

    /// What controls the newest ReplicaSet in `namespace` called `<stem>-<hash>`; `None` also where they may not be listed.
    ///
    /// # Errors
    /// If the API fails in another way.
    pub(crate) async fn controller(
        &self,
        namespace: &str,
        stem: &str,
        deadline: Monotonic,
    ) -> Result<Option<Controller>, Error> {
        let ttl = self.ttl;
        let load = || list(self.kubernetes.clone(), namespace.to_owned(), deadline);
        let controllers = self.namespaces.get_or_load(namespace.to_owned(), move |_| ttl, load).await?;
        Ok(controllers.get(stem).cloned())
    }
}

async fn list(
    kubernetes: Kubernetes,
    namespace: String,
    deadline: Monotonic,
) -> Result<Arc<BTreeMap<String, Controller>>, Error> {
    let Some(resource) = Kind::named("ReplicaSet").map(Kind::resource) else { return Ok(Arc::default()) };
    let api: Api<DynamicObject> = Api::namespaced_with(kubernetes.client(), &namespace, &resource);
    let operation = Operation { verb: "list", resource: "replicasets" };
    let mut page = ListParams::default().limit(PAGE);
    let mut newest = BTreeMap::new();
    for _ in 0..MAX_PAGES {
        let list = match kubernetes.call(operation, deadline, || api.list_metadata(&page)).await {
            Err(Error::Forbidden(message)) => {
                tracing::warn!(message, "ReplicaSets may not be listed: pods that are gone stand for themselves");
                break;
            }
            list => list?,
        };
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
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    Ok(Arc::new(newest.into_iter().map(|(stem, (_, controller))| (stem, controller)).collect()))
}
