//! Health and metrics on a thread of their own: however busy the gateway is with signals, kubelet and Prometheus are answered.

use std::{io, thread};

use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;

use crate::http::server::Server;

/// Serves until `shutdown` is cancelled.
///
/// # Errors
/// If there can be no such thread.
pub(super) fn start(servers: [(Server, TcpListener); 2], shutdown: CancellationToken) -> io::Result<()> {
    let [health, metrics] = servers.map(|(server, listener)| listener.into_std().map(|listener| (server, listener)));
    let servers = [health?, metrics?];
    let serve = async move {
        let [health, metrics] = servers.map(async |(server, listener)| {
            // Its events come to this thread from now on.
            match TcpListener::from_std(listener) {
                Ok(listener) => server.serve(listener, shutdown.clone()).await,
                Err(error) => tracing::error!(%error, "a listener for health or metrics failed"),
            }
        });
        futures::join!(health, metrics);
    };
    // Built there: a runtime must not be dropped where it cannot wait for its tasks, as here.
    let run = move || match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve),
        Err(error) => {
            tracing::error!(%error, "cannot serve health and metrics: raise the limits on threads and files")
        }
    };
    thread::Builder::new().name("operations".to_owned()).spawn(run)?;
    Ok(())
}
