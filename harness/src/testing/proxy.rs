//! Something between a gateway and its API server that does not behave: a proxy, a load balancer, a portal, or the API server
//! itself on a bad day.

use std::{
    future::{self, Future},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use embedded_apiserver::ApiService;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use gateway::kubernetes::SafeAnswers;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use tower::{BoxError, Service};

/// What it does to requests; those named `Watch…` are about watches, the others about all but watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// 200 with an HTML page.
    Page,
    /// 503 with an HTML page.
    FailurePage,
    /// 404 with an HTML page.
    MissingPage,
    /// 200 with the first half of the API server's answer.
    Truncated,
    /// As that, and then the connection breaks.
    CutOff,
    /// 200 with the API server's answer as plain text.
    OtherType,
    /// 429 as kube-apiserver says it: plain text, `Retry-After: 1`.
    ThrottledAsText,
    /// 429 as a `Status` with `retryAfterSeconds: 1`.
    ThrottledAsStatus,
    /// 429 without saying for how long.
    Throttled,
    /// 403 as a `Status`.
    Forbidden,
    /// 403 with an HTML page.
    ForbiddenPage,
    /// Takes the request and says nothing.
    StallBeforeHead,
    /// Lets the request through, answers with a head, and says nothing more.
    StallAfterHead,
    /// Lets the request through, and answers with a body without end.
    Endless,
    /// A watch's first event is 410.
    WatchGone,
    /// A watch is answered 410.
    WatchRefusedAsGone,
    /// A watch ends at once.
    WatchEnds,
    /// A watch is one line without end.
    WatchEndlessLine,
    /// A watch is answered with an HTML page.
    WatchPage,
    /// A watch begins and says nothing, not even that it has ended.
    WatchStalls,
}

impl Wrong {
    const fn is_of_watches(self) -> bool {
        matches!(
            self,
            Self::WatchGone
                | Self::WatchRefusedAsGone
                | Self::WatchEnds
                | Self::WatchEndlessLine
                | Self::WatchPage
                | Self::WatchStalls
        )
    }
}

/// Requests that came by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Watch requests.
    pub watches: usize,
    /// List requests.
    pub lists: usize,
    /// Requests that are neither.
    pub others: usize,
}

#[derive(Default)]
struct State {
    wrong: Option<Wrong>,
    passed: Passed,
    /// How long lists take, by whose clock.
    slow_lists: Option<(gateway::context::Context, Duration)>,
}

/// The proxy; cheap to clone.
#[derive(Clone)]
pub struct Proxy {
    inner: Inner,
    state: Arc<Mutex<State>>,
}

/// The API server.
type Inner = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Result<Response<AnyBody>, BoxError>> + Send + Sync>;

impl Proxy {
    /// Passes everything on to the embedded API server behind `inner`.
    pub fn before(inner: ApiService) -> Self {
        let pass = move |request| {
            let answered = inner.clone().call(request);
            async move { Ok(answered.await?.map(|body| body.map_err(BoxError::from).boxed_unsync())) }.boxed()
        };
        Self { inner: Arc::new(pass), state: Arc::default() }
    }

    /// Passes everything on to the API server that `client` talks to.
    pub fn before_server(client: Client) -> Self {
        let pass = move |request| {
            let client = client.clone();
            async move { Ok(client.send(request).await?.map(|body| body.map_err(BoxError::from).boxed_unsync())) }
                .boxed()
        };
        Self { inner: Arc::new(pass), state: Arc::default() }
    }

    /// A client that reads what comes through it as the gateway's own does.
    pub fn client(&self, namespace: &str) -> Client {
        Client::new(SafeAnswers(self.clone()), namespace)
    }

    /// From now on does `wrong`, or passes everything on; what came by is counted anew.
    pub fn set(&self, wrong: Option<Wrong>) {
        let mut state = self.state();
        (state.wrong, state.passed) = (wrong, Passed::default());
    }

    /// From now on lists take `time`, by the clock of `context`.
    pub fn slow_lists(&self, context: &gateway::context::Context, time: Duration) {
        self.state().slow_lists = Some((context.clone(), time));
    }

    /// What has come by since.
    pub fn passed(&self) -> Passed {
        self.state().passed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

impl Service<Request<Body>> for Proxy {
    type Response = Response<AnyBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.contains("watch=");
        let is_list = request.method() == http::Method::GET && query.contains("limit=");
        let mut state = self.state();
        let passed = &mut state.passed;
        *match (is_watch, is_list) {
            (true, _) => &mut passed.watches,
            (false, true) => &mut passed.lists,
            (false, false) => &mut passed.others,
        } += 1;
        let wrong = state.wrong.filter(|wrong| wrong.is_of_watches() == is_watch);
        let slow = state.slow_lists.clone().filter(|_| is_list);
        drop(state);
        let inner = Arc::clone(&self.inner);
        async move {
            if let Some((context, time)) = slow {
                context.sleep(time).await;
            }
            match wrong {
                None => inner(request).await,
                Some(wrong) => spoil(wrong, inner, request).await,
            }
        }
        .boxed()
    }
}

async fn spoil(wrong: Wrong, inner: Inner, request: Request<Body>) -> Result<Response<AnyBody>, BoxError> {
    let page = "<html><body>This is not the server you are looking for.</body></html>";
    let html = &[("content-type", "text/html")][..];
    let status = |code: u16, details: serde_json::Value| {
        let status = json!({ "kind": "Status", "code": code, "message": "by the proxy", "details": details });
        Ok(answer(code, &[("content-type", "application/json")], status.to_string()))
    };
    let gone = json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "reason": "Expired", "message": "too old" } });
    match wrong {
        Wrong::Page | Wrong::WatchPage => Ok(answer(200, html, page)),
        Wrong::FailurePage => Ok(answer(503, html, page)),
        Wrong::MissingPage => Ok(answer(404, html, page)),
        Wrong::ForbiddenPage => Ok(answer(403, html, page)),
        Wrong::Forbidden => status(403, json!({})),
        Wrong::WatchRefusedAsGone => status(410, json!({})),
        Wrong::ThrottledAsText => {
            let head = [("content-type", "text/plain; charset=utf-8"), ("retry-after", "1")];
            Ok(answer(429, &head, "Too many requests, please try again later.\n"))
        }
        Wrong::ThrottledAsStatus => status(429, json!({ "retryAfterSeconds": 1 })),
        Wrong::Throttled => status(429, json!({})),
        Wrong::StallBeforeHead => future::pending().await,
        Wrong::WatchGone => Ok(answer(200, &[], format!("{gone}\n"))),
        Wrong::WatchEnds => Ok(answer(200, &[], "")),
        Wrong::WatchStalls => Ok(Response::new(silent())),
        Wrong::WatchEndlessLine => Ok(Response::new(endless())),
        Wrong::StallAfterHead => Ok(inner(request).await?.map(|_| silent())),
        Wrong::Endless => Ok(inner(request).await?.map(|_| endless())),
        Wrong::OtherType => {
            let mut response = inner(request).await?;
            response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/plain"));
            Ok(response)
        }
        Wrong::Truncated | Wrong::CutOff => {
            let (head, body) = inner(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let half = stream::iter([Ok(Frame::data(body.slice(..body.len() / 2)))]);
            let end: Option<Result<_, BoxError>> = (wrong == Wrong::CutOff).then(|| Err("the connection broke".into()));
            Ok(Response::from_parts(head, StreamBody::new(half.chain(stream::iter(end))).boxed_unsync()))
        }
    }
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Bytes>) -> Response<AnyBody> {
    let mut response = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        response.headers_mut().insert(*name, http::HeaderValue::from_static(value));
    }
    response
}

fn silent() -> AnyBody {
    StreamBody::new(stream::pending::<Result<Frame<Bytes>, BoxError>>()).boxed_unsync()
}

fn endless() -> AnyBody {
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    StreamBody::new(stream::repeat_with(move || Ok::<_, BoxError>(Frame::data(chunk.clone())))).boxed_unsync()
}
