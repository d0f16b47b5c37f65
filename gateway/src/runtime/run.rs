//! The gateway as a process.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{error::Error, gateway::Gateway, listeners::Listeners};
use crate::{
    config::{Config, Identity},
    context::Context,
    kubernetes::cluster,
    telemetry,
};

/// Runs a gateway in a pod until it is told to end.
///
/// # Errors
/// If it cannot be started; the message says what to do.
pub async fn run(config_file: Option<&Path>) -> Result<(), Error> {
    let config = Config::load(config_file, std::env::vars())?;
    telemetry::init(&config.logging)?;
    let identity = Identity::load(std::env::vars())?;
    let client = cluster::client(config.server.kubernetes_request_timeout).await?;
    let listeners = Listeners::bind(&config.server).await?;
    let (context, pod) = (Context::system(), identity.pod_name.clone());
    let gateway = Gateway::builder(config, identity, client, context.clone()).build()?;
    gateway.metrics().add_process()?;
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
