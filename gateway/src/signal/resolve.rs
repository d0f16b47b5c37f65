//! From an [`UnresolvedSignal`] to a [`Signal`]: its owner, its scope, its fingerprint.

use std::{fmt, mem, sync::Arc};

use serde_json::json;

use super::{cache::MetadataCache, error::ResolveError, object::ObjectKey, owner, scope, unresolved::UnresolvedSignal};
use crate::{
    config::Scope,
    context::{Context, Monotonic},
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::{Fingerprint, Signal, TargetResource},
};

/// Looks up what a signal is about; cheap to clone, all clones share one cache.
///
/// Owners and labels are looked up in the cluster that this gateway runs in, also for a signal with a `clusterID`: where
/// one gateway serves several clusters, theirs are not known here, and their objects are answered as unknown ones are.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    cache: MetadataCache,
    metrics: Metrics,
    require_managed_label: bool,
}

impl Resolver {
    /// A resolver that asks `kubernetes` and remembers what `scope` allows.
    pub fn new(kubernetes: Kubernetes, context: Context, metrics: Metrics, scope: Scope) -> Self {
        let require_managed_label = scope.require_managed_label;
        let cache = MetadataCache::new(kubernetes, context, scope);
        Self { inner: Arc::new(Inner { cache, metrics, require_managed_label }) }
    }

    /// Resolves `unresolved`, until `deadline` at most.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub async fn resolve(&self, unresolved: UnresolvedSignal, deadline: Monotonic) -> Result<Signal, ResolveError> {
        let UnresolvedSignal(mut signal) = unresolved;
        let target = self.owner(&signal, deadline).await?;
        if self.inner.require_managed_label {
            scope::check(&self.inner.cache, &signal.target, &target, deadline).await?;
        }
        let TargetResource { api_version, kind, name, namespace } = mem::replace(&mut signal.target, target);
        let original = json!({"apiVersion": api_version, "kind": kind, "name": name, "namespace": namespace});
        signal.provider_data.insert("originalTarget".to_owned(), original);
        signal.fingerprint = Fingerprint::of_target(signal.cluster_id.as_deref(), &signal.target);
        Ok(signal)
    }

    /// The last owner of the signal's target, or the target itself.
    async fn owner(&self, signal: &Signal, deadline: Monotonic) -> Result<TargetResource, ResolveError> {
        let Some(start) = ObjectKey::of(&signal.target).filter(|key| key.kind.owned) else {
            return Ok(signal.target.clone());
        };
        let (owner, outcome) = owner::follow(&self.inner.cache, &start, signal.received_time, deadline).await?;
        self.inner.metrics.owner_resolution.with_label_values(&[start.kind.name, outcome.as_str()]).inc();
        if owner == start {
            return Ok(signal.target.clone());
        }
        let ObjectKey { kind, namespace, name } = owner;
        Ok(TargetResource { api_version: kind.api_version(), kind: kind.name.to_owned(), name, namespace })
    }

    /// Objects remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.inner.cache.len()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
