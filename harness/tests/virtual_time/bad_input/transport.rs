//! Size, content type, method and path.

use axum::body::Body;
use harness::{
    fleet::Fleet,
    load::webhook,
    replica::config,
    testing::{PROMETHEUS, STARTS_AT, exchange},
};
use http::Request;
use rstest::rstest;

use super::alerts::start;

#[rstest]
#[case::announced(true)]
#[case::not_announced(false)]
#[tokio::test(start_paused = true)]
async fn a_body_of_one_byte_more_than_the_limit_is_too_large(#[case] announced: bool) {
    let fleet = Fleet::new(1);
    let mut config = config();
    let good = webhook("limit", STARTS_AT).to_string();
    config.server.max_body_bytes = good.len();
    let replica = fleet.start_with(1, config, Default::default()).await;
    let send = |body: String| {
        let length = body.len();
        let body = match announced {
            true => Body::from(body),
            false => Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>(body)])),
        };
        let mut request = Request::post(PROMETHEUS).header("content-type", "application/json");
        if announced {
            request = request.header("content-length", length);
        }
        exchange(replica.sender(), request.body(body).unwrap())
    };
    send(format!("{good} ")).await.assert_problem(413);
    assert!(fleet.requests().is_empty());
    assert_eq!(send(good).await.status, 201, "exactly the limit is not");
}

#[rstest]
#[case::none(None, 415)]
#[case::form(Some("application/x-www-form-urlencoded"), 415)]
#[case::text(Some("text/plain"), 415)]
#[case::yaml(Some("application/yaml"), 415)]
#[case::json_with_charset(Some("application/json; charset=utf-8"), 201)]
#[case::json_upper_case(Some("Application/JSON"), 201)]
#[tokio::test(start_paused = true)]
async fn a_body_must_be_json_by_its_content_type(#[case] content_type: Option<&str>, #[case] status: u16) {
    let (_fleet, replica) = start().await;
    let mut request = Request::post(PROMETHEUS);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let body = webhook("type", STARTS_AT).to_string();
    let answer = exchange(replica.sender(), request.body(Body::from(body)).unwrap()).await;
    match status {
        201 => assert_eq!(answer.status, 201),
        status => answer.assert_problem(status),
    }
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_signal_must_be_posted(#[values("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")] method: &str) {
    let (fleet, replica) = start().await;
    let body = Body::from(webhook("method", STARTS_AT).to_string());
    let request = Request::builder().method(method).uri(PROMETHEUS).header("content-type", "application/json");
    let answer = exchange(replica.sender(), request.body(body).unwrap()).await;
    answer.assert_problem(405);
    assert_eq!(answer.header("allow"), "POST");
    assert!(fleet.requests().is_empty());
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn other_paths_do_not_exist(
    #[values("/", "/api/v1/signals", "/api/v1/signals/prometheus/", "/api/v1/signals/other", "/metrics")] path: &str,
) {
    let (_fleet, replica) = start().await;
    let request = Request::post(path).header("content-type", "application/json");
    exchange(replica.sender(), request.body(Body::from("{}")).unwrap()).await.assert_problem(404);
}
