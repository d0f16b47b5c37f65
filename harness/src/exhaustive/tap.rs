//! A replica's way to the embedded API on which every request, answer and event waits for the scheduler.
#![allow(clippy::disallowed_methods, reason = "a request that was sent goes on by itself")]

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode, Uri, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{
    choice::Access,
    names::Names,
    scheduler::{Kind, Parcel, Scheduler, Verdict},
};
use embedded_apiserver::{AnswerBody, ApiService, ConnectionReset};

type Answer = Result<Response<AnswerBody>, ConnectionReset>;

/// One incarnation's connection.
#[derive(Clone)]
pub(super) struct Tap {
    pub(super) scheduler: Scheduler,
    pub(super) names: Names,
    pub(super) inner: ApiService,
    /// Counted from 1.
    pub(super) replica: u8,
    /// Cancelled when it crashes.
    pub(super) dead: CancellationToken,
}

impl<B> Service<Request<B>> for Tap
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<AnswerBody>;
    type Error = ConnectionReset;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectionReset>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let tap = self.clone();
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            let replica = tap.replica;
            let scheduler = tap.scheduler.clone();
            if answer.send(tap.serve(request).await).is_err() {
                scheduler.taint(replica);
            }
        });
        Box::pin(async move {
            match answered.await {
                Ok(answer) => answer,
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl Tap {
    async fn serve<B>(mut self, request: Request<B>) -> Answer
    where
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Send,
    {
        let (label, access, is_watch) = describe(request.method(), request.uri());
        let item = self.scheduler.next_request(self.replica);
        let parcel = |kind, content, status| {
            let label = Arc::clone(&label);
            Parcel { kind, item, label, access, content, status }
        };
        match self.scheduler.pass(parcel(Kind::Effect, 0, 0)).await {
            Verdict::Pass => {}
            Verdict::Lose => return Err(ConnectionReset),
            Verdict::Refuse => return Ok(unavailable()),
        }
        let answer = self.inner.call(request).await?;
        let (head, body) = answer.into_parts();
        if self.dead.is_cancelled() {
            return std::future::pending().await;
        }
        if is_watch && head.status.is_success() {
            return Ok(Response::from_parts(head, self.events(body)));
        }
        let body = body.collect().await.map(|body| body.to_bytes())?;
        let status = head.status.as_u16();
        match self.scheduler.pass(parcel(Kind::Answer, self.names.digest_of_text(&body), status)).await {
            Verdict::Pass => Ok(Response::from_parts(head, full(body))),
            Verdict::Lose | Verdict::Refuse => Err(ConnectionReset),
        }
    }

    /// A watch's events, each of which waits before it arrives; the next one after it.
    fn events(self, body: AnswerBody) -> AnswerBody {
        let events = stream::unfold((self, body), |(tap, mut body)| async move {
            let frame = body.frame().await?;
            let data = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(error) => return Some((Err(error), (tap, body))),
            };
            let item = tap.scheduler.next_event(tap.replica);
            let label = event_label(&data);
            let parcel = Parcel {
                kind: Kind::Event,
                item,
                label,
                access: Access::List,
                content: tap.names.digest_of_text(&data),
                status: 0,
            };
            match tap.scheduler.pass(parcel).await {
                Verdict::Pass => Some((Ok(Frame::data(data)), (tap, body))),
                Verdict::Lose | Verdict::Refuse => Some((Err(ConnectionReset), (tap, body))),
            }
        });
        StreamBody::new(events).boxed_unsync()
    }
}

fn full(body: Bytes) -> AnswerBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

fn unavailable() -> Response<AnswerBody> {
    const STATUS: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server is currently unable to handle the request","reason":"ServiceUnavailable","code":503}"#;
    let mut response = Response::new(full(Bytes::from_static(STATUS.as_bytes())));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// Verb, resource and name; what the request does to the store; whether it is a watch.
fn describe(method: &Method, uri: &Uri) -> (Arc<str>, Access, bool) {
    let segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let at = segments.iter().position(|segment| *segment == "namespaces").map_or(segments.len(), |at| at + 2);
    let rest = segments.get(at..).unwrap_or_default();
    let resource = match rest.first() {
        Some(&"leases") => "leases",
        Some(&"remediationrequests") => "remediationrequests",
        _ => "others",
    };
    let query = uri.query().unwrap_or_default();
    let is_watch = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
    let named = rest.len() > 1;
    let (verb, access) = match *method {
        _ if is_watch => ("watch", Access::List),
        Method::GET if named => ("get", Access::Get(resource)),
        Method::GET => ("list", Access::List),
        Method::POST => ("create", Access::Write(resource)),
        Method::PUT => ("update", Access::Write(resource)),
        Method::PATCH => ("patch", Access::Write(resource)),
        _ => ("delete", Access::Write(resource)),
    };
    let what = if rest.is_empty() { uri.path().to_owned() } else { rest.join("/") };
    (format!("{verb} {what}").into(), access, is_watch)
}

/// `MODIFIED name at version` of a watch event.
fn event_label(data: &[u8]) -> Arc<str> {
    let event: serde_json::Value = serde_json::from_slice(data).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &event["object"]["metadata"];
    let label = [text(&event["type"]), text(&metadata["name"]), text(&metadata["resourceVersion"])];
    label.join(" ").into()
}
