//! The listener against clients that are slow, greedy, broken, or in the way of a shutdown.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Bytes, routing::post};
use gateway::{
    config,
    context::Context,
    http::{
        server::{Bounds, Server},
        tls::Tls,
    },
    metrics::Metrics,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

pub(super) const SHORT: Duration = Duration::from_millis(40);
/// Enough for an exchange on a busy machine.
pub(super) const EXCHANGE: Duration = Duration::from_secs(1);
pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) struct Rig {
    address: SocketAddr,
    pub(super) context: Context,
    pub(super) metrics: Metrics,
    pub(super) shutdown: CancellationToken,
    /// Cancelled when `serve` has returned.
    ended: CancellationToken,
    /// Lets the requests to `/slow` finish.
    pub(super) go: Arc<Notify>,
    /// Fires when a request to `/slow` has come.
    pub(super) came: Arc<Notify>,
}

pub(super) fn settings() -> config::Server {
    config::Server {
        read_timeout: LONG,
        write_timeout: LONG,
        idle_timeout: LONG,
        drain_timeout: LONG,
        ..config::Server::default()
    }
}

pub(super) async fn serve(settings: config::Server) -> Rig {
    serve_with(settings, None).await
}

pub(super) async fn serve_with(settings: config::Server, tls: Option<Tls>) -> Rig {
    let bounds = Bounds::signals(&settings);
    serve_within(bounds, settings, tls).await
}

async fn serve_within(bounds: Bounds, settings: config::Server, tls: Option<Tls>) -> Rig {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let rig = Rig {
        address: listener.local_addr().unwrap(),
        context: Context::system(),
        metrics: Metrics::new().unwrap(),
        shutdown: CancellationToken::new(),
        ended: CancellationToken::new(),
        go: Arc::default(),
        came: Arc::default(),
    };
    let (go, came) = (Arc::clone(&rig.go), Arc::clone(&rig.came));
    let slow = async move || {
        came.notify_one();
        go.notified().await;
        "slow"
    };
    let router = Router::new()
        .route("/echo", post(async |body: Bytes| body))
        .route("/slow", post(slow))
        // More than the sockets of both sides hold.
        .route("/large", post(async || vec![0; 64 << 20]));
    let metrics = rig.metrics.clone();
    let server = Server { router, tls, settings, bounds, context: rig.context.clone(), metrics };
    let (shutdown, ended) = (rig.shutdown.clone(), rig.ended.clone());
    rig.context.spawn(async move {
        server.serve(listener, shutdown).await;
        ended.cancel();
    });
    rig
}

impl Rig {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// From another address of loopback, `127.0.0.<host>`.
    pub(super) async fn connect_from(&self, host: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, host], 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    pub(super) async fn ended(&self) {
        self.context.timeout(LONG, self.ended.cancelled()).await.unwrap();
    }
}

pub(super) fn request(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Reads one answer: status and body.
pub(super) async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (u16, String) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(stream.read_u8().await.unwrap()));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
}

/// Everything until the server closes; a reset counts as closing.
pub(super) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let rig = serve(settings()).await;
    let mut stream = rig.connect().await;
    for body in ["one", "two"] {
        stream.write_all(request("/echo", body).as_bytes()).await.unwrap();
        assert_eq!(answer(&mut stream).await, (200, body.to_owned()));
    }
}

#[tokio::test]
async fn a_connection_for_operators_serves_one_request_of_those_that_were_pipelined_and_is_closed() {
    let rig = serve_within(Bounds::operations(), settings(), None).await;
    let mut stream = rig.connect().await;
    stream.write_all(request("/echo", "one").repeat(200).as_bytes()).await.unwrap();
    let answers = rest(&mut stream).await;
    assert!(answers.matches("HTTP/1.1 200").count() <= 1, "{answers}");
    let mut stream = rig.connect().await;
    stream.write_all(request("/echo", "one").as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.contains("connection: close") && answer.ends_with("\r\n\r\none"), "{answer}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_garbage_behind_them_ends_the_connection() {
    let rig = serve(settings()).await;
    let mut stream = rig.connect().await;
    let all = [&request("/echo", "one"), &request("/echo", "two"), "\0\0garbage\r\n\r\n"].concat();
    stream.write_all(all.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await, (200, "one".to_owned()));
    assert_eq!(answer(&mut stream).await, (200, "two".to_owned()));
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_head_that_drips_in_is_cut_off() {
    let rig = serve(config::Server { read_timeout: SHORT, ..settings() }).await;
    let mut stream = rig.connect().await;
    let start = rig.context.monotonic();
    let head = request("/echo", "");
    for byte in head.as_bytes() {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        rig.context.sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(rest(&mut stream).await, "");
    assert!(rig.context.monotonic().since(start) < LONG);
}

#[tokio::test]
async fn the_head_of_a_later_request_has_the_same_limit() {
    let rig = serve(config::Server { read_timeout: EXCHANGE, ..settings() }).await;
    let mut stream = rig.connect().await;
    stream.write_all(request("/echo", "one").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.0, 200);
    stream.write_all(b"POST /echo HT").await.unwrap();
    let end = rig.context.timeout(LONG / 2, rest(&mut stream)).await;
    assert_eq!(end.as_deref(), Ok(""));
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout_but_not_its_own() {
    let rig = serve(config::Server { read_timeout: EXCHANGE, idle_timeout: EXCHANGE * 2, ..settings() }).await;
    let mut stream = rig.connect().await;
    let start = rig.context.monotonic();
    stream.write_all(request("/echo", "one").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.0, 200);
    assert_eq!(rest(&mut stream).await, "");
    let idle = rig.context.monotonic().since(start);
    assert!(idle >= EXCHANGE * 2 && idle < LONG, "{idle:?}");
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let rig = serve(settings()).await;
    let mut stream = rig.connect().await;
    let head = format!("POST /echo HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(17 * 1024));
    let (mut reader, mut writer) = stream.split();
    let (_, text) = futures::join!(writer.write_all(head.as_bytes()), rest(&mut reader));
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431 "), "{text}");
}

#[tokio::test]
async fn a_head_with_the_largest_token_and_more_is_read() {
    let rig = serve(settings()).await;
    let mut stream = rig.connect().await;
    let head =
        format!("POST /echo HTTP/1.1\r\nhost: a\r\nx: {}\r\ncontent-length: 3\r\n\r\none", "a".repeat(15 * 1024));
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await, (200, "one".to_owned()));
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_504() {
    let rig = serve(config::Server { write_timeout: SHORT, ..settings() }).await;
    let mut stream = rig.connect().await;
    stream.write_all(request("/slow", "").as_bytes()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 504 "));
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let rig = serve(config::Server { write_timeout: SHORT, ..settings() }).await;
    let mut stream = rig.connect().await;
    stream.write_all(request("/large", "").as_bytes()).await.unwrap();
    rig.context.sleep(SHORT * 3).await;
    let received = rig.context.timeout(LONG / 2, rest(&mut stream)).await.unwrap();
    assert!(received.len() < 64 << 20, "{}", received.len());
}

#[tokio::test]
async fn a_client_that_reads_its_answer_too_slowly_is_cut_off_as_well() {
    let rig = serve(config::Server { write_timeout: SHORT * 5, ..settings() }).await;
    let mut stream = rig.connect().await;
    stream.write_all(request("/large", "").as_bytes()).await.unwrap();
    let (mut piece, mut received) = (vec![0; 1 << 20], 0);
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        received += read;
        rig.context.sleep(SHORT / 2).await;
    }
    assert!(received < 64 << 20, "{received}");
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_takes_no_more() {
    let rig = serve(settings()).await;
    let mut idle = rig.connect().await;
    idle.write_all(request("/echo", "one").as_bytes()).await.unwrap();
    answer(&mut idle).await;
    let _silent = rig.connect().await;
    let mut busy = rig.connect().await;
    busy.write_all(request("/slow", "").as_bytes()).await.unwrap();
    rig.came.notified().await;

    rig.shutdown.cancel();
    assert_eq!(rest(&mut idle).await, "", "an idle connection ends at once");
    assert!(!rig.ended.is_cancelled());
    rig.go.notify_one();
    assert_eq!(answer(&mut busy).await, (200, "slow".to_owned()));
    assert_eq!(rest(&mut busy).await, "");
    rig.ended().await;
    assert!(TcpStream::connect(rig.address).await.is_err());
}

#[tokio::test]
async fn a_shutdown_cuts_off_what_does_not_finish() {
    let rig = serve(config::Server { drain_timeout: SHORT, ..settings() }).await;
    let mut stream = rig.connect().await;
    stream.write_all(request("/slow", "").as_bytes()).await.unwrap();
    rig.came.notified().await;
    rig.shutdown.cancel();
    assert_eq!(rest(&mut stream).await, "");
    rig.ended().await;
}
