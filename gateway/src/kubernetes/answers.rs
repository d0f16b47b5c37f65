//! Makes responses safe to read, whether the API server sent them or a proxy, load balancer or portal in front of it.
//!
//! kube reads a body to its end, waits for the end of a line without bound, takes any 4xx for the API server's own word, and
//! drops `Retry-After`, which kube-apiserver sends beside plain text when it throttles. So, below kube:
//!
//! - a failure becomes a `Status` with the HTTP status as its code and `Retry-After` in its details; one that is not the API
//!   server's own word (no `Status`: an HTML page) is a 502, but for the plain answers that kube-apiserver does give;
//! - an answer that is no JSON is a 502 as well;
//! - a body ends with an error at [`ANSWER_MAX`], a watch's line at [`LINE_MAX`].

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING},
    response::Parts,
};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame};
use serde_json::{Value, json};
use tower::{BoxError, Service};

use super::text::excerpt;
use crate::retry_after::retry_after;

/// Bytes of an answer. The longest are pages of a list, which is asked for again in smaller pages beyond this.
const ANSWER_MAX: usize = 64 << 20;
/// Bytes of one event of a watch: an object, of which etcd takes 1.5 MiB unless told otherwise.
const LINE_MAX: usize = 8 << 20;
/// Bytes of a failure. The API server repeats an object that it does not admit in its reasons, more than once.
const FAILURE_MAX: usize = 4 << 20;
/// What kube-apiserver says, in plain text, of a path that it does not serve, such as that of a missing CRD.
const NO_SUCH_PATH: &str = "404 page not found";

/// An answer that is longer than anything the API server has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response is longer than {0} bytes")]
pub(super) struct TooLong(usize);

/// A body that is safe to read.
pub type SafeBody = UnsyncBoxBody<Bytes, BoxError>;

/// A service whose answers are safe to read.
#[derive(Clone, Debug)]
pub struct SafeAnswers<S>(pub S);

impl<S, Q, B> Service<Request<Q>> for SafeAnswers<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<SafeBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let is_watch =
            request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("watch=")));
        let answer = self.0.call(request);
        Box::pin(async move {
            let (head, body) = answer.await.map_err(Into::into)?.into_parts();
            if head.status.is_client_error() || head.status.is_server_error() || !is_json(&head.headers) {
                let body = read(body, FAILURE_MAX).await;
                return Ok(failure(head, &body));
            }
            let limit = if is_watch { LINE_MAX } else { ANSWER_MAX };
            let bounded = Bounded { inner: Box::pin(body), limit, by_line: is_watch, length: 0 };
            Ok(Response::from_parts(head, bounded.boxed_unsync()))
        })
    }
}

/// Whether it says that it is JSON, or does not say what it is.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|kind| String::from_utf8_lossy(kind.as_bytes()).contains("json"))
}

/// The beginning of a body that may break off or never end.
async fn read<B: Body<Data = Bytes>>(body: B, limit: usize) -> Vec<u8> {
    let (mut body, mut text) = (Box::pin(body), Vec::new());
    while text.len() <= limit
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data);
        }
    }
    text
}

/// A failure as a `Status`.
fn failure(mut head: Parts, body: &[u8]) -> Response<SafeBody> {
    let said = serde_json::from_slice::<Value>(body).ok().filter(|said| said["kind"] == "Status");
    let text = excerpt(&String::from_utf8_lossy(body));
    let code = head.status;
    let mut status = match said {
        Some(said) if !code.is_success() => said,
        // Plain text from kube-apiserver itself: throttled, or no such path. A 413 holds no matter which server sends it.
        _ if code == StatusCode::TOO_MANY_REQUESTS || code == StatusCode::PAYLOAD_TOO_LARGE => {
            json!({ "message": text })
        }
        _ if code == StatusCode::NOT_FOUND && text == NO_SUCH_PATH => json!({ "message": text, "reason": "NotFound" }),
        _ => {
            if !code.is_server_error() {
                head.status = StatusCode::BAD_GATEWAY;
            }
            json!({ "message": format!("{} instead of a response from the API server: {text}", code.as_u16()) })
        }
    };
    if let Value::Object(status) = &mut status {
        status.insert("kind".to_owned(), json!("Status"));
        status.insert("status".to_owned(), json!("Failure"));
        status.insert("code".to_owned(), json!(head.status.as_u16()));
        if let Some(asked) = retry_after(&head.headers) {
            let details = status.entry("details").or_insert(Value::Null);
            if !details.is_object() {
                *details = json!({});
            }
            let known = details["retryAfterSeconds"].as_u64().unwrap_or(0);
            details["retryAfterSeconds"] = json!(known.max(asked.as_secs()).min(u64::from(u32::MAX)));
        }
    }
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, RETRY_AFTER] {
        head.headers.remove(name);
    }
    let body = Full::from(status.to_string()).map_err(|never| match never {}).boxed_unsync();
    Response::from_parts(head, body)
}

/// A body that ends with an error when it, or one line of it, becomes too long.
struct Bounded<B> {
    inner: Pin<Box<B>>,
    limit: usize,
    by_line: bool,
    /// So far, of this line.
    length: usize,
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(frame) = ready!(self.inner.as_mut().poll_frame(context)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into)?;
        if let Some(data) = frame.data_ref() {
            let mut lines = data.split(|byte| self.by_line && *byte == b'\n').map(<[u8]>::len);
            let mut longest = self.length + lines.next().unwrap_or(0);
            let mut last = longest;
            for line in lines {
                (longest, last) = (longest.max(line), line);
            }
            self.length = last;
            if longest > self.limit {
                return Poll::Ready(Some(Err(TooLong(self.limit).into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests;
