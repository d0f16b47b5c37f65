//! What Kubernetes and Prometheus ask: is it alive, is it ready, how does it do.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Body, extract::State, response::Response, routing::get};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use prometheus::IntGauge;
use serde_json::json;

use super::{liveness::Liveness, problem::json_response};
use crate::metrics::Metrics;

/// The text exposition format of Prometheus.
const METRICS_TEXT: &str = "text/plain; version=0.0.4";
const OPENMETRICS_TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
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

    /// Marks `condition` as met: it no longer keeps `/readyz` from answering 200.
    pub fn met(&self, condition: &'static str) {
        self.set(condition, None);
    }

    /// `condition` does not hold, and `why` goes into the answer of `/readyz`.
    pub fn unmet(&self, condition: &'static str, why: impl Into<String>) {
        self.set(condition, Some(why.into()));
    }

    fn set(&self, condition: &'static str, why: Option<String>) {
        let mut conditions = self.conditions.lock();
        conditions.insert(condition, why);
        self.gauge.set(i64::from(conditions.values().all(Option::is_none)));
    }

    /// The replica shuts down: it is not ready, and new requests are answered 503. There is no way back.
    pub fn drain(&self) {
        self.unmet(DRAINING, "this replica is shutting down");
    }

    /// Whether [`Readiness::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.conditions.lock().contains_key(DRAINING)
    }

    /// Whether every condition holds.
    pub fn is_ready(&self) -> bool {
        self.conditions.lock().values().all(Option::is_none)
    }

    /// The conditions that do not hold, and why.
    pub fn missing(&self) -> Vec<(&'static str, String)> {
        let conditions = self.conditions.lock();
        conditions.iter().filter_map(|(name, why)| Some((*name, why.clone()?))).collect()
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
        false => (StatusCode::SERVICE_UNAVAILABLE, "the gateway's tasks are stalled\n"),
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

/// In the text format, or as OpenMetrics if the scraper likes that at least as much.
async fn exposition(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    let wants_openmetrics = prefers_openmetrics(&headers);
    let (rendered, kind) = match wants_openmetrics {
        true => (metrics.render_openmetrics().map(String::into_bytes), OPENMETRICS_TEXT),
        false => (metrics.render(), METRICS_TEXT),
    };
    let (status, text) = match rendered {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Whether `Accept` (RFC 9110) names OpenMetrics with a weight that is not below that of plain text.
fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    let (mut openmetrics, mut text) = (0.0, 0.0);
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let named = |name: &str| parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
        let weight: f32 = named("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
        if kind.eq_ignore_ascii_case("application/openmetrics-text") {
            if matches!(named("version"), None | Some("0.0.1" | "1.0.0")) {
                openmetrics = weight.max(openmetrics);
            }
        } else if kind.eq_ignore_ascii_case("text/plain") {
            text = weight.max(text);
        }
    }
    openmetrics > 0.0 && openmetrics >= text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing("", false)]
    #[case::curl("*/*", false)]
    #[case::openmetrics("application/openmetrics-text", true)]
    #[case::prometheus_2(
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        true
    )]
    #[case::prometheus_3(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2",
        true
    )]
    #[case::rather_text("application/openmetrics-text;q=0.4, text/plain; q=0.5", false)]
    #[case::refused("application/openmetrics-text;q=0", false)]
    #[case::another_version("application/openmetrics-text;version=2.0.0", false)]
    #[case::nonsense("application/openmetrics-text;q=NaN;;=,,", false)]
    fn openmetrics_is_for_those_who_prefer_it(#[case] accept: &str, #[case] openmetrics: bool) {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(accept).unwrap())]);
        assert_eq!(prefers_openmetrics(&headers), openmetrics);
    }
}
