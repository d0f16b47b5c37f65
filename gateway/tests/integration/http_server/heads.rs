//! Heads that say too little, too much, or that do not come to an end.

use gateway::config;
use rstest::rstest;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::sockets::{EXCHANGE, LONG, answer, request, rest, serve, settings};

#[rstest]
#[case::none("HTTP/1.1", "", 400)]
#[case::two("HTTP/1.1", "host: a\r\nhost: b\r\n", 400)]
#[case::two_equal("HTTP/1.1", "host: a\r\nhost: a\r\n", 400)]
#[case::two_in_one("HTTP/1.1", "host: a, b\r\n", 400)]
#[case::with_a_path("HTTP/1.1", "host: a/b\r\n", 400)]
#[case::with_a_user("HTTP/1.1", "host: user@a\r\n", 400)]
#[case::no_port("HTTP/1.1", "host: a:b\r\n", 400)]
#[case::name_and_port("HTTP/1.1", "Host: gateway.kubernaut:8080\r\n", 200)]
#[case::ipv6("HTTP/1.1", "Host: [::1]:8080\r\n", 200)]
#[case::empty("HTTP/1.1", "Host:\r\n", 200)]
#[case::none_in_http_1_0("HTTP/1.0", "", 200)]
#[case::two_in_http_1_0("HTTP/1.0", "host: a\r\nhost: b\r\n", 400)]
#[tokio::test]
async fn a_request_has_exactly_one_valid_host(#[case] version: &str, #[case] headers: &str, #[case] status: u16) {
    let rig = serve(settings()).await;
    let mut stream = rig.connect().await;
    let head = format!("POST /echo {version}\r\n{headers}content-length: 4\r\n\r\nbody");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (answered, body) = answer(&mut stream).await;
    assert_eq!(answered, status, "{body}");
    if status == 400 {
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((problem["status"].as_u64(), problem["instance"].as_str()), (Some(400), Some("/echo")));
        assert!(problem["detail"].as_str().unwrap().contains("Host"), "{problem}");
        assert_eq!(rest(&mut stream).await, "", "the connection is closed");
    }
}

#[rstest]
#[case::of_a_head(&[&request("/echo", "one"), "POST /echo HT"].concat())]
#[case::of_one_byte(&[&request("/echo", "one"), "P"].concat())]
#[case::after_chunks("POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\nPOST")]
#[tokio::test]
async fn a_part_of_the_next_head_that_comes_with_a_request_has_the_time_of_a_head(#[case] sent: &str) {
    let rig = serve(config::Server { read_timeout: EXCHANGE, ..settings() }).await;
    let mut stream = rig.connect().await;
    stream.write_all(sent.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await, (200, "one".to_owned()));
    let end = rig.context.timeout(LONG / 2, rest(&mut stream)).await;
    assert_eq!(end.as_deref(), Ok(""));
}
