//! A stand-in for the DataStorage service: accepts audit events that match their schema, refuses the others, and reports
//! what it received.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;

pub use self::schema::fault;

mod schema;

/// Faults kept in the report; more say nothing more.
const FAULTS_KEPT: usize = 20;
/// Correlation ids told apart; bounds what a long run may use of memory.
const CORRELATIONS_KEPT: usize = 10_000;

/// What was received since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Requests whose every event was accepted.
    pub batches: u64,
    /// Accepted events by `event_type`.
    pub events: BTreeMap<String, u64>,
    /// Accepted events by `correlation_id`, then by `event_type`.
    pub correlations: BTreeMap<String, BTreeMap<String, u64>>,
    /// Events that do not match their schema. They are refused together with their batch.
    pub faulty: u64,
    /// What is wrong with the first of them.
    pub faults: Vec<String>,
}

impl Report {
    /// Takes note of a batch; says whether it is accepted.
    fn note(&mut self, batch: &[Value]) -> bool {
        let faults: Vec<String> = batch.iter().filter_map(fault).collect();
        self.faulty += faults.len() as u64;
        if !faults.is_empty() {
            let room = FAULTS_KEPT.saturating_sub(self.faults.len());
            self.faults.extend(faults.into_iter().take(room));
            return false;
        }
        self.batches += 1;
        let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
        for event in batch {
            let event_type = text(event, "event_type");
            *self.events.entry(event_type.clone()).or_default() += 1;
            let id = text(event, "correlation_id");
            if self.correlations.len() < CORRELATIONS_KEPT || self.correlations.contains_key(&id) {
                *self.correlations.entry(id).or_default().entry(event_type).or_default() += 1;
            }
        }
        true
    }
}

/// Serves the batches' route, and the [`Report`] at `/report`, as long as `listener` lasts.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let routes = Router::new().route("/api/v1/audit/events/batch", post(accept)).route("/report", get(report));
    axum::serve(listener, routes.with_state(Shared::default())).await
}

type Shared = Arc<Mutex<Report>>;

async fn accept(State(shared): State<Shared>, body: Bytes) -> StatusCode {
    // What is no list of events is refused like an event that is none.
    let batch = serde_json::from_slice(&body).unwrap_or_else(|error| vec![Value::from(error.to_string())]);
    if shared.lock().note(&batch) { StatusCode::CREATED } else { StatusCode::BAD_REQUEST }
}

async fn report(State(shared): State<Shared>) -> impl IntoResponse {
    let report = serde_json::to_string(&*shared.lock());
    ([(header::CONTENT_TYPE, "application/json")], report.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR))
}

#[cfg(test)]
mod tests;
