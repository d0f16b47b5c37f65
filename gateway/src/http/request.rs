//! What every request gets: an id, a log span, its metrics, and an answer even if a handler panics.

use std::{borrow::Cow, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tracing::{Instrument as _, Level, Span};

use super::{
    app::App,
    info::{Peer, RequestInfo, shown_path},
    problem::{Kind, Logged, Problem},
    routes::{KUBERNETES_EVENT, PROMETHEUS},
};
use crate::{
    context::{Context, Monotonic},
    trace::{Parent, Scope},
};

/// The header that carries the request's id, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The label `status` of a request whose connection ended before its answer, as nginx calls it.
const UNANSWERED: &str = "499";

/// Enough for a UUID or a trace id; what is longer is not written to logs.
const REQUEST_ID_LEN_MAX: usize = 64;

/// Middleware: all of this module.
pub(super) async fn observe(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let received = app.context.monotonic();
    let id = sent_id(request.headers()).unwrap_or_else(|| new_id(&app.context));
    let info = RequestInfo { id: id.into(), path: shown_path(request.uri()), received };
    let (endpoint, method) = (endpoint(request.uri().path()), method_label(request.method()));
    request.extensions_mut().insert(info.clone());

    // At the level of errors, so that every line of a request has it, whatever the log's level is.
    let peer = request.extensions().get().map(|Peer(address)| *address);
    let parent = Parent::of(request.headers());
    let traced = app.tracer.request(parent.as_ref(), &info.id, || span_name(method, endpoint));
    note_head(traced.scope(), &app, &request, (endpoint, peer));
    // The sender's is of use in the log even where this gateway records nothing.
    let trace_id = traced.scope().trace_id().or(parent.map(|parent| parent.context.trace_id));
    let span = tracing::error_span!(
        "request",
        request_id = &*info.id,
        trace_id = trace_id.map(tracing::field::display),
        endpoint,
        method,
        peer = peer.map(tracing::field::display),
        user = tracing::field::Empty
    );
    let answering = answer(request, next, &info).instrument(span.clone());
    let mut unanswered =
        Unanswered { app: Some(Arc::clone(&app)), labels: [endpoint, method], received, span: span.clone() };
    let mut response = traced.scope().clone().within(answering).await;
    unanswered.app = None;
    if let Ok(value) = HeaderValue::from_str(&info.id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let took = app.context.monotonic().since(received);
    let status = response.status();
    note_status(traced.scope(), status);
    let exemplar = traced.scope().exemplar();
    drop(traced);
    app.metrics.http_request_took([endpoint, method, status.as_str()], took.as_secs_f64(), exemplar);
    let _in_span = span.enter();
    let reason = match status.as_u16() {
        404 => Some("answered_404"),
        405 => Some("answered_405"),
        413 => Some("answered_413"),
        415 => Some("answered_415"),
        503 => Some("answered_503"),
        504 => Some("answered_504"),
        500.. => Some("answered_500"),
        _ => None,
    };
    let is_logged = response.extensions().get::<Logged>().is_some();
    if let Some(reason) = reason.filter(|_| !is_logged) {
        if app.log.admits(reason, Level::WARN) {
            tracing::warn!(reason, status = status.as_u16(), ?took, "answered");
        }
    } else {
        tracing::debug!(status = status.as_u16(), ?took, "answered");
    }
    response
}

/// A request until it is answered: its connection may end before, and this with it.
struct Unanswered {
    app: Option<Arc<App>>,
    labels: [&'static str; 2],
    received: Monotonic,
    span: Span,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some(app) = &self.app else { return };
        let ([endpoint, method], took) = (self.labels, app.context.monotonic().since(self.received));
        app.metrics.http_request_took([endpoint, method, UNANSWERED], took.as_secs_f64(), None);
        let _in_span = self.span.enter();
        if app.log.admits("unanswered", Level::WARN) {
            tracing::warn!(reason = "unanswered", ?took, "the sender gave up, or was too slow to be waited for");
        }
    }
}

/// By the semantic conventions: a method that is not known is `HTTP`.
fn span_name(method: &'static str, endpoint: &'static str) -> Cow<'static, str> {
    match (method, endpoint) {
        ("OTHER", _) => "HTTP".into(),
        (method, "other") => method.into(),
        (method, route) => format!("{method} {route}").into(),
    }
}

fn note_head(scope: &Scope, app: &App, request: &Request, (endpoint, peer): (&'static str, Option<SocketAddr>)) {
    scope.note(|notes| {
        // Until its sender is let in: others shall not fill the queue of spans.
        notes.is_discarded = true;
        let method = method_label(request.method());
        notes.text("http.request.method", if method == "OTHER" { "_OTHER" } else { method });
        notes.text("url.path", shown_path(request.uri()).to_string());
        notes.text("url.scheme", if app.server.tls.is_some() { "https" } else { "http" });
        if endpoint != "other" {
            notes.text("http.route", endpoint);
        }
        if let Some(agent) = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()) {
            notes.text("user_agent.original", agent.to_owned());
        }
        if let Some(peer) = peer {
            notes.text("client.address", peer.ip().to_string());
            notes.text("network.peer.address", peer.ip().to_string());
            notes.int("network.peer.port", peer.port());
        }
    });
}

fn note_status(scope: &Scope, status: StatusCode) {
    scope.note(|notes| {
        notes.int("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            notes.text("error.type", status.as_u16().to_string());
            notes.fail("");
        }
    });
}

async fn answer(request: Request, next: Next, info: &RequestInfo) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            tracing::error!(panic = panic_text(&*panic), "a request panicked");
            Problem::new(Kind::Internal, "the gateway failed to handle the request").logged().respond(info)
        }
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// The sender's id, if it is one that may be logged and sent back as it is.
fn sent_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    ((1..=REQUEST_ID_LEN_MAX).contains(&id.len()) && id.bytes().all(sane)).then(|| id.to_owned())
}

pub(super) fn new_id(context: &Context) -> String {
    format!("{:016x}{:016x}", context.random(), context.random())
}

/// The label of a path: bounded, whatever is asked for.
fn endpoint(path: &str) -> &'static str {
    [PROMETHEUS, KUBERNETES_EVENT].into_iter().find(|known| *known == path).unwrap_or("other")
}

/// The label of a method: bounded, since HTTP admits any word.
fn method_label(method: &Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| method == *known)
        .unwrap_or("OTHER")
}
