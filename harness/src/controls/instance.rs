//! One gateway instance under any protocol.

use std::{sync::Arc, time::Duration};

use axum::Router;
use gateway::{
    audit::Recorder,
    config::{Config, Identity},
    context::Context,
    dedup::Deduplicate,
    http::{self, App, Readiness, operations, server::Server},
    intake::Intake,
    kubernetes::Kubernetes,
    metrics::Metrics,
    runtime::{Error, Gateway, Listeners},
    signal::Resolver,
};
use kube::Client;
use tokio_util::sync::CancellationToken;

use super::{DerivedOnly, LeaseOnly, Protocol, Unlocked, store::Store};

/// A gateway: the product, or its HTTP, parsing and resolving around another protocol.
pub struct Instance(Kind);

enum Kind {
    Product(Box<Gateway>),
    Control(Box<Control>),
}

/// What is left of a gateway when view, lock, fence and audit trail are taken away.
struct Control {
    config: Config,
    context: Context,
    metrics: Metrics,
    readiness: Readiness,
    api: Router,
}

impl Instance {
    /// An instance that talks to the API server behind `client`, whose own retries must be off.
    ///
    /// # Errors
    /// If metrics, audit pipeline or TLS cannot be set up.
    pub fn new(
        protocol: Protocol,
        mut config: Config,
        identity: &Identity,
        client: Client,
        context: Context,
    ) -> Result<Self, Error> {
        if protocol == Protocol::FenceOnly {
            config.lock.patience = Duration::ZERO;
        }
        let protocol: fn(Store, &Identity, &Metrics) -> Arc<dyn Deduplicate> = match protocol {
            Protocol::Fenced | Protocol::FenceOnly => {
                return Ok(Self(Kind::Product(Box::new(Gateway::new(config, identity, client, context)?))));
            }
            Protocol::DerivedOnly => |store, _, _| Arc::new(DerivedOnly::new(store)),
            Protocol::LeaseOnly => {
                |store, identity, metrics| Arc::new(LeaseOnly::new(store, identity, metrics.clone()))
            }
            Protocol::Unlocked => |store, _, _| Arc::new(Unlocked::new(store)),
        };
        let metrics = Metrics::new()?;
        let retry = config.processing.retry.clone();
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), retry);
        let dedup = protocol(Store::new(kubernetes.clone(), context.clone(), identity), identity, &metrics);
        let resolver = Resolver::new(kubernetes, context.clone(), metrics.clone(), config.scope.clone());
        let intake = Intake::new(context.clone(), metrics.clone(), resolver, dedup, Recorder::disabled());
        // Nothing is waited for: a control has no view.
        let readiness = Readiness::new(&[], &metrics);
        let api = http::router(App {
            handler: Arc::new(intake),
            auth: None,
            server: config.server.clone(),
            context: context.clone(),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
        });
        Ok(Self(Kind::Control(Box::new(Control { config, context, metrics, readiness, api }))))
    }

    /// Starts what runs in the background.
    pub fn start(&self) {
        match &self.0 {
            Kind::Product(gateway) => gateway.start(),
            Kind::Control(_) => {}
        }
    }

    /// Waits until it is ready for signals.
    pub async fn ready(&self) {
        match &self.0 {
            Kind::Product(gateway) => gateway.ready().await,
            Kind::Control(_) => {}
        }
    }

    /// The routes of the signal listener, to be called in process.
    pub fn api(&self) -> Router {
        match &self.0 {
            Kind::Product(gateway) => gateway.api(),
            Kind::Control(control) => control.api.clone(),
        }
    }

    /// The routes of the health listener.
    pub fn health(&self) -> Router {
        match &self.0 {
            Kind::Product(gateway) => gateway.health(),
            Kind::Control(control) => operations::health_router(control.readiness.clone()),
        }
    }

    /// The metrics, to be read in process.
    pub fn metrics(&self) -> &Metrics {
        match &self.0 {
            Kind::Product(gateway) => gateway.metrics(),
            Kind::Control(control) => &control.metrics,
        }
    }

    /// Serves until `shutdown`, then answers what is under way.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) {
        match self.0 {
            Kind::Product(gateway) => gateway.serve(listeners, shutdown).await,
            Kind::Control(control) => control.serve(listeners, shutdown).await,
        }
    }

    /// Finishes what is under way.
    pub async fn shut_down(&self) {
        match &self.0 {
            Kind::Product(gateway) => gateway.shut_down().await,
            Kind::Control(control) => control.readiness.drain(),
        }
    }
}

impl Control {
    async fn serve(self, listeners: Listeners, shutdown: CancellationToken) {
        let Self { config, context, metrics, readiness, api } = self;
        let server = |router| Server { router, tls: None, settings: config.server.clone(), context: context.clone() };
        let health = server(operations::health_router(readiness.clone()));
        let metrics = server(operations::metrics_router(metrics));
        let operations = CancellationToken::new();
        context.spawn(health.serve(listeners.health, operations.clone()));
        context.spawn(metrics.serve(listeners.metrics, operations.clone()));
        server(api).serve(listeners.api, shutdown).await;
        readiness.drain();
        operations.cancel();
        context.kill();
    }
}
