//! The signal listener's routes, called in process.

use std::{sync::atomic::Ordering, time::Duration};

use ::http::{Method, Request, Response, StatusCode, header};
use axum::body::Body;
use bytes::Bytes;
use gateway::{
    auth::Authenticator,
    config,
    context::{Context, Monotonic},
    http::{self, KUBERNETES_EVENT, PROMETHEUS, Readiness},
    kubernetes::Kubernetes,
    metrics::Metrics,
    remediation::Source,
};
use http_body_util::{BodyExt as _, StreamBody};
use rstest::rstest;
use serde_json::json;
use tower::ServiceExt as _;

use super::rig::{Behaviour, header_of, json_of, plain, post, rig_with};

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

/// hyper drops what it has not answered when a connection ends.
#[tokio::test(start_paused = true)]
async fn a_request_whose_sender_gives_up_is_counted_with_how_long_it_took() {
    let rig = plain(Behaviour::Hang);
    let waits = Duration::from_secs(3);
    assert!(rig.context.timeout(waits, rig.send(post(PROMETHEUS, "{}"))).await.is_err());
    assert_eq!(rig.requests(PROMETHEUS, "POST", "499"), 1);
    let took = rig.metrics.http_request_duration_seconds.with_label_values(&[PROMETHEUS, "POST", "499"]);
    assert!((took.get_sample_sum() - 3.0).abs() < 0.01, "{}", took.get_sample_sum());
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
#[tokio::test(start_paused = true)]
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
    let began = rig.context.monotonic();
    let response = rig.send(request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(response.status().as_u16(), status);
    // So that a flood of these is not as fast as it is refused.
    let is_held_back = rig.context.monotonic().since(began) >= Duration::from_millis(100);
    assert_eq!(is_held_back, status != 200);
    assert_eq!(header_of(&response, "allow"), if status == 405 { "POST" } else { "" });
    if status != 200 && has_body {
        assert_eq!(header_of(&response, "content-type"), "application/problem+json");
        let body = json_of(response).await;
        assert_eq!((&body["status"], &body["instance"]), (&json!(status), &json!(path)));
    }
    assert_eq!(rig.handler.finished.load(Ordering::SeqCst), usize::from(status == 200));
}

#[tokio::test(start_paused = true)]
async fn labels_stay_bounded_whatever_is_asked_for() {
    let rig = plain(Behaviour::Ignore);
    for path in ["/a", "/b", "/c?d"] {
        rig.send(Request::builder().method("BREW").uri(path).body(Body::empty()).unwrap()).await;
    }
    assert_eq!(rig.requests("other", "OTHER", "404"), 3);
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
