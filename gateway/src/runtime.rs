//! Wiring: the only place that knows all parts of a gateway.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::Router;
use kube::Client;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    audit::{self, Pipeline, Recorder},
    auth::Authenticator,
    config::{self, AuthMode, Config, Identity},
    context::Context,
    dedup::Deduplicator,
    http::{self, App, Readiness, server::Server, tls::Tls},
    intake::Intake,
    kubernetes::{Kubernetes, cluster},
    metrics::{self, Metrics},
    signal::Resolver,
    telemetry,
};

/// `/readyz` says no until the view of RemediationRequests is synchronised.
const VIEW: &str = "view";
/// `/readyz` says no when the CRD lacks a field that exactly-once counting needs.
const CRD: &str = "crd";
/// For what remains after the requests under way have been answered: releases, the audit trail.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a gateway could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration or the environment.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The log output.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// The metrics registry.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// The audit pipeline.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// Certificate files.
    #[error(transparent)]
    Tls(#[from] http::tls::Error),
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A listener.
    #[error("cannot listen on {address}: {source}; set {key} to a free address")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The configuration key.
        key: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Signals of the operating system.
    #[error("termination cannot be listened for: {0}")]
    Termination(io::Error),
}

/// One gateway instance: built by [`Gateway::new`], alive after [`Gateway::start`].
pub struct Gateway {
    config: Config,
    context: Context,
    metrics: Metrics,
    dedup: Deduplicator,
    readiness: Readiness,
    audit: Option<Pipeline>,
    tls: Option<Tls>,
    api: Router,
}

/// The sockets of one instance.
pub struct Listeners {
    /// Signals.
    pub api: TcpListener,
    /// `/healthz`, `/livez`, `/readyz`.
    pub health: TcpListener,
    /// `/metrics`.
    pub metrics: TcpListener,
}

impl Listeners {
    /// Binds the addresses of the configuration; port 0 takes any free one.
    ///
    /// # Errors
    /// If an address is taken or not ours, naming the key.
    pub async fn bind(server: &config::Server) -> Result<Self, Error> {
        Ok(Self {
            api: bind(server.listen_addr, "server.listenAddr").await?,
            health: bind(server.health_addr, "server.healthAddr").await?,
            metrics: bind(server.metrics_addr, "server.metricsAddr").await?,
        })
    }
}

async fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, key, source })
}

impl Gateway {
    /// An instance that talks to the API server behind `client`, whose own retries must be off.
    ///
    /// # Errors
    /// If metrics, audit pipeline or TLS cannot be set up.
    pub fn new(config: Config, identity: &Identity, client: Client, context: Context) -> Result<Self, Error> {
        let metrics = Metrics::new()?;
        let retry = config.processing.retry.clone();
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), retry);
        let dedup = Deduplicator::new(context.clone(), metrics.clone(), kubernetes.clone(), config.clone(), identity);
        let audit = match config.datastorage.url {
            Some(_) => Some(audit::start(&config.datastorage, &context, &metrics)?),
            None => None,
        };
        let recorder = audit.as_ref().map_or_else(Recorder::disabled, Pipeline::recorder);
        let resolver = Resolver::new(kubernetes.clone(), context.clone(), metrics.clone(), config.scope.clone());
        let intake = Intake::new(context.clone(), metrics.clone(), resolver, Arc::new(dedup.clone()), recorder);
        let auth = match config.auth.mode {
            AuthMode::Kubernetes => Some(Authenticator::new(kubernetes, &config.auth, &context, &metrics)),
            AuthMode::None => None,
        };
        let tls = config.server.tls.as_ref().map(|files| Tls::load(files, &context)).transpose()?;
        let readiness = Readiness::new(&[VIEW, CRD], &metrics);
        let api = http::router(App {
            handler: Arc::new(intake),
            auth,
            server: config.server.clone(),
            context: context.clone(),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
        });
        Ok(Self { config, context, metrics, dedup, readiness, audit, tls, api })
    }

    /// Starts the background tasks: view, collector, readiness.
    pub fn start(&self) {
        self.dedup.start();
        let (dedup, readiness) = (self.dedup.clone(), self.readiness.clone());
        let mut outdated = dedup.crd_outdated();
        self.context.spawn(async move {
            dedup.synced().await;
            tracing::info!("the view of RemediationRequests is synchronised");
            readiness.met(VIEW);
            readiness.met(CRD);
            while outdated.changed().await.is_ok() {
                if *outdated.borrow_and_update() {
                    readiness.unmet(CRD, "the CRD lacks status.deduplication.writers: apply gateway/deploy/crd");
                } else {
                    readiness.met(CRD);
                }
            }
        });
    }

    /// Waits until the instance is ready for signals.
    pub async fn ready(&self) {
        self.dedup.synced().await;
    }

    /// The routes of the signal listener, to be called in process.
    pub fn api(&self) -> Router {
        self.api.clone()
    }

    /// The routes of the health listener.
    pub fn health(&self) -> Router {
        http::operations::health_router(self.readiness.clone())
    }

    /// The metrics, to be read in process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Serves until `shutdown`, then answers what is under way, releases what is held and flushes the audit trail.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) {
        let operations = CancellationToken::new();
        let server =
            |router, tls| Server { router, tls, settings: self.config.server.clone(), context: self.context.clone() };
        let health = server(self.health(), None);
        let metrics = server(http::operations::metrics_router(self.metrics.clone()), None);
        self.context.spawn(health.serve(listeners.health, operations.clone()));
        self.context.spawn(metrics.serve(listeners.metrics, operations.clone()));
        let draining = self.readiness.clone();
        let api = server(self.api.clone(), self.tls.clone()).serve(listeners.api, shutdown.clone());
        let drain = async move {
            shutdown.cancelled().await;
            draining.drain();
        };
        futures::join!(api, drain);
        self.shut_down().await;
        operations.cancel();
        self.context.kill();
    }

    /// Finishes what is under way, releases all locks, flushes the audit trail.
    pub async fn shut_down(&self) {
        self.readiness.drain();
        let deadline = self.context.monotonic() + SHUT_DOWN_TIMEOUT;
        if !self.dedup.shut_down(deadline).await {
            tracing::warn!("signals or locks were still under way at the end of the shutdown");
        }
        if let Some(audit) = &self.audit {
            audit.shutdown(self.context.monotonic() + SHUT_DOWN_TIMEOUT).await;
        }
        tracing::info!("shut down");
    }
}

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
    let gateway = Gateway::new(config, &identity, client, Context::system())?;
    gateway.metrics.add_process()?;
    gateway.start();
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Termination)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Termination)?;
    let told = shutdown.clone();
    gateway.context.spawn(async move {
        futures::future::select(std::pin::pin!(terminate.recv()), std::pin::pin!(interrupt.recv())).await;
        tracing::info!("told to end: draining");
        told.cancel();
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pod = identity.pod_name, "gateway started");
    gateway.serve(listeners, shutdown).await;
    Ok(())
}
