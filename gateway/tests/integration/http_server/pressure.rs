//! Senders that take what others need: memory, places, reviews.

use std::time::Duration;

use ::http::{Request, Response, StatusCode, header};
use axum::body::Body;
use bytes::Bytes;
use futures::{
    FutureExt as _, StreamExt as _,
    future::{LocalBoxFuture, join_all},
    stream,
};
use gateway::{auth::Authenticator, config, http::PROMETHEUS, kubernetes::Kubernetes};
use http_body_util::{BodyExt as _, StreamBody};
use rstest::rstest;
use serde_json::{Value, json};

use super::rig::{Behaviour, Rig, header_of, json_of, post, rig, rig_with};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// `sent` bytes, and then nothing for ever; of a body of `announced` bytes, or of one in chunks.
fn stalled(sent: usize, announced: Option<usize>) -> Request<Body> {
    let first = (sent > 0).then(|| Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from(vec![b' '; sent]))));
    let frames = stream::iter(first).chain(stream::pending());
    let mut request = post(PROMETHEUS, Body::new(StreamBody::new(frames)));
    if let Some(announced) = announced {
        request.headers_mut().insert(header::CONTENT_LENGTH, announced.into());
    }
    request
}

fn whole(bytes: usize) -> Request<Body> {
    let mut request = post(PROMETHEUS, vec![b' '; bytes]);
    request.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
    request
}

/// Sends `requests` and goes on without their answers.
async fn begin(rig: &Rig, requests: impl IntoIterator<Item = Request<Body>>) -> LocalBoxFuture<'_, Vec<u16>> {
    let answers = requests.into_iter().map(|request| rig.send(request).map(|answer| answer.status().as_u16()));
    let mut all = join_all(answers).boxed_local();
    assert!(futures::poll!(&mut all).is_pending());
    all
}

fn met(rig: &Rig, bound: &str) -> u64 {
    rig.metrics.http_bounds_met.with_label_values(&[bound]).get()
}

#[rstest]
#[case::announced(Some(2 * KIB))]
#[case::of_the_largest_size(Some(MIB))]
#[case::in_chunks(None)]
#[tokio::test(start_paused = true)]
async fn bodies_that_never_come_take_neither_places_nor_memory(#[case] announced: Option<usize>) {
    let settings = config::Server { max_concurrent_requests: 1, ..config::Server::default() };
    let rig = rig(Behaviour::Ignore, settings);
    let held = begin(&rig, (0..500).map(|_| stalled(0, announced))).await;
    assert_eq!(rig.metrics.http_body_bytes.get(), 0);
    for bytes in [2, 2 * KIB, MIB] {
        assert_eq!(rig.send(whole(bytes)).await.status(), StatusCode::OK);
    }
    assert_eq!(rig.context.monotonic().since_start(), Duration::ZERO, "nobody was waited for");
    assert!(held.await.iter().all(|status| *status == 503));
    assert_eq!(rig.context.monotonic().since_start(), config::Server::default().kubernetes_request_timeout);
}

#[rstest]
#[case::tiny(2 * KIB, Some(4 * KIB), 2 * KIB)]
#[case::tiny_in_chunks(1, None, 2 * KIB)]
#[case::small(60 * KIB, Some(64 * KIB), 30 * KIB)]
#[case::small_in_chunks(5 * KIB, None, 30 * KIB)]
#[case::large(900 * KIB, Some(MIB), MIB)]
#[case::large_in_chunks(65 * KIB, None, MIB)]
#[tokio::test(start_paused = true)]
async fn bodies_that_stop_half_way_make_room_for_others(
    #[case] sent: usize,
    #[case] announced: Option<usize>,
    #[case] healthy: usize,
) {
    let rig = rig(Behaviour::Ignore, config::Server::default());
    // As many as there is memory for: those that never got any have not been answered either.
    let held = begin(&rig, (0..1500).map(|_| stalled(sent, announced))).await;
    tokio::task::yield_now().await;
    assert!(rig.metrics.http_body_bytes.get() <= 32 * MIB as i64);
    let answered = async {
        rig.context.sleep(Duration::from_secs(2)).await;
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let start = rig.context.monotonic();
            assert_eq!(rig.send(whole(healthy)).await.status(), StatusCode::OK);
            slowest = slowest.max(rig.context.monotonic().since(start));
        }
        slowest
    };
    let (statuses, slowest) = futures::join!(held, answered);
    assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    // There is none where those that stall take nothing of what it needs.
    assert!(slowest <= Duration::from_millis(100), "{slowest:?}");
    assert!(met(&rig, "slow_body") > 0);
    assert_eq!(rig.metrics.http_body_bytes.get(), 0, "all is given back");
}

#[tokio::test(start_paused = true)]
async fn larger_bodies_that_stop_half_way_keep_no_smaller_ones_waiting() {
    let rig = rig(Behaviour::Ignore, config::Server::default());
    let medium = begin(&rig, (0..300).map(|_| stalled(60 * KIB, Some(64 * KIB)))).await;
    let large = begin(&rig, (0..100).map(|_| stalled(900 * KIB, Some(MIB)))).await;
    assert_eq!(rig.send(whole(4 * KIB)).await.status(), StatusCode::OK);
    assert_eq!(rig.context.monotonic().since_start(), Duration::ZERO);
    drop((medium, large));
}

#[tokio::test(start_paused = true)]
async fn large_bodies_at_work_keep_large_ones_out_but_no_small_ones() {
    let settings = config::Server {
        max_concurrent_requests: 1000,
        max_queue_wait: Duration::from_secs(1),
        ..config::Server::default()
    };
    let rig = rig(Behaviour::Take(Duration::from_secs(5)), settings);
    let (large, small) = futures::join!(join_all((0..100).map(|_| rig.send(whole(MIB)))), async {
        rig.context.sleep(Duration::from_millis(10)).await;
        assert!(rig.metrics.http_body_bytes.get() <= 32 * MIB as i64);
        let answer = rig.send(whole(2 * KIB)).await;
        (answer.status(), rig.context.monotonic().since_start())
    });
    assert_eq!(small, (StatusCode::OK, Duration::from_millis(5010)), "it did not wait for memory");
    let taken = large.iter().filter(|answer| answer.status() == StatusCode::OK).count();
    let busy: Vec<_> = large.into_iter().filter(|answer| answer.status() != StatusCode::OK).collect();
    assert!((15..=32).contains(&taken), "{taken}");
    assert_eq!(met(&rig, "bodies"), u64::try_from(busy.len()).unwrap());
    for answer in busy {
        assert_eq!((answer.status().as_u16(), header_of(&answer, "retry-after")), (503, "1"));
        assert_eq!(json_of(answer).await["type"], "https://kubernaut.ai/problems/busy");
    }
    assert_eq!(rig.metrics.http_body_bytes.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_in_pieces_of_one_byte_arrives_whole_and_counts_as_what_it_is() {
    let rig = rig(Behaviour::Take(Duration::from_secs(1)), config::Server::default());
    let text: Vec<u8> = (0..100 * KIB).map(|place| b'a' + (place % 26) as u8).collect();
    let pieces =
        text.clone().into_iter().map(|byte| Ok::<_, std::io::Error>(hyper::body::Frame::data(vec![byte].into())));
    let sending = rig.send(post(PROMETHEUS, Body::new(StreamBody::new(stream::iter(pieces)))));
    let (answer, reserved) = futures::join!(sending, async {
        rig.context.sleep(Duration::from_millis(500)).await;
        rig.metrics.http_body_bytes.get()
    });
    assert_eq!((answer.status(), reserved), (StatusCode::OK, MIB as i64), "so much as it could have been");
    assert_eq!(rig.handler.seen.lock().unwrap()[0].1, text);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_gives_its_memory_back() {
    let rig = rig(Behaviour::Ignore, config::Server::default());
    let held = begin(&rig, (0..10).map(|_| stalled(KIB, Some(64 * KIB)))).await;
    assert_eq!(rig.metrics.http_body_bytes.get(), 40 * KIB as i64, "the part that it has begun with");
    drop(held);
    assert_eq!(rig.metrics.http_body_bytes.get(), 0);
}

#[rstest]
#[case::gzip("gzip", 415)]
#[case::several("identity, br", 415)]
#[case::identity("Identity", 200)]
#[tokio::test]
async fn an_encoded_body_is_refused_as_such(#[case] encoding: &str, #[case] status: u16) {
    let rig = rig(Behaviour::Ignore, config::Server::default());
    let mut request = whole(10);
    request.headers_mut().insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
    let answer = rig.send(request).await;
    assert_eq!(answer.status().as_u16(), status);
    if status == 415 {
        assert_eq!(header_of(&answer, "accept-encoding"), "identity");
        let body = json_of(answer).await;
        assert_eq!(body["detail"], "Content-Encoding is not supported: send the body uncompressed");
    }
}

#[tokio::test]
async fn a_long_path_is_not_sent_back_whole() {
    let rig = rig(Behaviour::Ignore, config::Server::default());
    let answer = rig.send(post(&format!("/{}", "a".repeat(10_000)), "")).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(json_of(answer).await["instance"].as_str().unwrap().len(), 128);
}

/// A Kubernetes API that knows the token `good` and says nothing about any other.
async fn reviews(request: Request<kube::client::Body>) -> Result<Response<Body>, std::io::Error> {
    let path = request.uri().path().to_owned();
    let sent = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let sent: Value = serde_json::from_slice(&sent)?;
    let answer = if path.ends_with("tokenreviews") {
        if sent["spec"]["token"] != "good" {
            std::future::pending::<()>().await;
        }
        json!({ "spec": {}, "status": { "authenticated": true, "user": { "username": "alice" } } })
    } else {
        json!({ "spec": {}, "status": { "allowed": true } })
    };
    Ok(Response::new(Body::from(answer.to_string())))
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_being_reviewed_take_no_places() {
    let settings = config::Server { max_concurrent_requests: 1, ..config::Server::default() };
    let rig = rig_with(Behaviour::Ignore, settings, |context, metrics| {
        let client = kube::Client::new(tower::service_fn(reviews), "default");
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), config::Retry::default());
        let auth = config::Auth { max_reviews_per_second: 1000, ..config::Auth::default() };
        Some(Authenticator::new(kubernetes, &auth, context, metrics))
    });
    let with = |token: &str| {
        let mut request = whole(10);
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        request
    };
    assert_eq!(rig.send(with("good")).await.status(), StatusCode::OK);
    let held = begin(&rig, (0..100).map(|number| with(&format!("made-up-{number}")))).await;
    let start = rig.context.monotonic();
    assert_eq!(rig.send(with("good")).await.status(), StatusCode::OK);
    assert_eq!(rig.context.monotonic(), start);
    let statuses = held.await;
    assert!(statuses.iter().all(|status| [503, 504].contains(status)), "{statuses:?}");
}
