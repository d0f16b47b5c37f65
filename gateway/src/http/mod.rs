//! Routes, authentication, limits and answers; knows `signal` and `dedup`, not what is behind them.
//!
//! A request's way, and where it may end:
//!
//! | step | ends in |
//! |---|---|
//! | path, method, content type, announced length | 404, 405, 415, 413 |
//! | shutting down; no place among the requests under way | 503 |
//! | bearer token | 401, 403, 500 |
//! | body | 413, 503 |
//! | [`SignalHandler`] | see [`answer`] |
//!
//! Alertmanager decides the policy: any 2xx is final, 5xx is sent again, and 429 and every other 4xx is final too. So
//! whatever may succeed later is answered 5xx, overload and slow bodies included.
//!
//! All routers are plain `axum::Router`s: [`server`] puts them on sockets, a simulator calls them in process.

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use futures::future::BoxFuture;

use crate::{
    config,
    context::{Context, Monotonic},
    dedup::{self, Accepted},
    metrics::Metrics,
    remediation::{Fingerprint, Source},
};

pub mod answer;
pub mod auth;
mod body;
mod gate;
pub mod operations;
mod problem;
mod request;
pub mod server;
mod signals;
pub mod tls;

pub use operations::Readiness;
pub use problem::{CONTENT_TYPE as PROBLEM_JSON, Kind as ProblemKind};
pub use request::REQUEST_ID;

/// Where Alertmanager posts.
pub const PROMETHEUS: &str = "/api/v1/signals/prometheus";
/// Where Kubernetes events are posted.
pub const KUBERNETES_EVENT: &str = "/api/v1/signals/kubernetes-event";

/// What turns a body into RemediationRequests.
pub trait SignalHandler: Send + Sync + 'static {
    /// Handles what `source` sent, until `deadline` at most; one item per alert or event, in the order sent.
    ///
    /// The future is run to its end even if the client has gone: a signal may be half done.
    fn handle(&self, source: Source, body: Bytes, deadline: Monotonic) -> BoxFuture<'_, Result<Batch, Malformed>>;
}

/// What became of the alerts or events of one body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// One each, in the order sent.
    pub items: Vec<Item>,
}

/// What became of one alert or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// It is durable.
    Accepted(Accepted, Fingerprint),
    /// It is malformed, and always will be.
    Rejected {
        /// A word for logs and metrics.
        reason: &'static str,
        /// What the sender is told.
        message: String,
    },
    /// Its resource is none that this gateway is to care for.
    OutOfScope {
        /// What the sender is told: how to bring it into scope.
        message: String,
    },
    /// There is nothing to do, as for a resolved alert.
    Ignored {
        /// What the sender is told.
        message: String,
    },
    /// It may succeed when it is sent again.
    Failed(dedup::Error),
}

/// The body as a whole is not what its source should send: 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Malformed {
    /// What the sender is told.
    pub detail: String,
}

/// What the signal listener needs.
#[derive(Clone)]
pub struct App {
    /// What requests are handed to.
    pub handler: Arc<dyn SignalHandler>,
    /// Who may send; anyone if absent.
    pub auth: Option<auth::Authenticator>,
    /// Limits and timeouts.
    pub server: config::Server,
    /// Time, tasks, request ids.
    pub context: Context,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// Whether the replica shuts down.
    pub readiness: Readiness,
}

/// The routes of the signal listener.
pub fn router(app: App) -> Router {
    signals::router(app)
}

/// What is not a problem: the statuses of [`answer`] below 300.
const SUCCESSES: [u16; 4] = [200, 201, 202, 207];

/// Every route of every listener, with its method and the statuses it may answer with; for the API description.
pub fn routes() -> Vec<(&'static str, &'static str, Vec<u16>)> {
    let problems = ProblemKind::ALL.iter().map(|kind| kind.status().as_u16());
    let mut signal: Vec<u16> = SUCCESSES.into_iter().chain(problems).collect();
    signal.sort_unstable();
    signal.dedup();
    vec![
        (PROMETHEUS, "post", signal.clone()),
        (KUBERNETES_EVENT, "post", signal),
        ("/healthz", "get", vec![200]),
        ("/livez", "get", vec![200]),
        ("/readyz", "get", vec![200, 503]),
        ("/metrics", "get", vec![200, 500]),
    ]
}
