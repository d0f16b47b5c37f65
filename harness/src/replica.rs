//! Gateway instances run by the harness: in process, or on loopback sockets.

use std::{net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures::future::Either;
use gateway::{
    config::{AuthMode, Config, Identity},
    context::Context,
    http::operations::metrics_router,
    runtime::{Gateway, Listeners},
};
use http::{Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use kube::Client;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::baselines::Protocol;

/// The namespace of the gateway's pods, leases and RemediationRequests.
pub const NAMESPACE: &str = "kubernaut-system";

/// `gateway-pod-1` and so on: what the test plan calls replicas.
pub fn pod_name(number: usize) -> String {
    format!("gateway-pod-{number}")
}

/// The configuration that scenarios start from: no authentication, every resource in scope, no Events, loopback sockets on
/// any free port, room for a storm on a single replica.
pub fn config() -> Config {
    let mut config = Config::default();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    config.server.listen_addr = any;
    config.server.health_addr = any;
    config.server.metrics_addr = any;
    config.auth.mode = AuthMode::None;
    config.scope.require_managed_label = false;
    config.events.enabled = false;
    config.server.max_concurrent_requests = 1000;
    config
}

/// Who the pod `name` in `namespace` is.
pub fn identity(name: &str, namespace: &str) -> Identity {
    Identity { pod_name: name.to_owned(), pod_namespace: namespace.to_owned(), pod_uid: None }
}

/// An answer of a gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status; 502 stands for no answer.
    pub status: StatusCode,
    /// Its JSON, null if it is none.
    pub body: Value,
}

/// A gateway to be started: who it is, and how it works.
#[derive(Clone, Debug)]
pub struct ReplicaSpec {
    /// The pod's name.
    pub name: String,
    /// Where its leases and RemediationRequests live.
    pub namespace: String,
    /// How it keeps RemediationRequests unique.
    pub protocol: Protocol,
    /// The configuration as loaded, listeners included.
    pub config: Config,
}

impl ReplicaSpec {
    /// The pod `name` with the product's protocol and the [`config`] that scenarios start from, in [`NAMESPACE`].
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), namespace: NAMESPACE.to_owned(), protocol: Protocol::default(), config: config() }
    }

    /// Starts it in process; its requests to the Kubernetes API go through `client`.
    ///
    /// # Errors
    /// If the gateway cannot be built.
    pub fn start(self, client: Client, context: Context) -> Result<Replica, gateway::runtime::Error> {
        let (name, gateway) = self.build(client, context.clone())?;
        gateway.start();
        let api = gateway.api();
        Ok(Replica { name, context, gateway, api })
    }

    /// Starts it on the addresses of its configuration, and waits until it is ready.
    ///
    /// # Errors
    /// If an address cannot be bound, or the gateway not be built.
    #[allow(clippy::disallowed_methods, reason = "sockets live in real time")]
    pub async fn serve(self, client: Client, context: Context) -> Result<Served, gateway::runtime::Error> {
        let listeners = Listeners::bind(&self.config.server).await?;
        let address = |listener: &tokio::net::TcpListener| listener.local_addr().unwrap_or(([0, 0, 0, 0], 0).into());
        let (api, health, metrics) = (address(&listeners.api), address(&listeners.health), address(&listeners.metrics));
        let (name, gateway) = self.build(client, context)?;
        gateway.start();
        gateway.ready().await;
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(gateway.serve(listeners, shutdown.clone()));
        Ok(Served { name, api, health, metrics, shutdown, ended })
    }

    fn build(self, client: Client, context: Context) -> Result<(String, Gateway), gateway::runtime::Error> {
        let Self { name, namespace, protocol, config } = self;
        let gateway = protocol.gateway(config, identity(&name, &namespace), client, context)?;
        Ok((name, gateway))
    }
}

/// A gateway called in process: no sockets, so that virtual time decides when everything happens.
pub struct Replica {
    /// The pod's name.
    pub name: String,
    context: Context,
    gateway: Gateway,
    api: Router,
}

impl Replica {
    /// Waits until its view is synchronised.
    pub async fn ready(&self) {
        self.gateway.ready().await;
    }

    /// The pod's clocks and tasks.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Its `/metrics`.
    pub fn metrics(&self) -> String {
        let text = self.gateway.metrics().render().unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// What `/readyz` answers.
    pub async fn readiness(&self) -> Answer {
        get(self.gateway.health(), "/readyz").await
    }

    /// The routes of its metrics listener.
    pub fn metrics_endpoint(&self) -> Router {
        metrics_router(self.gateway.metrics().clone())
    }

    /// The value of one of its metrics; `series` is the name with its labels as in the text format.
    pub fn metric(&self, series: &str) -> Option<f64> {
        metric(&self.metrics(), series)
    }

    /// Posts `body` as JSON to `path`. A replica that stands still answers late, one that has crashed not at all: 502, as
    /// a Service's proxy would say.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        let answer = self.context.pausable(Box::pin(post(self.api.clone(), path, body.into())));
        match futures::future::select(pin!(answer), pin!(self.context.killed())).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Answer { status: StatusCode::BAD_GATEWAY, body: Value::Null },
        }
    }

    /// A sender that goes on without the replica's handle, to be spawned.
    pub fn sender(&self) -> Router {
        self.api.clone()
    }

    /// Has it follow `config` as far as a running gateway can.
    pub fn follow(&self, config: &Config) {
        self.gateway.live().apply(config);
    }

    /// Ends it as SIGKILL would.
    pub fn crash(&self) {
        self.context.kill();
    }

    /// Ends it as SIGTERM would: what is under way is finished, locks are released.
    pub async fn shut_down(&self) {
        self.gateway.shut_down().await;
        self.context.kill();
    }
}

/// Posts `body` as JSON to `path` of a router.
pub async fn post(api: Router, path: &str, body: Bytes) -> Answer {
    ask(api, Request::post(path).header(CONTENT_TYPE, "application/json").body(Body::from(body))).await
}

async fn get(router: Router, path: &str) -> Answer {
    ask(router, Request::get(path).body(Body::empty())).await
}

async fn ask(api: Router, request: http::Result<Request<Body>>) -> Answer {
    let Ok(request) = request else { return Answer { status: StatusCode::BAD_REQUEST, body: Value::Null } };
    let response = match api.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() }
}

/// The value of `series` in Prometheus' text format.
pub fn metric(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// A gateway on loopback sockets.
pub struct Served {
    /// The pod's name.
    pub name: String,
    /// Where signals are posted.
    pub api: SocketAddr,
    /// Where `/healthz` and `/readyz` are served.
    pub health: SocketAddr,
    /// Where `/metrics` is served.
    pub metrics: SocketAddr,
    shutdown: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

#[allow(clippy::disallowed_methods, reason = "sockets live in real time")]
impl Served {
    /// Ends it as SIGTERM would, and waits for the end, for `timeout` at most.
    pub async fn shut_down(self, timeout: Duration) {
        self.shutdown.cancel();
        let _ = tokio::time::timeout(timeout, self.ended).await;
    }
}
