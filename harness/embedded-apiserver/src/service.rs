//! The server as a tower service: what stands behind a `kube::Client`, in process.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::{
    clock,
    faults::{Effect, Fault, Gate, Point},
    handle::handle,
    link::{ConnectionReset, Link},
    reply::Reply,
    request::{self, Caller, Query, RequestInfo},
    server::Server,
    status::Failure,
    tracer::{Ending, SentRequest, Traced},
    watch::Watch,
};

/// The body of an answer; watches stream theirs.
pub type AnswerBody = UnsyncBoxBody<Bytes, ConnectionReset>;

/// One caller's way to the server.
///
/// A request that was sent is served to its end, even if the returned future is dropped: "applied, answer lost" is
/// possible under cancellation, as it is with a real server.
#[derive(Clone)]
pub struct ApiService {
    server: Arc<Server>,
    caller: Caller,
    link: Link,
}

impl ApiService {
    pub(super) fn new(server: Arc<Server>, caller: Caller) -> Self {
        let link = server.link(&caller.user);
        Self { server, caller, link }
    }
}

impl<B> tower::Service<Request<B>> for ApiService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<AnswerBody>;
    type Error = ConnectionReset;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectionReset>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectionReset>> {
        // Never an error: it would close the client's buffer for good.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let info = RequestInfo::parse(&head, self.caller.clone());
        let dead = self.link.dead.clone();
        if dead.is_cancelled() {
            return Box::pin(std::future::pending());
        }
        // Drawn here, in the order in which requests are sent.
        let faults = self.server.faults();
        let (fault, gate) = (faults.decide(&info), faults.gate(Point::Effect(&info)));
        let link = Link { watches: self.server.link(&self.caller.user).watches, ..self.link.clone() };
        let (answer, answered) = oneshot::channel();
        let server = Arc::clone(&self.server);
        let lands = link.lands.clone();
        clock::spawn(async move {
            // A body that breaks off is one that does not parse.
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let query = head.uri.query().unwrap_or("");
            let sent = SentRequest { info: &info, query, body: &body, fault: &fault };
            let traced = Traced::sent(server.tracer(), &sent);
            let (query, cache_lag, refusal) = (Query::parse(query), fault.cache_lag, fault.refusal);
            let request = request::Request { info, query, headers: head.headers, body, link, cache_lag, refusal };
            let served = Box::pin(serve(&server, request, fault, gate, &traced));
            let ending = match lands.run_until_cancelled(served).await {
                Some(result) => hand_over(answer, result),
                None => Ending::Dropped,
            };
            traced.ended(ending);
        });
        Box::pin(async move {
            let answered = dead.run_until_cancelled(answered).await;
            match answered {
                Some(Ok(result)) => result.map(response),
                // Serving it panicked: the connection breaks, as with a server whose handler does.
                Some(Err(_)) if !dead.is_cancelled() => Err(ConnectionReset),
                // Nobody is told that it is dead.
                Some(Err(_)) | None => std::future::pending().await,
            }
        })
    }
}

/// One request with its fate.
async fn serve(
    server: &Arc<Server>,
    request: request::Request,
    fault: Fault,
    gate: Option<Gate>,
    traced: &Traced,
) -> Result<Reply, ConnectionReset> {
    let mut info = request.info.clone();
    if info.verb == "create" && info.name.is_empty() {
        info.name = name_in(&request.body);
    }
    clock::sleep(fault.delay_before).await;
    if let Some(gate) = gate {
        gate.await;
    }
    let result = match fault.before {
        Some(effect) => replaced(effect),
        None => {
            let reply = handle(server, request).await;
            traced.took_effect(reply.code(), reply.body());
            clock::sleep(fault.delay_after).await;
            if let Some(gate) = server.faults().gate(Point::Answer(&info)) {
                gate.await;
            }
            fault.after.map_or(Ok(reply), replaced)
        }
    };
    let code = result.as_ref().map_or_else(|_| "reset".to_owned(), |reply| reply.code().to_string());
    server.log(info, code);
    result
}

/// Gives the answer to whoever waits for it.
fn hand_over(to: oneshot::Sender<Result<Reply, ConnectionReset>>, result: Result<Reply, ConnectionReset>) -> Ending {
    let code = result.as_ref().map(Reply::code).map_err(|reset| *reset);
    match (to.send(result), code) {
        (Ok(()), Ok(code)) => Ending::Code(code),
        (Ok(()), Err(ConnectionReset)) => Ending::Reset,
        (Err(_), code) => Ending::Unheard(code.unwrap_or(0)),
    }
}

/// `metadata.name` of a body, empty if there is none.
fn name_in(body: &[u8]) -> String {
    #[derive(Default, Deserialize)]
    struct Object {
        #[serde(default)]
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    struct Metadata {
        #[serde(default)]
        name: String,
    }
    serde_json::from_slice::<Object>(body).unwrap_or_default().metadata.name
}

fn replaced(effect: Effect) -> Result<Reply, ConnectionReset> {
    let Effect::Status { code, reason, message, retry_after_s } = effect else { return Err(ConnectionReset) };
    let mut failure = Failure::new(code, reason, message);
    if let Some(seconds) = retry_after_s {
        failure = failure.retry_after(seconds);
    }
    Ok(Reply::failure(&failure))
}

/// 401.
pub(super) fn unauthorized() -> Response<AnswerBody> {
    response(Reply::failure(&Failure::unauthorized()))
}

fn response(reply: Reply) -> Response<AnswerBody> {
    let code = StatusCode::from_u16(reply.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (content_type, retry_after_s, body) = match reply {
        Reply::Full { content_type, retry_after_s, body, .. } => {
            (content_type, retry_after_s, Full::new(body).map_err(|never| match never {}).boxed_unsync())
        }
        Reply::Watch(watch) => ("application/json", None, stream_body(*watch)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    if !content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(seconds) = retry_after_s {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn stream_body(watch: Watch) -> AnswerBody {
    let events = stream::unfold(watch, |mut watch| async move {
        let next = watch.next().await?;
        Some((next.map(Frame::data), watch))
    });
    StreamBody::new(events).boxed_unsync()
}

impl fmt::Debug for ApiService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiService").field("caller", &self.caller).finish_non_exhaustive()
    }
}
