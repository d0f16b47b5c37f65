//! Authentication against a Kubernetes API that counts what it is asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use kube::{Client, client::Body};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{Auth, Retry},
    context::{Context, SimulatedClock},
    http::PROMETHEUS,
    kubernetes::Kubernetes,
    metrics::Metrics,
};

const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Token `good` is alice's, who may post; `poor` is bob's, who may not; `open` is carol's, on whom an authorizer that is down
/// would have to decide, and `bound` dave's, whom another allows; others are nobody's.
#[derive(Clone)]
struct Cluster {
    context: Context,
    requests: Arc<AtomicUsize>,
    /// What every request is answered with instead; 0 for none.
    failure: Arc<AtomicU16>,
}

impl Cluster {
    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.context.sleep(ROUND_TRIP).await;
        let failure = self.failure.load(Ordering::SeqCst);
        let path = request.uri().path().to_owned();
        let bytes = request.into_body().collect().await.unwrap().to_bytes();
        let sent: Value = serde_json::from_slice(&bytes).unwrap();
        let (status, body) = match path.as_str() {
            _ if failure > 0 => (failure, status_error(failure)),
            "/apis/authentication.k8s.io/v1/tokenreviews" => (201, token_review(&sent)),
            "/apis/authorization.k8s.io/v1/subjectaccessreviews" => (201, access_review(&sent)),
            other => panic!("{other}"),
        };
        let response = Response::builder().status(status).header("content-type", "application/json");
        Ok(response.body(Body::from(body.to_string().into_bytes())).unwrap())
    }
}

fn status_error(code: u16) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "x", "code": code })
}

fn token_review(sent: &Value) -> Value {
    let user = match sent["spec"]["token"].as_str() {
        Some("good") => "alice",
        Some("poor") => "bob",
        Some("open") => "carol",
        Some("bound") => "dave",
        _ => return json!({ "spec": {"token": ""}, "status": { "authenticated": false, "error": "unknown token" } }),
    };
    let user = json!({ "username": user, "uid": "u", "groups": ["g"], "extra": {"k": ["v"]} });
    json!({ "spec": {"token": ""}, "status": { "authenticated": true, "user": user } })
}

fn access_review(sent: &Value) -> Value {
    let spec = &sent["spec"];
    assert_eq!(spec["nonResourceAttributes"], json!({ "path": PROMETHEUS, "verb": "post" }));
    assert_eq!((&spec["uid"], &spec["groups"], &spec["extra"]), (&json!("u"), &json!(["g"]), &json!({"k": ["v"]})));
    let is_one_of = |names: [&str; 2]| names.contains(&spec["user"].as_str().unwrap());
    let mut status = json!({ "allowed": is_one_of(["alice", "dave"]) });
    if is_one_of(["carol", "dave"]) {
        status["evaluationError"] = json!("Post \"https://authorizer/\": connection refused");
    }
    json!({ "spec": spec, "status": status })
}

struct Rig {
    auth: Authenticator,
    cluster: Cluster,
    context: Context,
    metrics: Metrics,
}

fn rig() -> Rig {
    rig_with(Auth::default())
}

fn rig_with(settings: Auth) -> Rig {
    let clock = SimulatedClock { epoch: Timestamp::UNIX_EPOCH, offset: SignedDuration::ZERO, rate_ppm: 1_000_000 };
    #[allow(clippy::disallowed_methods, reason = "the simulation's own start")]
    let start = tokio::time::Instant::now();
    let (context, metrics) = (Context::simulated(clock, start, 1), Metrics::new().unwrap());
    let cluster = Cluster { context: context.clone(), requests: Arc::default(), failure: Arc::default() };
    let api = cluster.clone();
    let client = Client::new(tower::service_fn(move |request| api.clone().answer(request)), "default");
    let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), Retry::default());
    let auth = Authenticator::new(kubernetes, &settings, &context, &metrics);
    Rig { auth, cluster, context, metrics }
}

impl Rig {
    async fn status(&self, authorization: &str) -> u16 {
        self.status_from(None, authorization).await
    }

    async fn status_from(&self, peer: Option<&str>, authorization: &str) -> u16 {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        self.checked(peer, &headers).await
    }

    async fn status_of(&self, headers: &HeaderMap) -> u16 {
        self.checked(None, headers).await
    }

    async fn checked(&self, peer: Option<&str>, headers: &HeaderMap) -> u16 {
        let peer = peer.map(|address| address.parse::<IpAddr>().unwrap());
        let deadline = self.context.monotonic() + Duration::from_secs(15);
        let errors = self.counted("error");
        match check(&self.auth, &LogLimit::new(self.cluster.context.clone()), headers, PROMETHEUS, peer, deadline).await
        {
            Ok(()) => 200,
            Err(Refusal { problem, is_for_token }) => {
                assert_eq!(is_for_token, self.counted("error") == errors);
                let challenged =
                    problem.headers.contains(&(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
                assert_eq!(challenged, problem.kind == Kind::Unauthenticated);
                let waits = problem.headers.iter().any(|(name, _)| name == header::RETRY_AFTER);
                assert_eq!(waits, problem.kind == Kind::Busy);
                problem.kind.status().as_u16()
            }
        }
    }

    fn requests(&self) -> usize {
        self.cluster.requests.load(Ordering::SeqCst)
    }

    fn counted(&self, outcome: &str) -> u64 {
        self.metrics.auth_decisions.with_label_values(&[outcome]).get()
    }
}

#[rstest]
#[case::allowed("Bearer good", 200, 2, "allowed")]
#[case::scheme_in_any_case("bEARER  good", 200, 2, "allowed")]
#[case::forbidden("Bearer poor", 403, 2, "forbidden")]
#[case::unknown("Bearer other", 401, 1, "unauthenticated")]
#[tokio::test(start_paused = true)]
async fn a_token_is_reviewed_once_and_the_answer_believed(
    #[case] authorization: &str,
    #[case] status: u16,
    #[case] requests: usize,
    #[case] outcome: &str,
) {
    let rig = rig();
    assert_eq!(rig.status(authorization).await, status);
    assert_eq!(rig.status(authorization).await, status);
    assert_eq!((rig.requests(), rig.counted(outcome)), (requests, 2));
}

#[rstest]
#[case::basic("Basic Z29vZA==".to_owned())]
#[case::no_token("Bearer ".to_owned())]
#[case::bare("good".to_owned())]
#[case::two_words("Bearer good better".to_owned())]
#[case::oversized(format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX + 1)))]
#[tokio::test(start_paused = true)]
async fn what_is_no_bearer_token_is_refused_without_asking(#[case] authorization: String) {
    let rig = rig();
    assert_eq!(rig.status(&authorization).await, 401);
    assert_eq!((rig.requests(), rig.counted("missing")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_repeated_header_is_refused_without_asking() {
    let rig = rig();
    let mut headers = HeaderMap::new();
    assert_eq!(rig.status_of(&headers).await, 401);
    headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer good"));
    headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer poor"));
    assert_eq!((rig.status_of(&headers).await, rig.requests()), (401, 0));
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_one_token_costs_one_review() {
    let rig = rig();
    let statuses = futures::future::join_all((0..50).map(|_| rig.status("Bearer good"))).await;
    assert_eq!((statuses, rig.requests()), (vec![200; 50], 2));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_bad_tokens_pushes_no_good_one_out() {
    let rig = rig_with(Auth { max_reviews_per_second: 10_000, ..Auth::default() });
    rig.status("Bearer good").await;
    let flood = Auth::default().cache_size + 1;
    for token in 0..flood {
        assert_eq!(rig.status(&format!("Bearer bad-{token}")).await, 401);
    }
    let before = rig.requests();
    assert_eq!((rig.status("Bearer good").await, rig.requests()), (200, before));
    assert_eq!(rig.auth.refusals(), Auth::default().cache_size);
}

#[tokio::test(start_paused = true)]
async fn yes_and_no_are_believed_for_their_own_times() {
    let rig = rig();
    let Auth { cache_ttl, negative_cache_ttl, .. } = Auth::default();
    rig.status("Bearer good").await;
    rig.status("Bearer other").await;
    assert_eq!(rig.requests(), 3);
    rig.context.sleep(negative_cache_ttl).await;
    rig.status("Bearer good").await;
    rig.status("Bearer other").await;
    assert_eq!(rig.requests(), 4, "no was asked again");
    rig.context.sleep(cache_ttl).await;
    rig.status("Bearer good").await;
    assert_eq!(rig.requests(), 6, "yes was asked again");
}

#[rstest]
#[case::error(500, 1, 500)]
#[case::not_permitted(403, 1, 500)]
#[case::unavailable(503, 3, 500)]
#[case::throttled(429, 8, 503)]
#[tokio::test(start_paused = true)]
async fn a_failure_to_ask_is_told_and_not_remembered(
    #[case] failure: u16,
    #[case] requests: usize,
    #[case] status: u16,
) {
    let rig = rig();
    rig.cluster.failure.store(failure, Ordering::SeqCst);
    assert_eq!(rig.status("Bearer good").await, status);
    assert_eq!((rig.requests(), rig.counted("error")), (requests, 1));
    rig.cluster.failure.store(0, Ordering::SeqCst);
    assert_eq!(rig.status("Bearer good").await, 200);
}

#[tokio::test(start_paused = true)]
async fn that_no_authorizer_could_decide_is_told_and_not_remembered() {
    let rig = rig();
    assert_eq!((rig.status("Bearer open").await, rig.status("Bearer open").await), (500, 500));
    assert_eq!((rig.requests(), rig.counted("error")), (4, 2));
    assert_eq!(rig.status("Bearer bound").await, 200, "one of them could");
}

/// So many made-up tokens at once, all different from those of other calls with another `name`; how many were refused and how many
/// told to come again.
async fn flood(rig: &Rig, peer: Option<&str>, name: &str, count: usize) -> (usize, usize) {
    let authorizations: Vec<_> = (0..count).map(|number| format!("Bearer {name}-{number}")).collect();
    let statuses = authorizations.iter().map(|authorization| rig.status_from(peer, authorization));
    let statuses = futures::future::join_all(statuses).await;
    let answered = |status| statuses.iter().filter(|answered| **answered == status).count();
    (answered(401), answered(503))
}

#[tokio::test(start_paused = true)]
async fn made_up_tokens_are_reviewed_up_to_a_number_per_second_and_the_others_are_to_come_again() {
    let rig = rig();
    let reviews = usize::try_from(Auth::default().max_reviews_per_second).unwrap();
    assert_eq!(flood(&rig, None, "a", 500).await, (reviews, 500 - reviews));
    assert_eq!((rig.requests(), rig.counted("limited")), (reviews, 500 - reviews as u64));
    rig.context.sleep(Duration::from_secs(10)).await;
    assert_eq!(flood(&rig, None, "b", 500).await, (reviews, 500 - reviews), "nothing is saved up");
}

#[tokio::test(start_paused = true)]
async fn a_flood_from_one_address_leaves_reviews_to_the_others() {
    let rig = rig();
    let reviews = usize::try_from(Auth::default().max_reviews_per_second).unwrap();
    assert_eq!(flood(&rig, Some("10.0.0.66"), "a", 500).await.0, reviews / 4);
    assert_eq!(rig.status_from(Some("10.0.0.1"), "Bearer good").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_flood_from_all_over_an_ipv6_network_leaves_reviews_to_the_others() {
    let rig = rig();
    let reviews = usize::try_from(Auth::default().max_reviews_per_second).unwrap();
    let mut reviewed = 0;
    for host in 1..=100 {
        reviewed += flood(&rig, Some(&format!("2001:db8:1:2::{host}")), &format!("{host}"), 1).await.0;
    }
    assert_eq!(reviewed, reviews / 4);
    assert_eq!(rig.status_from(Some("2001:db8:1:3::1"), "Bearer good").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_accepted_is_accepted_and_reviewed_again_whatever_is_made_up_meanwhile() {
    let rig = rig();
    assert_eq!(rig.status("Bearer good").await, 200);
    flood(&rig, None, "a", 500).await;
    assert_eq!(rig.status("Bearer good").await, 200, "known");
    rig.context.sleep(Auth::default().cache_ttl).await;
    flood(&rig, None, "b", 500).await;
    assert_eq!(rig.status("Bearer good").await, 200, "reviewed again");
}

#[tokio::test(start_paused = true)]
async fn more_addresses_than_are_told_apart_are_within_the_limit_for_all() {
    let rig = rig_with(Auth { max_reviews_per_second: 100, ..Auth::default() });
    let mut reviewed = 0;
    for host in 0..5000_u32 {
        let peer = std::net::Ipv4Addr::from_bits(0x0a00_0000 + host).to_string();
        reviewed += flood(&rig, Some(&peer), &peer, 1).await.0;
    }
    let seconds = rig.context.monotonic().since_start().as_secs_f64();
    assert!(reviewed as f64 <= 100.0 * (seconds + 1.0), "{reviewed} in {seconds} s");
}
