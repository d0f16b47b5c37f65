//! From a [`Draft`] to a [`Signal`]: its owner, its scope, its fingerprint.

use std::{fmt, sync::Arc};

use serde_json::json;

use super::{cache::MetadataCache, draft::Draft, error::ResolveError, object::ObjectKey, owner, scope};
use crate::{
    config::Scope,
    context::{Context, Monotonic},
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::{Fingerprint, Signal, TargetResource},
};

/// Looks up what a signal is about; cheap to clone, all clones share one cache.
///
/// Owners and labels are looked up in the cluster that this gateway runs in, also for a draft with a `clusterID`: where
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

    /// Resolves `draft`, until `deadline` at most.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub async fn resolve(&self, draft: Draft, deadline: Monotonic) -> Result<Signal, ResolveError> {
        let target = self.owner(&draft, deadline).await?;
        if self.inner.require_managed_label {
            scope::check(&self.inner.cache, &draft.target, &target, deadline).await?;
        }
        let Draft {
            name,
            severity,
            source,
            target: original,
            cluster_id,
            firing_time,
            received_time,
            labels,
            annotations,
            mut provider,
            original_payload,
        } = draft;
        let TargetResource { api_version, kind, name: original_name, namespace } = original;
        let original = json!({"apiVersion": api_version, "kind": kind, "name": original_name, "namespace": namespace});
        provider.insert("originalTarget".to_owned(), original);
        Ok(Signal {
            fingerprint: Fingerprint::of_target(cluster_id.as_deref(), &target),
            name,
            severity,
            source,
            target,
            cluster_id,
            firing_time,
            received_time,
            labels,
            annotations,
            provider_data: serde_json::Value::Object(provider).to_string(),
            original_payload,
        })
    }

    /// The last owner of the draft's target, or the target itself.
    async fn owner(&self, draft: &Draft, deadline: Monotonic) -> Result<TargetResource, ResolveError> {
        let Some(start) = ObjectKey::of(&draft.target).filter(|key| key.kind.owned) else {
            return Ok(draft.target.clone());
        };
        let (owner, outcome) = owner::follow(&self.inner.cache, &start, draft.received_time, deadline).await?;
        self.inner.metrics.owner_resolution.with_label_values(&[start.kind.name, outcome.as_str()]).inc();
        if owner == start {
            return Ok(draft.target.clone());
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
