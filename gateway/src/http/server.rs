//! A router on a socket: HTTP/1 with a limit on everything a client could draw out, and an orderly end.
//!
//! | what | bound |
//! |---|---|
//! | connections | [`Bounds`]: at `maxConnections` the one that has been idle for longest makes room, or else one whose client is slow; at `maxConnectionsPerPeer` one of its own |
//! | requests on a connection for operators | one: it is closed after its answer |
//! | TLS handshake, request head | `readTimeout` |
//! | head's size | 16 KiB, 100 headers: 431 |
//! | from head to answer | `writeTimeout` |
//! | a client that does not read its answer | `writeTimeout` |
//! | idle kept-alive connection | `idleTimeout`; `readTimeout` after requests that were pipelined or of unknown length |
//! | shutdown | `drainTimeout` |

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    info::{Peer, RequestInfo, shown_path},
    request::new_id,
    tls::Tls,
};
use crate::{config, context::Context, metrics::Metrics};
use connections::{Connections, Place};
use timed::TimedIo;

mod connections;
mod framing;
mod host;
mod phase;
mod timed;

pub use connections::Bounds;
pub(super) use connections::network;
pub(super) use phase::Phase;

/// Head and, piece by piece, body are read into a buffer of this size, or up to twice as large; hyper's own default is 400 KiB. Each
/// connection may have one, whatever the bodies may take. Tokens, the largest headers there are here, have 8 KiB at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// After an accept that failed, mostly for want of file descriptors: time for others to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One listener: what it serves, and within which limits.
#[derive(Clone)]
pub struct Server {
    /// What it serves.
    pub router: Router,
    /// TLS; plain HTTP if absent.
    pub tls: Option<Tls>,
    /// Timeouts for reading, writing, idling and draining.
    pub settings: config::Server,
    /// How many connections, and whether they are kept.
    pub bounds: Bounds,
    /// Time and tasks.
    pub context: Context,
    /// Where it is counted that a bound was met.
    pub metrics: Metrics,
}

impl Server {
    /// Accepts connections until `shutdown` is cancelled, then lets requests under way finish, for `drainTimeout` at
    /// most. Returns when no connection is left.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let connections = Connections::new(self.bounds, &self.context, &self.metrics);
        let server = Arc::new(self);
        let accepting = accept_all(&server, &listener, &connections, &shutdown);
        shutdown.run_until_cancelled(accepting).await;
        drop(listener);
        // Each connection keeps to `drainTimeout` by itself.
        let limit = server.settings.drain_timeout + Duration::from_secs(1);
        if server.context.timeout(limit, connections.ended()).await.is_err() {
            tracing::warn!("connections were still open at the end of the shutdown");
        }
    }
}

async fn accept_all(
    server: &Arc<Server>,
    listener: &TcpListener,
    connections: &Connections,
    shutdown: &CancellationToken,
) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // One that is refused is closed here.
                let Some(place) = connections.admit(peer.ip()).await else { continue };
                let connection = connection(Arc::clone(server), stream, peer, place, shutdown.clone());
                server.context.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                connections.make_room();
                server.context.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    server: Arc<Server>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    shutdown: CancellationToken,
) {
    // What waits for it would hold it twice.
    let serving = Box::pin(serve_connection(&server, stream, peer, &place.phase, shutdown));
    if place.closed.clone().run_until_cancelled_owned(serving).await.is_none() {
        tracing::debug!(%peer, "a connection was closed to make room for another");
    }
}

async fn serve_connection(
    server: &Server,
    stream: TcpStream,
    peer: SocketAddr,
    phase: &Phase,
    shutdown: CancellationToken,
) {
    // Answers are small and written at once: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "TCP_NODELAY could not be set");
    }
    match &server.tls {
        None => http(server, stream, peer, phase, shutdown).await,
        // A session is large, and connections without one should not take its room.
        Some(tls) => Box::pin(https(server, tls, stream, peer, phase, shutdown)).await,
    }
}

async fn https(
    server: &Server,
    tls: &Tls,
    stream: TcpStream,
    peer: SocketAddr,
    phase: &Phase,
    shutdown: CancellationToken,
) {
    let handshake = Box::pin(TlsAcceptor::from(tls.current()).accept(stream));
    // No request is under way yet that a shutdown would have to wait for.
    match shutdown.run_until_cancelled(server.context.timeout(server.settings.read_timeout, handshake)).await {
        Some(Ok(Ok(stream))) => Box::pin(http(server, stream, peer, phase, shutdown)).await,
        Some(Ok(Err(error))) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        Some(Err(_)) => tracing::debug!(%peer, "a TLS handshake timed out"),
        None => tracing::debug!(%peer, "a TLS handshake was cut off by the shutdown"),
    }
}

async fn http<S>(server: &Server, stream: S, peer: SocketAddr, phase: &Phase, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = &server.settings;
    let stream = TimedIo::new(stream, phase.clone(), settings, &server.context);
    let service = service_fn(|request| answer(server, request, peer, phase));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper counts from the end of the last answer to the end of the next head, idle time included; `TimedIo` bounds
        // each alone. It matters that there is one: it has hyper look at the stream between two requests.
        .header_read_timeout(settings.idle_timeout + settings.read_timeout)
        .keep_alive(server.bounds.keep_alive)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = match shutdown.run_until_cancelled(connection.as_mut()).await {
        Some(result) => result,
        None => {
            connection.as_mut().graceful_shutdown();
            match server.context.timeout(settings.drain_timeout, connection).await {
                Ok(result) => result,
                Err(_) => {
                    tracing::warn!(%peer, "a request was cut off by the shutdown");
                    Ok(())
                }
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

/// Has the router answer, within the time that an answer may take.
async fn answer(
    server: &Server,
    mut request: Request<Incoming>,
    peer: SocketAddr,
    phase: &Phase,
) -> Result<Response<Body>, Infallible> {
    phase.begun(request.body().size_hint().exact());
    if let Err(why) = host::check(&request) {
        let path = shown_path(request.uri());
        let info = RequestInfo { id: new_id(&server.context).into(), path, received: server.context.monotonic() };
        phase.answer();
        return Ok(host::refuse(why, &info));
    }
    request.extensions_mut().insert(Peer(peer));
    request.extensions_mut().insert(phase.clone());
    let answer = server.router.clone().oneshot(request.map(Body::new));
    let response = match server.context.timeout(server.settings.write_timeout, answer).await {
        Ok(Ok(response)) => response,
        Err(_) => too_late(),
    };
    phase.answer();
    Ok(response)
}

/// The last resort: the routers answer earlier by themselves.
fn too_late() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_without_tls_takes_little_memory_beside_its_buffers() {
        let settings = config::Server::default();
        let (bounds, context, metrics) = (Bounds::signals(&settings), Context::system(), Metrics::new().unwrap());
        let connections = Connections::new(bounds, &context, &metrics);
        let server = Arc::new(Server { router: Router::new(), tls: None, settings, bounds, context, metrics });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let place = connections.admit(peer.ip()).await.unwrap();
        let (phase, shutdown) = (place.phase.clone(), CancellationToken::new());
        let outer = size_of_val(&connection(Arc::clone(&server), stream, peer, place, shutdown.clone()));
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let serving = size_of_val(&serve_connection(&server, stream, peer, &phase, shutdown));
        assert!(outer + serving < 2048, "{outer} + {serving} bytes");
    }
}
