//! The gateway as a process.

use std::{path::Path, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{error::Error, files, gateway::Gateway, listeners::Listeners};
use crate::{
    config::{Config, Identity, env},
    context::Context,
    kubernetes::{Kubernetes, cluster},
    signal::{Rules, permissions},
    telemetry,
};

/// For asking what this gateway may do.
const PERMISSIONS_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a gateway in a pod until it is told to end.
///
/// # Errors
/// If it cannot be started; the message says what to do.
pub async fn run(config_file: Option<&Path>) -> Result<(), Error> {
    let mut config = Config::load(config_file, env::all()?)?;
    let context = Context::system();
    // Dropped last: what the end of the others says is written.
    let telemetry = telemetry::init(&config.logging, &context)?;
    config.server.max_connections = files::connections(config.server.max_connections, files::raise_limit());
    let identity = Identity::load(env::all()?)?;
    let client = cluster::client(config.server.kubernetes_request_timeout).await?;
    let listeners = Listeners::bind(&config.server).await?;
    let pod = identity.pod_name.clone();
    let (rules, retry) = (Rules::new(&config.signal), config.processing.retry.clone());
    let gateway = Gateway::builder(config, identity, client.clone(), context.clone()).build()?;
    gateway.metrics().add_process()?;
    telemetry.count_in(gateway.metrics());
    let kubernetes = Kubernetes::new(client, context.clone(), gateway.metrics().clone(), retry);
    context.spawn(tell_permissions(kubernetes, rules, context.clone()));
    gateway.start();
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Termination)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Termination)?;
    let told = shutdown.clone();
    context.spawn(async move {
        futures::future::select(std::pin::pin!(terminate.recv()), std::pin::pin!(interrupt.recv())).await;
        tracing::info!("told to end: draining");
        told.cancel();
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pod, "gateway started");
    gateway.serve(listeners, shutdown).await;
    Ok(())
}

/// Logs what this gateway may not look at; it goes on without.
async fn tell_permissions(kubernetes: Kubernetes, rules: Rules, context: Context) {
    match permissions::missing(&kubernetes, &rules, context.monotonic() + PERMISSIONS_TIMEOUT).await {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => tracing::warn!(
            missing = missing.join(", "),
            "some kinds may not be read, and alerts about them will fail or miss their target: grant it (the chart does)"
        ),
        Err(error) => tracing::warn!(%error, "it cannot be told what this gateway may read"),
    }
}
