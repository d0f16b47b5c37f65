//! A router on a socket: HTTP/1 with a limit on everything a client could draw out, and an orderly end.
//!
//! | what | bound |
//! |---|---|
//! | connections | `maxConnections`; further ones wait in the kernel's queue |
//! | TLS handshake, request head | `readTimeout` |
//! | head's size | 32 KiB, 100 headers: 431 |
//! | from head to answer | `writeTimeout` |
//! | a client that does not read its answer | `writeTimeout` |
//! | idle kept-alive connection | `idleTimeout` |
//! | shutdown | `drainTimeout` |

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{info::Peer, tls::Tls};
use crate::{config, context::Context};
use timed::{Phase, TimedIo};

mod timed;

/// Head and, piece by piece, body are read into a buffer of this size; hyper's own default is 400 KiB.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Tokens, the largest headers there are here, have 8 KiB at most.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// After an accept that failed, mostly for want of file descriptors: time for others to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One listener: what it serves, and within which limits.
#[derive(Clone, Debug)]
pub struct Server {
    /// What it serves.
    pub router: Router,
    /// TLS; plain HTTP if absent.
    pub tls: Option<Tls>,
    /// Limits and timeouts.
    pub settings: config::Server,
    /// Time and tasks.
    pub context: Context,
}

impl Server {
    /// Accepts connections until `shutdown` is cancelled, then lets requests under way finish, for `drainTimeout` at
    /// most. Returns when no connection is left.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let max_connections = self.settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(max_connections));
        let server = Arc::new(self);
        let accepting = accept_all(&server, &listener, &places, &shutdown);
        shutdown.run_until_cancelled(accepting).await;
        drop(listener);
        // All places are free when the last connection has ended; each of them keeps to `drainTimeout` by itself.
        let all = u32::try_from(max_connections).unwrap_or(u32::MAX);
        let limit = server.settings.drain_timeout + Duration::from_secs(1);
        if server.context.timeout(limit, places.acquire_many(all)).await.is_err() {
            tracing::warn!("connections were left at the end of a shutdown");
        }
    }
}

async fn accept_all(
    server: &Arc<Server>,
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Infallible {
    loop {
        // The semaphore is never closed, and a pause is the right answer if it were.
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            server.context.sleep(ACCEPT_PAUSE).await;
            continue;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = connection(Arc::clone(server), stream, peer, place, shutdown.clone());
                server.context.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                server.context.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    server: Arc<Server>,
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    shutdown: CancellationToken,
) {
    // Answers are small and written at once: waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "TCP_NODELAY could not be set");
    }
    match &server.tls {
        None => http(&server, stream, peer, shutdown).await,
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.current()).accept(stream);
            match server.context.timeout(server.settings.read_timeout, handshake).await {
                Ok(Ok(stream)) => http(&server, stream, peer, shutdown).await,
                Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
            }
        }
    }
    drop(place);
}

async fn http<S>(server: &Server, stream: S, peer: SocketAddr, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = &server.settings;
    let phase = Phase::default();
    let stream = TimedIo::new(stream, phase.clone(), settings, &server.context);
    let service = service_fn(|request| answer(server, request, peer, &phase));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper counts from the end of the last answer to the end of the next head, idle time included; `TimedIo` bounds
        // each alone. It matters that there is one: it has hyper look at the stream between two requests.
        .header_read_timeout(settings.idle_timeout + settings.read_timeout)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
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
    phase.request();
    request.extensions_mut().insert(Peer(peer));
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
