//! What bounds a request: the size of its body, how long it takes, how many there are at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::http::{StatusCode, header};
use axum::body::Body;
use bytes::Bytes;
use gateway::{config, http::PROMETHEUS};
use http_body_util::StreamBody;
use rstest::rstest;

use super::rig::{Behaviour, header_of, json_of, plain, post, rig};

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
