//! Answers that their senders do not read.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{self, BoxFuture, FutureExt as _};
use gateway::{
    config,
    context::{Context, Monotonic},
    http::{
        self, App, PROMETHEUS, Readiness,
        server::{Bounds, Server},
    },
    intake::{Item, SignalHandler},
    log_limit::LogLimit,
    metrics::Metrics,
    remediation::Source,
    signal::Rejection,
    trace::Tracer,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::sockets::{answer, settings};

/// More than the sockets of both sides hold, together with another.
const MESSAGE_BYTES: usize = 8 << 20;
const ANSWER_BYTES: usize = 2 * MESSAGE_BYTES;
const TIMEOUT: Duration = Duration::from_secs(20);

/// Answers a body of N bytes about N alerts.
struct Handler;

impl SignalHandler for Handler {
    fn handle(&self, _: Source, body: Bytes, _: Monotonic) -> BoxFuture<'_, Result<Vec<Item>, Rejection>> {
        let items = body.iter().map(|_| Item::Ignored { message: "a".repeat(MESSAGE_BYTES) }).collect();
        future::ready(Ok(items)).boxed()
    }
}

/// A gateway whose memory for answers is `answers` bytes.
async fn serve(answers: usize) -> (SocketAddr, Metrics, CancellationToken) {
    let (context, metrics) = (Context::system(), Metrics::new().unwrap());
    let settings = config::Server { max_buffered_bytes: 4 * answers, ..settings() };
    let app = App {
        handler: Arc::new(Handler),
        auth: None,
        server: settings.clone(),
        context: context.clone(),
        metrics: metrics.clone(),
        tracer: Tracer::off(),
        log: LogLimit::new(context.clone()),
        readiness: Readiness::new(&[], &metrics),
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, bounds, shutdown) =
        (listener.local_addr().unwrap(), Bounds::signals(&settings), CancellationToken::new());
    let server = Server {
        router: http::router(app),
        tls: None,
        settings,
        bounds,
        context: context.clone(),
        metrics: metrics.clone(),
    };
    let until = shutdown.clone();
    context.spawn(async move { server.serve(listener, until).await });
    (address, metrics, shutdown)
}

/// Sends a webhook of so many alerts.
async fn send(stream: &mut TcpStream, alerts: usize) {
    let head = format!("POST {PROMETHEUS} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {alerts}\r\n\r\n{}", "x".repeat(alerts));
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn exchange(stream: &mut TcpStream, alerts: usize) -> Value {
    send(stream, alerts).await;
    let (status, body) = answer(stream).await;
    assert_eq!(status, 200);
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_and_others_are_told_the_sum_only() {
    let (address, metrics, _shutdown) = serve(2 * ANSWER_BYTES + MESSAGE_BYTES).await;
    let context = Context::system();
    let connect = async || TcpStream::connect(address).await.unwrap();
    let mut other = connect().await;
    assert_eq!(exchange(&mut other, 2).await["results"].as_array().unwrap().len(), 2);
    let mut unread = [connect().await, connect().await];
    for stream in &mut unread {
        send(stream, 2).await;
        assert_eq!(stream.read_u8().await.unwrap(), b'H', "it is being written");
    }
    let body = exchange(&mut other, 2).await;
    assert_eq!((body["results"].is_null(), &body["summary"]["ignored"]), (true, &2.into()));
    assert_eq!(metrics.http_bounds_met.with_label_values(&["answers"]).get(), 1);
    assert_eq!(exchange(&mut other, 1).await["status"], "ignored", "a single result is no list");

    let [gone, read] = unread;
    drop(gone);
    let reading = context.timeout(TIMEOUT, async {
        // Until the connection that is gone has been noticed.
        while exchange(&mut other, 2).await["results"].is_null() {
            tokio::task::yield_now().await;
        }
    });
    reading.await.unwrap();
    drop(read);
}
