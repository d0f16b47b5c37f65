//! An OpenTelemetry collector that keeps what it is sent, read by OpenTelemetry's own types.

use std::{
    collections::BTreeMap,
    future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::any,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;

/// What a collector makes of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mood {
    Fine,
    /// It takes a batch but for one span.
    Picky,
    /// It never answers.
    Silent,
    Answers(u16),
    /// It answers 200, and something else than a collector does.
    Nonsense,
}

/// What was received.
#[derive(Default)]
pub(super) struct Received {
    pub(super) spans: Vec<Span>,
    pub(super) resource: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
    pub(super) batches: usize,
}

#[derive(Clone)]
pub(super) struct Collector {
    mood: Mood,
    received: Arc<Mutex<Received>>,
    pub(super) address: SocketAddr,
}

impl Collector {
    pub(super) async fn start(mood: Mood) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self { mood, received: Arc::default(), address };
        let router = Router::new().route("/v1/traces", any(receive)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    pub(super) fn endpoint(&self) -> Option<url::Url> {
        format!("http://{}", self.address).parse().ok()
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(&self.received.lock().unwrap())
    }

    /// The spans, once there are those that `enough` asks for.
    pub(super) async fn spans(&self, enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let wait = async {
            loop {
                let spans = self.look(|received| received.spans.clone());
                if enough(&spans) {
                    return spans;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(60), wait).await;
        found.unwrap_or_else(|_| panic!("not in time: {:#?}", self.look(|received| received.spans.clone())))
    }
}

async fn receive(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    {
        let mut received = collector.received.lock().unwrap();
        received.batches += 1;
        received.headers = headers;
        for resource in request.resource_spans {
            received.resource = texts(&resource.resource.unwrap_or_default().attributes);
            received.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let partial_success = match collector.mood {
        Mood::Fine => None,
        Mood::Picky => Some(ExportTracePartialSuccess { rejected_spans: 1, error_message: "not that one".to_owned() }),
        Mood::Silent => future::pending().await,
        Mood::Answers(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Mood::Nonsense => return "<html>It works!</html>".into_response(),
    };
    ExportTraceServiceResponse { partial_success }.encode_to_vec().into_response()
}

/// Attributes as texts.
pub(super) fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
}
