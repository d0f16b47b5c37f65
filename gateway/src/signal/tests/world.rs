//! A Kubernetes API of objects' metadata, behind a real client.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    config::{Retry, Scope},
    context::{Context, Monotonic, SimulatedClock},
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::Signal,
    signal::{ResolveError, Resolver, Rules, UnresolvedSignal},
};

/// How the API answers.
#[derive(Clone, Copy, Default)]
pub(super) enum Mood {
    /// As it should, 10 ms later.
    #[default]
    Well,
    /// With this HTTP status.
    Fails(u16),
    /// Never.
    Hangs,
}

#[derive(Default)]
struct Api {
    objects: BTreeMap<String, Value>,
    requests: Vec<String>,
    mood: Mood,
}

pub(super) struct World {
    pub(super) context: Context,
    pub(super) metrics: Metrics,
    pub(super) resolver: Resolver,
    api: Arc<Mutex<Api>>,
}

pub(super) const DEADLINE: Duration = Duration::from_secs(15);

impl World {
    /// Nothing has to be managed, so that only owners are looked up.
    pub(super) fn unscoped() -> Self {
        Self::new(Scope { require_managed_label: false, ..Scope::default() })
    }

    pub(super) fn new(scope: Scope) -> Self {
        let clock = SimulatedClock { epoch: super::now(), offset: Default::default(), rate_ppm: 1_000_000 };
        #[expect(clippy::disallowed_methods, reason = "the start of this test's clock")]
        let context = Context::simulated(clock, Instant::now(), 7);
        let api = Arc::<Mutex<Api>>::default();
        let (shared, time) = (Arc::clone(&api), context.clone());
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (api, time) = (Arc::clone(&shared), time.clone());
            async move { Ok::<_, Infallible>(answer(&api, &time, request).await) }
        });
        let metrics = Metrics::new().unwrap();
        let client = kube::Client::new(service, "kubernaut-system");
        let retry = Retry { max_attempts: 1, ..Retry::default() };
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), retry);
        let resolver = Resolver::new(kubernetes, context.clone(), metrics.clone(), scope, &Rules::default());
        Self { context, metrics, resolver, api }
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
        let metadata = json!({"name": name, "uid": uid(plural, name), "ownerReferences": owners, "labels": labels});
        let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata});
        self.api.lock().unwrap().objects.insert(format!("/{path}"), object);
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

    pub(super) fn set_uid(&self, path: &str, uid: &str) {
        self.api.lock().unwrap().objects.get_mut(&format!("/{path}")).unwrap()["metadata"]["uid"] = json!(uid);
    }

    pub(super) fn delete(&self, path: &str) {
        assert!(self.api.lock().unwrap().objects.remove(&format!("/{path}")).is_some(), "{path} was there");
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.api.lock().unwrap().mood = mood;
    }

    /// The paths asked for since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.api.lock().unwrap().requests)
    }

    pub(super) fn deadline(&self) -> Monotonic {
        self.context.monotonic() + DEADLINE
    }

    pub(super) async fn resolve(&self, sent: UnresolvedSignal) -> Result<Signal, ResolveError> {
        self.resolver.resolve(sent, self.deadline()).await
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

async fn answer(api: &Mutex<Api>, time: &Context, request: http::Request<Body>) -> http::Response<Body> {
    let path = request.uri().path().to_owned();
    assert_eq!(request.method(), http::Method::GET);
    assert!(request.headers()["accept"].to_str().unwrap().contains("as=PartialObjectMetadata"), "metadata only");
    let (mood, object) = {
        let mut api = api.lock().unwrap();
        api.requests.push(path.clone());
        (api.mood, api.objects.get(&path).cloned())
    };
    time.sleep(Duration::from_millis(10)).await;
    let (code, body) = match (mood, object) {
        (Mood::Hangs, _) => pending().await,
        (Mood::Well, Some(object)) => (200, object),
        (Mood::Well, None) => (404, status(404, "NotFound")),
        (Mood::Fails(code), _) => (code, status(code, "Failed")),
    };
    http::Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap()
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code})
}
