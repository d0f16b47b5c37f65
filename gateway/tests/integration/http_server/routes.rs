//! The signal listener's routes, called in process.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::http::{Method, Request, Response, StatusCode, header};
use axum::{Router, body::Body};
use bytes::Bytes;
use futures::future::BoxFuture;
use gateway::{
    auth::Authenticator,
    config,
    context::{Context, Monotonic, SimulatedClock},
    http::{self, App, KUBERNETES_EVENT, PROMETHEUS, Readiness},
    intake::{Item, SignalHandler},
    kubernetes::Kubernetes,
    log_limit::LogLimit,
    metrics::Metrics,
    remediation::Source,
    signal::Rejection,
    trace::Tracer,
};
use http_body_util::{BodyExt as _, StreamBody};
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};
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
    readiness: Readiness,
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

    fn requests(&self, endpoint: &str, method: &str, status: &str) -> u64 {
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

#[rstest]
#[case(PROMETHEUS, Source::Prometheus)]
#[case(KUBERNETES_EVENT, Source::KubernetesEvents)]
#[tokio::test(start_paused = true)]
async fn a_body_reaches_the_handler_with_its_source_and_deadline(#[case] path: &str, #[case] source: Source) {
    let rig = plain(Behaviour::Ignore);
    let response = rig.send(post(path, "{}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_of(&response, "content-type"), "application/json");
    assert_eq!(json_of(response).await, json!({ "status": "ignored", "message": "resolved" }));
    let seen = rig.handler.seen.lock().unwrap().clone();
    let deadline = Monotonic::from_start(config::Server::default().kubernetes_request_timeout);
    assert_eq!(seen, [(source, Bytes::from("{}"), deadline)]);
    assert_eq!(rig.requests(path, "POST", "200"), 1);
    assert_eq!(rig.metrics.http_requests_in_flight.get(), 0);
}

#[tokio::test]
async fn a_problem_names_the_request_and_keeps_secrets() {
    let rig = plain(Behaviour::Malformed);
    let mut request = post(PROMETHEUS, "x");
    request.headers_mut().insert("x-request-id", "abc-1.2_3".parse().unwrap());
    let response = rig.send(request).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(header_of(&response, "content-type"), "application/problem+json");
    assert_eq!(header_of(&response, "x-request-id"), "abc-1.2_3");
    assert_eq!(
        json_of(response).await,
        json!({
            "type": "https://kubernaut.ai/problems/malformed", "title": "Malformed signal", "detail": "no JSON",
            "status": 400, "instance": "/api/v1/signals/prometheus", "request_id": "abc-1.2_3",
        })
    );
}

#[rstest]
#[case::none(None)]
#[case::long(Some("a".repeat(65)))]
#[case::log_injection(Some("a b\"c".to_owned()))]
#[case::empty(Some(String::new()))]
#[tokio::test]
async fn a_request_without_a_sane_id_gets_one(#[case] sent: Option<String>) {
    let rig = plain(Behaviour::Ignore);
    let mut request = post(PROMETHEUS, "{}");
    if let Some(sent) = &sent {
        request.headers_mut().insert("x-request-id", sent.parse().unwrap());
    }
    let response = rig.send(request).await;
    let id = header_of(&response, "x-request-id");
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
}

#[rstest]
#[case::path(Method::POST, "/api/v1/signals/other", Some("application/json"), 404)]
#[case::root(Method::GET, "/", None, 404)]
#[case::slash(Method::POST, "/api/v1/signals/prometheus/", Some("application/json"), 404)]
#[case::get(Method::GET, PROMETHEUS, None, 405)]
#[case::head(Method::HEAD, PROMETHEUS, None, 405)]
#[case::put(Method::PUT, KUBERNETES_EVENT, Some("application/json"), 405)]
#[case::no_type(Method::POST, PROMETHEUS, None, 415)]
#[case::text(Method::POST, PROMETHEUS, Some("text/plain"), 415)]
#[case::prefix(Method::POST, PROMETHEUS, Some("application/json5"), 415)]
#[case::parameters(Method::POST, PROMETHEUS, Some("Application/JSON; charset=utf-8"), 200)]
#[tokio::test]
async fn only_json_posted_to_a_known_path_is_taken(
    #[case] method: Method,
    #[case] path: &str,
    #[case] content_type: Option<&str>,
    #[case] status: u16,
) {
    let rig = plain(Behaviour::Ignore);
    let has_body = method != Method::HEAD;
    let mut request = Request::builder().method(method).uri(path);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    let response = rig.send(request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(header_of(&response, "allow"), if status == 405 { "POST" } else { "" });
    if status != 200 && has_body {
        assert_eq!(header_of(&response, "content-type"), "application/problem+json");
        let body = json_of(response).await;
        assert_eq!((&body["status"], &body["instance"]), (&json!(status), &json!(path)));
    }
    assert_eq!(rig.handler.finished.load(Ordering::SeqCst), usize::from(status == 200));
}

#[tokio::test]
async fn labels_stay_bounded_whatever_is_asked_for() {
    let rig = plain(Behaviour::Ignore);
    for path in ["/a", "/b", "/c?d"] {
        rig.send(Request::builder().method("BREW").uri(path).body(Body::empty()).unwrap()).await;
    }
    assert_eq!(rig.requests("other", "OTHER", "404"), 3);
}

fn chunked(body: &str) -> Body {
    let chunks: Vec<_> = body.as_bytes().chunks(4).map(Bytes::copy_from_slice).collect();
    let frames = chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(hyper::body::Frame::data(chunk)));
    Body::new(StreamBody::new(futures::stream::iter(frames)))
}

#[rstest]
#[case::announced(false)]
#[case::chunked(true)]
#[tokio::test]
async fn a_body_of_the_limit_is_taken_and_one_more_byte_is_413(#[case] in_chunks: bool) {
    let rig = rig(Behaviour::Ignore, config::Server { max_body_bytes: 10, ..config::Server::default() });
    let request = |body: &str| {
        let body = body.to_owned();
        if in_chunks {
            return post(PROMETHEUS, chunked(&body));
        }
        let mut request = post(PROMETHEUS, body.clone());
        request.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
        request
    };
    assert_eq!(rig.send(request("0123456789")).await.status(), StatusCode::OK);
    let response = rig.send(request("0123456789a")).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(json_of(response).await["detail"], "the body is larger than 10 bytes");
    assert_eq!(rig.handler.finished.load(Ordering::SeqCst), 1);
    assert_eq!(rig.metrics.http_requests_in_flight.get(), 0);
}

#[rstest]
#[case::announced(Some(30), None, 3)]
#[case::chunked(None, None, 6)]
#[case::asked_first(Some(30), Some("100-continue"), 0)]
#[tokio::test]
async fn the_rest_of_a_large_body_is_read_within_bounds_so_that_the_413_arrives(
    #[case] length: Option<u64>,
    #[case] expect: Option<&str>,
    #[case] chunks_read: usize,
) {
    let rig = rig(Behaviour::Ignore, config::Server { max_body_bytes: 10, ..config::Server::default() });
    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    let frames = std::iter::repeat_with(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from_static(b"01234")))
    });
    let mut request = post(PROMETHEUS, Body::new(StreamBody::new(futures::stream::iter(frames))));
    if let Some(length) = length {
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    if let Some(expect) = expect {
        request.headers_mut().insert(header::EXPECT, expect.parse().unwrap());
    }
    assert_eq!(rig.send(request).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(read.load(Ordering::SeqCst), chunks_read);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_503_so_that_it_is_sent_again() {
    let rig = rig(Behaviour::Ignore, config::Server { read_timeout: Duration::from_secs(3), ..Default::default() });
    let body =
        Body::new(StreamBody::new(futures::stream::pending::<Result<hyper::body::Frame<Bytes>, std::io::Error>>()));
    let response = rig.send(post(PROMETHEUS, body)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header_of(&response, "retry-after"), "1");
    assert_eq!(rig.context.monotonic().since_start(), Duration::from_secs(3));
}

#[tokio::test]
async fn a_panic_is_500_and_says_nothing() {
    let rig = plain(Behaviour::Panic);
    let response = rig.send(post(PROMETHEUS, "{}")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = json_of(response).await.to_string();
    assert!(!body.contains("secret"), "{body}");
    assert_eq!(rig.requests(PROMETHEUS, "POST", "500"), 1);
    assert_eq!(rig.metrics.http_requests_in_flight.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_ignores_its_deadline_is_504() {
    let rig = plain(Behaviour::Hang);
    assert_eq!(rig.send(post(PROMETHEUS, "{}")).await.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(rig.metrics.http_requests_in_flight.get(), 1, "it is still being worked on");
}

#[tokio::test(start_paused = true)]
async fn work_goes_on_when_the_client_has_gone() {
    let rig = plain(Behaviour::Take(Duration::from_secs(2)));
    let gone = rig.context.timeout(Duration::from_secs(1), rig.send(post(PROMETHEUS, "{}"))).await;
    assert!(gone.is_err());
    assert_eq!(rig.handler.finished.load(Ordering::SeqCst), 0);
    rig.context.drained().await;
    assert_eq!(rig.handler.finished.load(Ordering::SeqCst), 1);
    assert_eq!(rig.metrics.http_requests_in_flight.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn as_many_as_are_worked_on_may_wait_and_the_rest_is_503() {
    let settings = config::Server {
        max_concurrent_requests: 2,
        max_queue_wait: Duration::from_secs(5),
        ..config::Server::default()
    };
    let rig = rig(Behaviour::Take(Duration::from_secs(3)), settings);
    let all = futures::future::join_all((0..5).map(|_| rig.send(post(PROMETHEUS, "{}")))).await;
    let statuses: Vec<u16> = all.iter().map(|response| response.status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 503]);
    assert_eq!(header_of(&all[4], "retry-after"), "1");
    assert_eq!(rig.metrics.http_requests_overload.get(), 1);
    assert_eq!(rig.context.monotonic().since_start(), Duration::from_secs(6), "two at a time");
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_place_has_an_end() {
    let settings = config::Server {
        max_concurrent_requests: 1,
        max_queue_wait: Duration::from_millis(500),
        ..config::Server::default()
    };
    let rig = rig(Behaviour::Take(Duration::from_secs(3)), settings);
    let (first, second) = futures::join!(rig.send(post(PROMETHEUS, "{}")), rig.send(post(PROMETHEUS, "{}")));
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 503));
    assert_eq!(rig.requests(PROMETHEUS, "POST", "503"), 1);
}

#[tokio::test]
async fn a_sender_without_a_token_is_refused_before_its_body_is_read() {
    let rig = rig_with(Behaviour::Ignore, config::Server::default(), |context, metrics| {
        let unused =
            tower::service_fn(async |_: Request<kube::client::Body>| -> Result<Response<Body>, std::io::Error> {
                Err(std::io::ErrorKind::NotConnected.into())
            });
        let client = kube::Client::new(unused, "default");
        let retry = config::Retry::default();
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), retry);
        Some(Authenticator::new(kubernetes, &config::Auth::default(), context, metrics))
    });
    let unread =
        Body::new(StreamBody::new(futures::stream::pending::<Result<hyper::body::Frame<Bytes>, std::io::Error>>()));
    let response = rig.send(post(PROMETHEUS, unread)).await;
    assert_eq!((response.status(), header_of(&response, "www-authenticate")), (StatusCode::UNAUTHORIZED, "Bearer"));
    assert_eq!(json_of(response).await["type"], "https://kubernaut.ai/problems/unauthenticated");

    let mut request = post(PROMETHEUS, "{}");
    request.headers_mut().insert(header::AUTHORIZATION, "Bearer token".parse().unwrap());
    let response = rig.send(request).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "the API cannot be asked");
    assert_eq!(json_of(response).await["type"], "https://kubernaut.ai/problems/kubernetes-api");
    assert_eq!(rig.handler.finished.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_replica_that_shuts_down_sends_clients_elsewhere() {
    let rig = plain(Behaviour::Ignore);
    rig.readiness.drain();
    let response = rig.send(post(PROMETHEUS, "{}")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((header_of(&response, "retry-after"), header_of(&response, "connection")), ("1", "close"));
    assert_eq!(json_of(response).await["type"], "https://kubernaut.ai/problems/shutting-down");
}

#[tokio::test]
async fn a_crash_in_the_middle_is_503() {
    let rig = plain(Behaviour::Hang);
    let request = rig.send(post(PROMETHEUS, "{}"));
    let (response, ()) = futures::join!(request, async {
        tokio::task::yield_now().await;
        rig.context.kill();
    });
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn readiness_lists_what_is_missing_and_liveness_does_not_care() {
    let metrics = Metrics::new().unwrap();
    let readiness = Readiness::new(&["view", "crd"], &metrics);
    let liveness = http::Liveness::new(&Context::system());
    let router = http::operations::health_router(readiness.clone(), liveness);
    let get = |path: &str| router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
    let ready = get("/readyz").await.unwrap();
    assert_eq!((ready.status(), metrics.ready.get()), (StatusCode::SERVICE_UNAVAILABLE, 0));
    assert_eq!(
        json_of(ready).await,
        json!({ "ready": false, "notReady": [
            { "condition": "crd", "reason": "not yet" }, { "condition": "view", "reason": "not yet" },
        ] })
    );
    readiness.met("view");
    readiness.met("crd");
    assert!(readiness.is_ready());
    let ready = get("/readyz").await.unwrap();
    assert_eq!((ready.status(), json_of(ready).await), (StatusCode::OK, json!({ "ready": true, "notReady": [] })));
    assert_eq!(metrics.ready.get(), 1);

    readiness.unmet("crd", "status.deduplication.writers is missing");
    readiness.drain();
    let ready = get("/readyz").await.unwrap();
    assert_eq!((ready.status(), metrics.ready.get()), (StatusCode::SERVICE_UNAVAILABLE, 0));
    assert_eq!(json_of(ready).await["notReady"].as_array().unwrap().len(), 2);
    for path in ["/healthz", "/livez"] {
        assert_eq!(get(path).await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn metrics_are_exposed_as_prometheus_reads_them() {
    let router = http::operations::metrics_router(Metrics::new().unwrap());
    let response = router.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(header_of(&response, "content-type"), "text/plain; version=0.0.4");
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("gateway_lock_acquisition_failures_total 0\n"));
}
