use std::{convert::Infallible, time::Duration};

use futures::{StreamExt as _, stream};
use http_body_util::StreamBody;
use rstest::rstest;
use tower::ServiceExt as _;

use super::*;
use crate::kubernetes::{Error, classify};

/// What a kube client makes of an answer with `head`, such as `429 | retry-after: 2`, and `body`.
async fn asked(head: &str, body: impl Into<Bytes>) -> Error {
    let mut parts = head.split(" | ");
    let mut response = Response::builder().status(parts.next().unwrap().parse::<u16>().unwrap());
    for header in parts {
        let (name, value) = header.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    let response = response.body(Full::new(body.into())).unwrap();
    let client = kube::Client::new(
        SafeAnswers(tower::service_fn(move |_: Request<kube::client::Body>| {
            let response = response.clone();
            async move { Ok::<_, Infallible>(response) }
        })),
        "default",
    );
    let answer = client.request::<Value>(Request::get("/x").body(Vec::new()).unwrap()).await;
    classify(answer.expect_err("no answer of an API server"))
}

const THROTTLED: &str = r#"{"kind":"Status","code":429,"message":"m","details":{"retryAfterSeconds":4}}"#;

#[rstest]
#[case::of_kube_apiserver(
    "429 | content-type: text/plain | retry-after: 1",
    "Too many requests, please try again later.\n",
    1
)]
#[case::as_status("429", THROTTLED, 4)]
#[case::as_both("429 | retry-after: 7", THROTTLED, 7)]
#[case::as_both_the_other_way("429 | retry-after: 2", THROTTLED, 4)]
#[case::as_a_page("429 | content-type: text/html | retry-after: 3", "<html>slow down</html>", 3)]
#[case::as_a_date("429 | date: Wed, 21 Oct 2015 07:28:00 GMT | retry-after: Wed, 21 Oct 2015 07:28:09 GMT", "", 9)]
#[case::as_a_date_that_is_over(
    "429 | date: Wed, 21 Oct 2015 07:28:00 GMT | retry-after: Wed, 21 Oct 2015 07:27:00 GMT",
    "",
    0
)]
#[case::as_nonsense("429 | retry-after: soon", "", 0)]
#[case::as_nothing("429", "", 0)]
#[case::for_days("429 | retry-after: 400000", "", 60)]
#[case::beyond_numbers("429 | retry-after: 18446744073709551615", "", 60)]
#[case::with_details_that_are_none("429 | retry-after: 5", r#"{"kind":"Status","details":null}"#, 5)]
#[case::with_details_of_another_type("429 | retry-after: 5", r#"{"kind":"Status","details":[1]}"#, 5)]
#[tokio::test]
async fn retry_after_is_read_wherever_it_stands(#[case] head: &str, #[case] body: &'static str, #[case] secs: u64) {
    let Error::Throttled { retry_after, .. } = asked(head, body).await else { panic!("not throttled") };
    assert_eq!(retry_after, Duration::from_secs(secs));
}

#[rstest]
#[case::a_page_that_forbids("403 | content-type: text/html", "<html>403</html>")]
#[case::a_page_that_misses("404", "<html>404</html>")]
#[case::another_programs_json("404 | content-type: application/json", r#"{"error":"no route"}"#)]
#[case::a_conflict_in_words("409", "conflict")]
#[case::a_portal("200 | content-type: text/html; charset=utf-8", "<html>sign in</html>")]
#[case::a_status_that_is_none("200 | content-type: text/plain", r#"{"kind":"Status"}"#)]
#[tokio::test]
async fn what_is_not_the_api_servers_own_word_is_no_word_of_it(#[case] head: &str, #[case] body: &'static str) {
    let error = asked(head, body).await;
    let Error::Unavailable { code: 502, message } = &error else { panic!("{error:?}") };
    assert!(message.contains("instead of a response from the API server") && message.contains(body), "{message}");
}

#[rstest]
#[case("403", r#"{"kind":"Status","code":500,"message":"quota"}"#, Error::Forbidden("quota".to_owned()))]
#[case("404", r#"{"kind":"Status","reason":"NotFound","message":"m"}"#, Error::NotFound("m".to_owned()))]
#[case("404 | content-type: text/plain", "404 page not found\n", Error::NotFound("404 page not found".to_owned()))]
#[case("413 | content-type: text/html", "too large", Error::BadRequest("too large".to_owned()))]
#[case("409", r#"{"kind":"Status","reason":"AlreadyExists","message":"m"}"#, Error::AlreadyExists("m".to_owned()))]
#[tokio::test]
async fn what_the_api_server_says_is_believed_by_its_http_status(
    #[case] head: &str,
    #[case] body: &'static str,
    #[case] expected: Error,
) {
    assert_eq!(asked(head, body).await, expected);
}

#[tokio::test]
async fn a_page_is_told_in_one_bounded_line_and_one_without_end_is_not_read_to_it() {
    let page = format!("<html>\r\n\u{1b}[2J{}", "x".repeat(2 * FAILURE_MAX));
    let told = asked("503 | content-type: text/html", page).await.to_string();
    assert!(told.len() < 1300 && !told.contains(char::is_control), "{} bytes", told.len());
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    let endless = StreamBody::new(stream::repeat_with(move || Ok::<_, Infallible>(Frame::data(chunk.clone()))));
    assert!(read(endless, FAILURE_MAX).await.len() <= FAILURE_MAX + (1 << 20));
}

/// A body of `chunks`, read through the layer.
async fn through(uri: &str, chunks: Vec<Vec<u8>>) -> Result<usize, BoxError> {
    let frames = move || stream::iter(chunks.clone()).map(|chunk| Ok::<_, Infallible>(Frame::data(chunk.into())));
    let service = tower::service_fn(move |_: Request<()>| {
        let body = StreamBody::new(frames());
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let response = SafeAnswers(service).oneshot(Request::get(uri).body(()).unwrap()).await?;
    Ok(response.into_body().collect().await?.to_bytes().len())
}

#[tokio::test]
async fn a_line_of_a_watch_is_bounded_and_a_watch_of_many_lines_is_not() {
    let half = vec![b'x'; LINE_MAX / 2];
    let (lines, endless) = ([half.clone(), b"x\n".to_vec()].concat(), vec![half.clone(), half.clone(), b"x".to_vec()]);
    let read = through("/x?watch=true", vec![lines.clone(); 6]).await.unwrap();
    assert_eq!(read, 6 * lines.len());
    let error = through("/x?watch=true", endless.clone()).await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&TooLong(LINE_MAX)));
    let late = through("/x?a=b&watch=1", [vec![b"short\n".to_vec()], endless.clone()].concat()).await;
    assert!(late.is_err(), "in any line");
    assert_eq!(through("/x?limit=5", endless.clone()).await.unwrap(), endless.concat().len(), "no line, no watch");
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let chunk = vec![b'x'; 16 << 20];
    assert_eq!(through("/x", vec![chunk.clone(); 4]).await.unwrap(), ANSWER_MAX);
    let error = through("/x", vec![chunk; 5]).await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&TooLong(ANSWER_MAX)));
}
