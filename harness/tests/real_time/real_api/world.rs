//! Gateways on a real API server.

use std::{future::Future, sync::Arc};

use gateway::{config::Config, context::Context, remediation::LeaseName};
use harness::{
    cluster::{Permissions, Stage},
    control_plane::ControlPlane,
    load::webhook,
    replica::{Answer, Served, config, metric, pod_name},
    testing::{STARTS_AT, fingerprint, wait_ms},
};
use http::{Method, Request};
use kube::{Client, client::Body};
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::service_fn;

/// A namespace, and gateways that work in it.
pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) replicas: Vec<Served>,
}

impl World {
    /// `count` gateways with all their permissions.
    pub(crate) async fn new(plane: &ControlPlane, count: usize) -> Self {
        Self::empty(plane, Permissions::Full).await.with(plane, count).await
    }

    /// `count` gateways in the namespace of this one.
    pub(crate) async fn with(mut self, plane: &ControlPlane, count: usize) -> Self {
        for number in 1..=count {
            let client = client(plane, number).await;
            self.start(number, client, Context::system()).await;
        }
        self
    }

    /// No gateways yet.
    pub(crate) async fn empty(plane: &ControlPlane, permissions: Permissions) -> Self {
        let stage = Stage::new(plane, permissions).await.unwrap_or_else(|error| panic!("no stage: {error:?}"));
        Self { stage, replicas: Vec::new() }
    }

    /// Starts `gateway-pod-<number>` and waits until it is ready.
    pub(crate) async fn start(&mut self, number: usize, client: Client, context: Context) {
        self.start_with(number, config(), client, context).await;
    }

    /// As [`World::start`], with another configuration.
    pub(crate) async fn start_with(&mut self, number: usize, config: Config, client: Client, context: Context) {
        let served = self.stage.serve(number, config, client, context).await;
        self.replicas.push(served.unwrap_or_else(|error| panic!("gateway-pod-{number}: {error}")));
    }

    /// Sends one alert on the Deployment `resource` to the replica at `index`.
    pub(crate) async fn send(&self, index: usize, resource: &str) -> Answer {
        let (base, body) = (self.replicas[index].api.to_string(), webhook(resource, STARTS_AT));
        self.stage.send(&base, &body, fingerprint(resource).as_str()).await
    }

    /// Sends `count` alerts on `resource` at once, in turn to each replica.
    pub(crate) async fn storm(&self, resource: &str, count: usize) -> Vec<Answer> {
        let sends = (0..count).map(|i| self.send(i % self.replicas.len(), resource));
        futures::future::join_all(sends).await
    }

    /// Sends until it is answered 2xx, as Alertmanager does after a 5xx.
    pub(crate) async fn send_until_accepted(&self, index: usize, resource: &str) -> Answer {
        for _ in 0..60 {
            let answer = self.send(index, resource).await;
            if answer.status.is_success() {
                return answer;
            }
            assert!(answer.status.is_server_error(), "Alertmanager would not send again: {answer:?}");
            wait_ms(500).await;
        }
        panic!("not accepted in 60 tries");
    }

    /// A metric of the replica at `index`, over HTTP.
    pub(crate) async fn metric(&self, index: usize, series: &str) -> f64 {
        let url = format!("http://{}/metrics", self.replicas[index].metrics);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        metric(&text, series).unwrap_or_else(|| panic!("{series} is not in {text}"))
    }

    /// A counter as soon as it has counted, or none if it has not for a minute.
    pub(crate) async fn metric_once_counted(&self, index: usize, series: &str) -> f64 {
        for _ in 0..1_000 {
            let counted = self.metric(index, series).await;
            if counted > 0.0 {
                return counted;
            }
            wait_ms(50).await;
        }
        0.0
    }

    /// The RemediationRequests of `resource`, once the watch has shown all there is.
    pub(crate) async fn requests(&self, resource: &str) -> Vec<Value> {
        let (mut requests, _) = self.stage.witness.catch_up().await.unwrap();
        requests.retain(|request| request["spec"]["signalFingerprint"] == fingerprint(resource).as_str());
        requests
    }

    /// What happened to locks: verb and holder of each event.
    pub(crate) fn lease_history(&self) -> Vec<String> {
        let locks = self.stage.witness.seen("leases").into_iter().filter(|seen| LeaseName::is_one(&seen.name));
        locks.map(|seen| format!("{} {}", seen.verb, seen.holder)).collect()
    }

    /// Waits until all has come to rest, and fails if an oracle has found anything.
    #[track_caller]
    pub(crate) fn quiet(&self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            let violations = self.stage.finish(&config()).await;
            assert!(violations.is_empty(), "{at}: {violations:#?}");
        }
    }
}

/// The client of `gateway-pod-<number>`.
pub(crate) async fn client(plane: &ControlPlane, number: usize) -> Client {
    let timeout = config().server.kubernetes_request_timeout;
    plane.gateway_client(&pod_name(number), timeout).await.unwrap()
}

/// A client that waits for what `before` returns ahead of each create of a RemediationRequest.
pub(crate) fn before_creates<F, Fut>(client: Client, before: F) -> Client
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let (client, before) = (client.clone(), before.clone());
        async move {
            if request.method() == Method::POST && request.uri().path().ends_with("/remediationrequests") {
                before().await;
            }
            client.send(request).await
        }
    });
    Client::new(service, namespace)
}

/// As [`before_creates`], where it waits for a permit of the second semaphore, after it has added one to the first.
pub(crate) fn held_before_creates(client: Client) -> (Client, Arc<Semaphore>, Arc<Semaphore>) {
    let (came, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let held = before_creates(client, {
        let (came, go) = (Arc::clone(&came), Arc::clone(&go));
        move || {
            came.add_permits(1);
            let go = Arc::clone(&go);
            async move { drop(go.acquire().await) }
        }
    });
    (held, came, go)
}

/// A client whose requests are sent even if nobody waits for their answers any more.
pub(crate) fn detached(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        let sent = tokio::spawn(async move { client.send(request).await });
        async move { sent.await.unwrap_or_else(|error| Err(kube::Error::Service(error.into()))) }
    });
    Client::new(service, namespace)
}
