//! What only a socket shows: who is at the other end of it.

use embedded_apiserver::EmbeddedApi;
use gateway::context::Context;
use harness::{
    fleet::embedded_api,
    replica::ReplicaSpec,
    testing::{Logs, PROMETHEUS},
};
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

#[tokio::test]
async fn a_line_about_a_request_names_its_peer() {
    let (api, _): (EmbeddedApi, _) = embedded_api(Timestamp::now());
    let gateway = ReplicaSpec::new("gateway-0")
        .serve(api.client("gateway-0", harness::replica::NAMESPACE), Context::system())
        .await
        .unwrap();
    let (logs, _guard) = Logs::capture();
    let mut stream = TcpStream::connect(gateway.api).await.unwrap();
    let head = "host: g\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 8";
    stream.write_all(format!("POST {PROMETHEUS} HTTP/1.1\r\n{head}\r\n\r\nnonsense").as_bytes()).await.unwrap();
    let peer = stream.local_addr().unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let lines = logs.saying("a body is rejected");
    assert_eq!(lines.len(), 1, "{:#?}", logs.lines());
    assert!(lines[0].span.contains(&format!("peer={peer}")), "{}", lines[0].span);
    gateway.shut_down(std::time::Duration::from_secs(10)).await;
}
