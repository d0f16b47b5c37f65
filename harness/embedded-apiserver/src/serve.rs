//! The server on a TCP socket, for kubectl, curl and gateways of their own process.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures::future::select;
use http::{HeaderMap, Request, Response, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{
    clock,
    link::ConnectionReset,
    request::Caller,
    server::Server,
    service::{self, AnswerBody, ApiService},
    tokens::AUDIENCE,
};

/// After a failed accept, which usually means that there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `shutdown` completes, and then ends those there are.
pub(super) async fn serve(server: &Arc<Server>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let ended = CancellationToken::new();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => start(Arc::clone(server), stream, ended.clone()),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    clock::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    select(pin!(shutdown), pin!(accept)).await;
    ended.cancel();
}

fn start(server: Arc<Server>, stream: TcpStream, ended: CancellationToken) {
    // Without it, answers to small requests wait for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    clock::spawn(async move {
        let service = service_fn(move |request| answer(Arc::clone(&server), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        if let Some(Err(error)) = ended.run_until_cancelled(connection).await {
            tracing::debug!(%error, "a connection broke");
        }
    });
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Result<Response<AnswerBody>, ConnectionReset> {
    match caller(&server, request.headers()) {
        Some(caller) => ApiService::new(server, caller).call(request).await,
        None => Ok(service::unauthorized()),
    }
}

/// Whose token that is, if it is one for this server.
fn bearer(server: &Server, token: &str) -> Option<Caller> {
    let token = server.authenticate(token)?;
    token.audiences.iter().any(|audience| audience == AUDIENCE).then_some(token.caller)
}

/// Who sends a request with these headers; none if the token is unknown.
fn caller(server: &Server, headers: &HeaderMap) -> Option<Caller> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let caller = match text(header::AUTHORIZATION.as_str()) {
        Some(authorization) => bearer(server, authorization.strip_prefix("Bearer ")?.trim())?,
        None => match text("x-remote-user") {
            Some(user) => Caller::new(user),
            None => Caller::admin(),
        },
    };
    let Some(user) = text("impersonate-user") else { return Some(caller) };
    let groups = headers.get_all("impersonate-group").iter().filter_map(|value| value.to_str().ok());
    let mut impersonated = Caller::new(user);
    impersonated.groups.extend(groups.map(str::to_owned));
    Some(impersonated)
}
