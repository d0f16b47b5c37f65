//! The signal listener, called in process.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::http::{Request, Response, header};
use axum::{Router, body::Body};
use bytes::Bytes;
use futures::future::BoxFuture;
use gateway::{
    auth::Authenticator,
    config,
    context::{Context, Monotonic, SimulatedClock},
    http::{self, App, Readiness},
    intake::{Item, SignalHandler},
    log_limit::LogLimit,
    metrics::Metrics,
    remediation::Source,
    signal::Rejection,
    trace::Tracer,
};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tower::ServiceExt as _;

/// What the handler does with a body.
#[derive(Clone, Copy)]
pub(super) enum Behaviour {
    Ignore,
    Malformed,
    Panic,
    /// Longer than anyone waits.
    Hang,
    Take(Duration),
}

pub(super) struct Handler {
    context: Context,
    behaviour: Behaviour,
    pub(super) seen: Mutex<Vec<(Source, Bytes, Monotonic)>>,
    pub(super) finished: AtomicUsize,
}

impl SignalHandler for Handler {
    fn handle(&self, source: Source, body: Bytes, deadline: Monotonic) -> BoxFuture<'_, Result<Vec<Item>, Rejection>> {
        Box::pin(async move {
            self.seen.lock().unwrap().push((source, body, deadline));
            match self.behaviour {
                Behaviour::Ignore => {}
                Behaviour::Malformed => {
                    return Err(Rejection { reason: "malformed_json", message: "no JSON".to_owned(), name: None });
                }
                Behaviour::Panic => panic!("secret"),
                Behaviour::Hang => std::future::pending().await,
                Behaviour::Take(time) => self.context.sleep(time).await,
            }
            self.finished.fetch_add(1, Ordering::SeqCst);
            Ok(vec![Item::Ignored { message: "resolved".to_owned() }])
        })
    }
}

pub(super) struct Rig {
    router: Router,
    pub(super) handler: Arc<Handler>,
    pub(super) metrics: Metrics,
    pub(super) context: Context,
    pub(super) readiness: Readiness,
}

pub(super) fn rig(behaviour: Behaviour, settings: config::Server) -> Rig {
    rig_with(behaviour, settings, |_, _| None)
}

/// On tokio's clock, which tests pause: the machine's own goes on meanwhile.
fn simulated() -> Context {
    let clock = SimulatedClock { epoch: Timestamp::UNIX_EPOCH, offset: SignedDuration::ZERO, rate_ppm: 1_000_000 };
    #[expect(clippy::disallowed_methods, reason = "the start of these tests' clock")]
    Context::simulated(clock, tokio::time::Instant::now(), 1)
}

pub(super) fn rig_with(
    behaviour: Behaviour,
    settings: config::Server,
    auth: impl FnOnce(&Context, &Metrics) -> Option<Authenticator>,
) -> Rig {
    let (context, metrics) = (simulated(), Metrics::new().unwrap());
    let readiness = Readiness::new(&[], &metrics);
    let handler = Arc::new(Handler {
        context: context.clone(),
        behaviour,
        seen: Mutex::default(),
        finished: AtomicUsize::new(0),
    });
    let app = App {
        handler: handler.clone(),
        auth: auth(&context, &metrics),
        server: settings,
        context: context.clone(),
        metrics: metrics.clone(),
        tracer: Tracer::off(),
        log: LogLimit::new(context.clone()),
        readiness: readiness.clone(),
    };
    Rig { router: http::router(app), handler, metrics, context, readiness }
}

pub(super) fn plain(behaviour: Behaviour) -> Rig {
    rig(behaviour, config::Server::default())
}

pub(super) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
}

impl Rig {
    pub(super) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// How many requests were answered, by endpoint, method and status.
    pub(super) fn requests(&self, endpoint: &str, method: &str, status: &str) -> u64 {
        let labels = [endpoint, method, status];
        self.metrics.http_request_duration_seconds.with_label_values(&labels).get_sample_count()
    }
}

pub(super) async fn json_of(response: Response<Body>) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

pub(super) fn header_of<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}
