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
    cache::{MANAGED_LABEL, MetadataCache, Purpose},
    choice::{self, Decision},
    error::ResolveError,
    explanation::{Explanation, Looked},
    naming,
    nodes::Nodes,
    object::{Object, ObjectKey},
    owner::{self, Chain, Outcome, Sources},
    revisions::Revisions,
    rules::{Place, Rules},
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
        let UnresolvedSignal { signal, candidates, .. } = unresolved;
        let now = signal.received_time;
        if unresolved.place() == Place::OtherCluster {
            return Ok(Decision::unseen(candidates, now));
        }
        let choice = choice::choose(candidates, cache, nodes.as_ref(), deadline).await?;
        let named = choice.object(candidates);
        let Object::Known(key) = named else {
            let chain = Chain { resources: vec![named.resource()], outcome: Outcome::None };
            return Ok(Decision { choice, named: None, chain });
        };
        let told = choice.candidate(candidates).and_then(|candidate| candidate.controller.as_ref());
        let others = candidates.list.len().saturating_sub(1);
        let guesses = naming::MAX_GUESSES.saturating_sub(others);
        let chain = owner::follow(Sources { cache, revisions, guesses, now, deadline }, &key, told).await?;
        if key.kind.owned {
            let labels = [&*key.kind.name, chain.outcome.as_str()];
            self.inner.metrics.owner_resolution.with_label_values(&labels).inc();
        }
        Ok(Decision { choice, named: Some(key), chain })
    }

    /// Checks that what `decision` found may be acted on: its namespace, what its sender has named, or the last owner of that
    /// carries `kubernaut.ai/managed=true`.
    ///
    /// The namespace is asked first: its answer serves all signals of the namespace. Of an object that is gone, the labels
    /// that it had when last seen count. A kind that this gateway does not know, or may not read, is in scope by its namespace
    /// only.
    ///
    /// # Errors
    /// [`ResolveError::OutOfScope`] with the commands that change it, or the failure of the API.
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
        if unresolved.place() == Place::OtherCluster {
            return Err(elsewhere(target, unresolved.signal.cluster_id.as_deref().unwrap_or_default()));
        }
        let (cache, named) = (&self.inner.cache, decision.named.as_ref());
        let namespace = Some(&target.namespace).filter(|name| !name.is_empty());
        let about = ObjectKey::known(target, &unresolved.rules);
        let owner = about.as_ref().filter(|owner| Some(*owner) != named);
        let carriers = [namespace.and_then(|name| ObjectKey::of_namespace(name)), named.cloned(), owner.cloned()];
        let mut failed = None;
        for key in carriers.into_iter().flatten() {
            let known = match failed {
                None => match cache.get_if_permitted(&key, Purpose::Scope, deadline).await {
                    Ok(answer) => answer.and_then(|answer| answer.current.or(answer.last_known)),
                    Err(error) => {
                        failed = Some(error);
                        None
                    }
                },
                // One look-up that fails is enough, but another of them may be known to carry the label.
                Some(_) => cache.last_known(&key),
            };
            if known.is_some_and(|metadata| metadata.managed) {
                return Ok(());
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        Err(unmanaged(target, about.as_ref()))
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.inner.cache.len()
    }
}

/// What is told of a resource in another cluster, whose labels cannot be seen from here.
fn elsewhere(target: &TargetResource, cluster: &str) -> ResolveError {
    let TargetResource { namespace, name, kind, .. } = target;
    let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
    ResolveError::OutOfScope {
        message: format!(
            "{kind} {name}{place} is in cluster {cluster}, where this gateway cannot see whether it is managed \
             (hint: send its alerts to a gateway in that cluster, or set scope.requireManagedLabel to false)"
        ),
    }
}

fn unmanaged(target: &TargetResource, key: Option<&ObjectKey>) -> ResolveError {
    let TargetResource { namespace, name, kind, .. } = target;
    let own = key.map(|key| {
        let resource = &key.kind.plural;
        let option = if namespace.is_empty() { String::new() } else { format!(" --namespace {namespace}") };
        format!("`kubectl label {resource} {name}{option} {MANAGED_LABEL}=true`")
    });
    let whole = (!namespace.is_empty()).then(|| format!("`kubectl label namespace {namespace} {MANAGED_LABEL}=true`"));
    let commands: Vec<String> = own.into_iter().chain(whole).collect();
    let place = if namespace.is_empty() { "the cluster".to_owned() } else { format!("namespace {namespace}") };
    ResolveError::OutOfScope {
        message: format!("{kind} {name} in {place} is not managed (hint: {})", commands.join(" or ")),
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
