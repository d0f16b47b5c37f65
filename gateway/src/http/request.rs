//! What every request gets: an id, a log span, its metrics, and an answer even if a handler panics.

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tracing::{Instrument as _, Level};

use super::{
    app::App,
    info::{Peer, RequestInfo, shown_path},
    problem::{Kind, Logged, Problem},
    routes::{KUBERNETES_EVENT, PROMETHEUS},
};
use crate::context::Context;

/// The header that carries the request's id, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
    let peer = request.extensions().get().map(|Peer(address)| tracing::field::display(*address));
    let span =
        tracing::error_span!("request", request_id = &*info.id, endpoint, method, peer, user = tracing::field::Empty);
    let mut response = answer(request, next, &info).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&info.id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let took = app.context.monotonic().since(received);
    let status = response.status();
    app.metrics
        .http_request_duration_seconds
        .with_label_values(&[endpoint, method, status.as_str()])
        .observe(took.as_secs_f64());
    let _in_span = span.enter();
    let reason = match status.as_u16() {
        413 => Some("answered_413"),
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
