//! The gateway as a process.

use std::path::Path;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    error::Error,
    files,
    gateway::Gateway,
    listeners::Listeners,
    live::Live,
    reload::{self, Apply, Reload},
    start::{self, Start},
};
use crate::{
    config::{Config, Identity, Update, env, masked_text},
    context::Context,
    kubernetes::{Kubernetes, cluster},
    signal::Rules,
    telemetry::{self, Level},
};

/// Runs a gateway in a pod until it is told to end.
///
/// # Errors
/// If it cannot be started; the message says what to do.
pub async fn run(config_file: Option<&Path>) -> Result<(), Error> {
    // SIGHUP ends a process that does not expect it.
    let hangup = signal(SignalKind::hangup()).map_err(Error::Termination)?;
    let seen = reload::look(config_file);
    let loaded = match &seen {
        // A pipe can be read once.
        Ok(text) => Config::parse(config_file, text, env::all()?)?,
        Err(_) => Config::load(config_file, env::all()?)?,
    };
    let mut config = loaded.clone();
    let context = Context::system();
    // Dropped last: what the end of the others says is written.
    let telemetry = telemetry::init(&config.logging, &context)?;
    config.server.max_connections = files::connections(config.server.max_connections, files::raise_limit());
    let identity = Identity::load(env::all()?)?;
    let (client, api_server) = cluster::connect(config.server.kubernetes_request_timeout).await?;
    let listeners = Listeners::bind(&config.server).await?;
    let (addresses, retry) = (listeners.addresses()?, config.processing.retry.clone());
    let builder = Gateway::builder(config, identity.clone(), client.clone(), context.clone());
    let gateway = builder.api_server(api_server.clone()).build()?;
    gateway.metrics().add_process()?;
    telemetry.count_in(gateway.metrics());
    let kubernetes = Kubernetes::new(client, context.clone(), gateway.metrics().clone(), retry);
    let start = Start {
        config: loaded.clone(),
        file: start::named(config_file),
        identity: identity.clone(),
        addresses,
        api_server: masked_text(&api_server.to_string()),
        kubernetes: kubernetes.clone(),
        context: context.clone(),
    };
    context.spawn(start.tell());
    let (tell, told) = mpsc::channel(1);
    context.spawn(forward(hangup, tell));
    let reload = Reload {
        file: config_file.map(Path::to_owned),
        is_followed: config_file.is_none_or(Path::is_file),
        seen,
        failure: None,
        env: env::all()?.collect(),
        running: loaded,
        identity,
        context: context.clone(),
        metrics: gateway.metrics().clone(),
        audit: gateway.recorder(),
        apply: follow(telemetry.level(), gateway.live(), kubernetes, context.clone()),
    };
    context.spawn(reload.run(told));
    gateway.start();
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Termination)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Termination)?;
    let told = shutdown.clone();
    context.spawn(async move {
        futures::future::select(std::pin::pin!(terminate.recv()), std::pin::pin!(interrupt.recv())).await;
        tracing::info!("shutdown requested: draining");
        told.cancel();
    });
    gateway.serve(listeners, shutdown).await;
    Ok(())
}

/// Has log and signals follow a configuration.
fn follow(level: Level, live: Live, kubernetes: Kubernetes, context: Context) -> Apply {
    Box::new(move |Update { config, changed, needs_restart: _ }| {
        level.set(&config.logging).map_err(|error| error.to_string())?;
        live.apply(config);
        if changed.iter().any(|change| change.key == "signal.targets") {
            context.spawn(start::tell_missing(kubernetes.clone(), Rules::new(&config.signal), context.clone()));
        }
        Ok(())
    })
}

/// Tells of each SIGHUP; one that comes while another waits is the same.
async fn forward(mut hangup: Signal, tell: mpsc::Sender<()>) {
    while hangup.recv().await.is_some() {
        let _ = tell.try_send(());
    }
}
