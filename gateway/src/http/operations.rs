//! What Kubernetes and Prometheus ask: is it alive, is it ready, how does it do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Router, body::Body, extract::State, response::Response, routing::get};
use http::{HeaderValue, StatusCode, header};
use prometheus::IntGauge;
use serde_json::json;

use super::{liveness::Liveness, problem::json_response};
use crate::metrics::Metrics;

/// The text exposition format of Prometheus.
const METRICS_TEXT: &str = "text/plain; version=0.0.4";
/// The condition that a shutdown leaves unmet.
const DRAINING: &str = "draining";

/// Whether a replica may be sent signals: named conditions, all of which must hold; cheap to clone.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// Why a condition does not hold; none if it does.
    conditions: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    /// 1 if all of them hold, else 0.
    gauge: IntGauge,
}

impl Readiness {
    /// `conditions`, such as `view` and `crd`, none of which holds yet, shown by `metrics`.
    pub fn new(conditions: &[&'static str], metrics: &Metrics) -> Self {
        let conditions: BTreeMap<_, _> = conditions.iter().map(|name| (*name, Some("not yet".to_owned()))).collect();
        let gauge = metrics.ready.clone();
        gauge.set(i64::from(conditions.is_empty()));
        Self { conditions: Arc::new(Mutex::new(conditions)), gauge }
    }

    /// `condition` holds.
    pub fn met(&self, condition: &'static str) {
        self.set(condition, None);
    }

    /// `condition` does not hold, and `why` goes into the answer of `/readyz`.
    pub fn unmet(&self, condition: &'static str, why: impl Into<String>) {
        self.set(condition, Some(why.into()));
    }

    fn set(&self, condition: &'static str, why: Option<String>) {
        let mut conditions = self.lock();
        conditions.insert(condition, why);
        self.gauge.set(i64::from(conditions.values().all(Option::is_none)));
    }

    /// The replica shuts down: it is not ready, and new requests are answered 503. There is no way back.
    pub fn drain(&self) {
        self.unmet(DRAINING, "this replica shuts down");
    }

    /// Whether [`Readiness::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.lock().contains_key(DRAINING)
    }

    /// Whether every condition holds.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(Option::is_none)
    }

    /// The conditions that do not hold, and why.
    pub fn missing(&self) -> Vec<(&'static str, String)> {
        let conditions = self.lock();
        conditions.iter().filter_map(|(name, why)| Some((*name, why.clone()?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The routes of the health listener. `/healthz` and `/livez` say only that the process gets on: a Kubernetes API that
/// is down is no reason to restart it.
pub fn health_router(readiness: Readiness, liveness: Liveness) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/livez", get(alive))
        .with_state(liveness)
        .merge(Router::new().route("/readyz", get(ready)).with_state(readiness))
}

async fn alive(State(liveness): State<Liveness>) -> (StatusCode, &'static str) {
    match liveness.is_alive() {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the gateway's tasks stand still\n"),
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let missing: Vec<_> = readiness
        .missing()
        .into_iter()
        .map(|(condition, reason)| json!({ "condition": condition, "reason": reason }))
        .collect();
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": missing.is_empty(), "notReady": missing }).to_string();
    json_response(status, "application/json", body.into_bytes())
}

/// The routes of the metrics listener.
pub fn metrics_router(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(exposition)).with_state(metrics)
}

async fn exposition(State(metrics): State<Metrics>) -> Response {
    let (status, text) = match metrics.render() {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(METRICS_TEXT));
    response
}
