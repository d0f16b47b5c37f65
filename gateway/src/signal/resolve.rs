//! From an [`UnresolvedSignal`] to a [`Signal`]: what it is about, whether that is in scope, its fingerprint.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;

use super::{
    cache::MetadataCache,
    choice,
    decision::Decision,
    error::ResolveError,
    explanation::{Explanation, Looked},
    naming,
    nodes::Nodes,
    object::Object,
    owner::{self, Chain, Outcome, Sources},
    revisions::Revisions,
    rules::{Place, Rules},
    scope,
    unresolved::UnresolvedSignal,
};
use crate::{
    config::Scope,
    context::{Context, Monotonic},
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::{Fingerprint, Signal, TargetResource},
};

/// Looks up what a signal is about; cheap to clone, all clones share one cache.
///
/// Objects are looked up in the cluster that this gateway runs in. Where that has a name (`signal.cluster.name`), nothing is
/// looked up about signals of other clusters; where it has none, their objects are answered as unknown ones are.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    cache: MetadataCache,
    revisions: Revisions,
    /// None where the operator has not asked for them.
    nodes: Option<Nodes>,
    metrics: Metrics,
    require_managed_label: AtomicBool,
}

impl Resolver {
    /// A resolver that asks `kubernetes` what `rules` allow, and remembers what `scope` allows.
    pub fn new(kubernetes: Kubernetes, context: Context, metrics: Metrics, scope: Scope, rules: &Rules) -> Self {
        let require_managed_label = AtomicBool::new(scope.require_managed_label);
        let revisions = Revisions::new(kubernetes.clone(), context.clone(), &scope);
        let nodes = rules.node_by_instance().then(|| Nodes::new(kubernetes.clone(), context.clone(), &scope));
        let cache = MetadataCache::new(kubernetes, context, scope);
        Self { inner: Arc::new(Inner { cache, revisions, nodes, metrics, require_managed_label }) }
    }

    /// From now on, whether a resource is only in scope if it or its namespace is labelled.
    pub fn require_managed_label(&self, required: bool) {
        self.inner.require_managed_label.store(required, Ordering::Relaxed);
    }

    /// Resolves `unresolved`, until `deadline` at most.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub async fn resolve(&self, unresolved: UnresolvedSignal, deadline: Monotonic) -> Result<Signal, ResolveError> {
        let decision = self.decide(&unresolved, deadline).await?;
        self.check_scope(&unresolved, &decision, deadline).await?;
        let mut signal = unresolved.signal;
        if let Some(TargetResource { api_version, kind, name, namespace }) = decision.original() {
            let original = json!({"apiVersion": api_version, "kind": kind, "name": name, "namespace": namespace});
            signal.provider_data.insert("originalTarget".to_owned(), original);
        }
        if let Some(target) = decision.target() {
            signal.target = target.clone();
        }
        signal.fingerprint = Fingerprint::of_target(signal.cluster_id.as_deref(), &signal.target);
        Ok(signal)
    }

    /// Why `unresolved` is about what [`Resolver::resolve`] would make of it, and whether that would be out of scope.
    ///
    /// # Errors
    /// [`ResolveError::Kubernetes`] if the API fails.
    pub async fn explain(
        &self,
        unresolved: &UnresolvedSignal,
        deadline: Monotonic,
    ) -> Result<(Explanation, Option<ResolveError>), ResolveError> {
        let decision = self.decide(unresolved, deadline).await?;
        let scope = match self.check_scope(unresolved, &decision, deadline).await {
            Err(error @ ResolveError::Kubernetes { .. }) => return Err(error),
            scope => scope.err(),
        };
        let looked = if self.inner.nodes.is_some() { Looked::Everywhere } else { Looked::AtObjects };
        Ok((Explanation::new(&unresolved.signal, &unresolved.candidates, &decision, looked), scope))
    }

    /// What `unresolved` is about.
    ///
    /// # Errors
    /// If the API fails, and what was asked for has never been seen.
    pub(crate) async fn decide(
        &self,
        unresolved: &UnresolvedSignal,
        deadline: Monotonic,
    ) -> Result<Decision, ResolveError> {
        let Inner { cache, revisions, nodes, .. } = &*self.inner;
        let UnresolvedSignal { signal, candidates, place } = unresolved;
        let now = signal.received_time;
        if *place == Place::OtherCluster {
            return Ok(Decision::unseen(candidates, now));
        }
        let choice = choice::choose(candidates, cache, nodes.as_ref(), deadline).await?;
        let named = Decision::named(&choice, candidates);
        let Object::Known(key) = named else {
            let chain = Chain { resources: vec![named.resource()], outcome: Outcome::None };
            return Ok(Decision { choice, named: None, chain });
        };
        let told = Decision::candidate(&choice, candidates).and_then(|candidate| candidate.controller.as_ref());
        let others = candidates.list.len().saturating_sub(1);
        let guesses = naming::MAX_GUESSES.saturating_sub(others);
        let chain = owner::follow(Sources { cache, revisions, guesses, now, deadline }, &key, told).await?;
        if key.kind.owned {
            let labels = [&*key.kind.name, chain.outcome.as_str()];
            self.inner.metrics.owner_resolution.with_label_values(&labels).inc();
        }
        Ok(Decision { choice, named: Some(key), chain })
    }

    /// Checks that what `decision` found may be acted on.
    ///
    /// # Errors
    /// [`ResolveError::OutOfScope`], or the failure of the API.
    pub(crate) async fn check_scope(
        &self,
        unresolved: &UnresolvedSignal,
        decision: &Decision,
        deadline: Monotonic,
    ) -> Result<(), ResolveError> {
        if !self.inner.require_managed_label.load(Ordering::Relaxed) {
            return Ok(());
        }
        let target = decision.target().unwrap_or(&unresolved.signal.target);
        if unresolved.place == Place::OtherCluster {
            let cluster = unresolved.signal.cluster_id.as_deref().unwrap_or_default();
            return Err(scope::other_cluster(target, cluster));
        }
        scope::check(&self.inner.cache, decision.named.as_ref(), target, deadline).await
    }

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
