//! A Kubernetes API of objects' metadata, behind a real client.

use std::{convert::Infallible, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::Api;
pub(super) use super::api::Mood;
use crate::{
    config::{Retry, Scope, Signals},
    context::{Context, Monotonic, SimulatedClock},
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::Signal,
    signal::{ResolveError, Resolver, Rules, UnresolvedSignal},
};

pub(super) struct World {
    pub(super) context: Context,
    pub(super) metrics: Metrics,
    pub(super) resolver: Resolver,
    scope: Scope,
    rules: Rules,
    api: Arc<Api>,
}

pub(super) const DEADLINE: Duration = Duration::from_secs(15);

impl World {
    /// Nothing has to be managed, so that only owners are looked up.
    pub(super) fn unscoped() -> Self {
        Self::unscoped_with(&Signals::default())
    }

    pub(super) fn unscoped_with(signals: &Signals) -> Self {
        Self::with(Scope { require_managed_label: false, ..Scope::default() }, signals)
    }

    pub(super) fn new(scope: Scope) -> Self {
        Self::with(scope, &Signals::default())
    }

    pub(super) fn with(scope: Scope, signals: &Signals) -> Self {
        let clock = SimulatedClock { epoch: super::now(), offset: Default::default(), rate_ppm: 1_000_000 };
        #[expect(clippy::disallowed_methods, reason = "the start of this test's clock")]
        let context = Context::simulated(clock, Instant::now(), 7);
        Self::over(Arc::default(), context, scope, Rules::new(signals))
    }

    /// Another gateway, which remembers nothing yet, over the same API.
    pub(super) fn replica(&self) -> Self {
        Self::over(Arc::clone(&self.api), self.context.clone(), self.scope.clone(), self.rules.clone())
    }

    fn over(api: Arc<Api>, context: Context, scope: Scope, rules: Rules) -> Self {
        let (shared, time) = (Arc::clone(&api), context.clone());
        let service = tower::service_fn(move |request| {
            let (api, time) = (Arc::clone(&shared), time.clone());
            async move { Ok::<_, Infallible>(api.answer(&time, request).await) }
        });
        let metrics = Metrics::new().unwrap();
        let client = kube::Client::new(service, "kubernaut-system");
        let retry = Retry { max_attempts: 1, ..Retry::default() };
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), retry);
        let resolver = Resolver::new(kubernetes, context.clone(), metrics.clone(), scope.clone(), &rules);
        Self { context, metrics, resolver, scope, rules, api }
    }

    /// Puts an object at `path`, such as `api/v1/namespaces/shop/pods/a`, with its controller's apiVersion, kind and name.
    pub(super) fn put(&self, path: &str, controller: Option<(&str, &str, &str)>, managed: bool) {
        let owners: Vec<_> = controller
            .map(|(api_version, kind, name)| {
                json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid(kind, name), "controller": true})
            })
            .into_iter()
            .collect();
        let mut segments = path.rsplit('/');
        let (name, plural) = (segments.next().unwrap(), segments.next().unwrap());
        let labels = if managed { json!({"kubernaut.ai/managed": "true"}) } else { json!({}) };
        let metadata = json!({
            "name": name, "uid": uid(plural, name), "ownerReferences": owners, "labels": labels,
            "creationTimestamp": "2026-11-01T00:00:00Z",
        });
        let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata});
        self.api.state.lock().objects.insert(format!("/{path}"), object);
    }

    /// The chain Pod → ReplicaSet → Deployment `checkout`.
    pub(super) fn put_checkout(&self) {
        for pod in ["checkout-7d9f8b6c5d-x2k4q", "checkout-7d9f8b6c5d-8zq7w"] {
            let path = format!("api/v1/namespaces/shop/pods/{pod}");
            self.put(&path, Some(("apps/v1", "ReplicaSet", "checkout-7d9f8b6c5d")), false);
        }
        let path = "apis/apps/v1/namespaces/shop/replicasets/checkout-7d9f8b6c5d";
        self.put(path, Some(("apps/v1", "Deployment", "checkout")), false);
    }

    /// Puts a Node with these addresses.
    pub(super) fn put_node(&self, name: &str, addresses: &[&str]) {
        let path = format!("api/v1/nodes/{name}");
        self.put(&path, None, false);
        let addresses: Vec<_> = addresses.iter().map(|it| json!({"type": "InternalIP", "address": it})).collect();
        self.change(&path, |node| node["status"] = json!({"addresses": addresses}));
    }

    pub(super) fn set_uid(&self, path: &str, uid: &str) {
        self.change(path, |object| object["metadata"]["uid"] = json!(uid));
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        change(self.api.state.lock().objects.get_mut(&format!("/{path}")).unwrap());
    }

    pub(super) fn delete(&self, path: &str) {
        assert!(self.api.state.lock().objects.remove(&format!("/{path}")).is_some(), "{path} was there");
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.api.state.lock().mood = mood;
    }

    /// How requests are answered whose path, after `LIST ` if it is one, contains `text`, or ends with it before a `$`.
    pub(super) fn set_mood_of(&self, text: &str, mood: Mood) {
        let mut state = self.api.state.lock();
        state.moods.retain(|(known, _)| known != text);
        state.moods.push((text.to_owned(), mood));
    }

    /// The paths of all objects.
    pub(super) fn paths(&self) -> Vec<String> {
        self.api.state.lock().objects.keys().cloned().collect()
    }

    /// The paths asked for since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.api.state.lock().requests)
    }

    pub(super) fn deadline(&self) -> Monotonic {
        self.context.monotonic() + DEADLINE
    }

    pub(super) async fn resolve(&self, sent: UnresolvedSignal) -> Result<Signal, ResolveError> {
        self.resolver.resolve(sent, self.deadline()).await
    }

    /// What became of an alert with exactly these labels, by this gateway's rules.
    pub(super) async fn resolve_labels(&self, labels: &super::Labels) -> Result<Signal, ResolveError> {
        self.resolve(super::unresolved_with(labels, &self.rules)).await
    }

    /// What an alert with exactly these labels is about, as `Kind namespace/name`.
    pub(super) async fn target_of(&self, labels: &[(&str, &str)]) -> String {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        super::shown(&self.resolve_labels(&labels).await.unwrap().target)
    }

    /// What became of a `shop` alert with this label, as `Kind/name`.
    pub(super) async fn owner_of(&self, label: &str, name: &str) -> String {
        let signal = self.resolve(super::unresolved_of(&[(label, name)])).await.unwrap();
        format!("{}/{}", signal.target.kind, signal.target.name)
    }

    pub(super) fn outcome(&self, kind: &str, outcome: &str) -> u64 {
        self.metrics.owner_resolution.with_label_values(&[kind, outcome]).get()
    }
}

/// A uid that an object and the references to it agree on.
fn uid(kind_or_plural: &str, name: &str) -> String {
    format!("{}-{name}", kind_or_plural.to_lowercase().trim_end_matches('s'))
}
