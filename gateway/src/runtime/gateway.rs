//! A gateway at work: its tasks, its listeners, its end.

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::{listeners::Listeners, live::Live, operations};
use crate::{
    audit::{Pipeline, Recorder},
    config::Config,
    context::Context,
    dedup::{Deduplicate, Obstacle},
    events::Announcer,
    http::{
        self, Liveness, Readiness,
        server::{Bounds, Server},
        tls::Tls,
    },
    log_limit::LogLimit,
    metrics::Metrics,
    otlp,
};

/// `/readyz` says no until the view of RemediationRequests is synchronised.
pub(super) const VIEW: &str = "view";
/// For what remains after the requests under way have been answered: releases, the audit trail.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Of it, what spans have to themselves.
const TRACES_TIMEOUT: Duration = Duration::from_secs(1);

/// One gateway instance: built by [`Gateway::builder`], alive after [`Gateway::start`].
pub struct Gateway {
    pub(super) config: Config,
    pub(super) context: Context,
    pub(super) metrics: Metrics,
    pub(super) dedup: Arc<dyn Deduplicate>,
    pub(super) readiness: Readiness,
    pub(super) liveness: Liveness,
    pub(super) audit: Option<Pipeline>,
    pub(super) events: Option<Announcer>,
    pub(super) traces: Option<otlp::Pipeline>,
    pub(super) log: LogLimit,
    pub(super) tls: Option<Tls>,
    pub(super) live: Live,
    pub(super) api: Router,
}

impl Gateway {
    /// Starts the background tasks: view, collector, readiness, liveness, renewal of certificates.
    pub fn start(&self) {
        self.liveness.start();
        self.dedup.start();
        if let Some(tls) = self.tls.clone() {
            self.context.spawn(tls.report_expiry(self.metrics.tls_certificate_expiry_timestamp_seconds.clone()));
        }
        let (dedup, readiness) = (Arc::clone(&self.dedup), self.readiness.clone());
        for obstacle in dedup.obstacles() {
            self.context.spawn(tell(obstacle, readiness.clone()));
        }
        self.context.spawn(async move {
            dedup.synced().await;
            tracing::info!("the view of RemediationRequests is synchronised");
            readiness.met(VIEW);
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
        http::operations::health_router(self.readiness.clone(), self.liveness.clone())
    }

    /// The metrics, to be read in process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Where audit events go.
    pub fn recorder(&self) -> Recorder {
        self.audit.as_ref().map_or_else(Recorder::disabled, Pipeline::recorder)
    }

    /// The parts that follow a changed configuration.
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// Serves until `shutdown`, then answers what is under way, releases what is held and flushes the audit trail.
    pub async fn serve(self, listeners: Listeners, shutdown: CancellationToken) {
        let ended = CancellationToken::new();
        let server = |router, tls, bounds| Server {
            router,
            tls,
            settings: self.config.server.clone(),
            bounds,
            context: self.context.clone(),
            metrics: self.metrics.clone(),
        };
        let health = server(self.health(), None, Bounds::operations());
        let metrics = http::operations::metrics_router(self.metrics.clone());
        let metrics = server(metrics, None, Bounds::operations());
        if let Err(error) = operations::start([(health, listeners.health), (metrics, listeners.metrics)], ended.clone())
        {
            tracing::error!(%error, "cannot serve health and metrics: raise the limits on threads and files");
        }
        let draining = self.readiness.clone();
        let bounds = Bounds::signals(&self.config.server);
        let api = server(self.api.clone(), self.tls.clone(), bounds).serve(listeners.api, shutdown.clone());
        let drain = async move {
            shutdown.cancelled().await;
            draining.drain();
        };
        futures::join!(api, drain);
        self.shut_down().await;
        ended.cancel();
        self.context.kill();
    }

    /// Finishes what is under way, releases all locks, flushes the audit trail.
    pub async fn shut_down(&self) {
        self.readiness.drain();
        let deadline = self.context.monotonic() + SHUT_DOWN_TIMEOUT;
        if !self.dedup.shut_down(deadline).await {
            tracing::warn!("signals or locks were still in progress at the end of the shutdown");
        }
        let deadline = self.context.monotonic() + SHUT_DOWN_TIMEOUT;
        // Spans come last, for those of what the others send.
        let others = if self.traces.is_some() { deadline - TRACES_TIMEOUT } else { deadline };
        let audit = async {
            if let Some(audit) = &self.audit {
                audit.shutdown(others).await;
            }
        };
        let events = async {
            if let Some(events) = &self.events {
                events.shut_down(others).await;
            }
        };
        futures::join!(audit, events);
        if let Some(traces) = &self.traces {
            traces.shutdown(deadline).await;
        }
        self.log.flush();
        tracing::info!("shut down");
    }
}

/// Keeps the condition of an obstacle met while that does not hold.
async fn tell(obstacle: Obstacle, readiness: Readiness) {
    let Obstacle { condition, reason, mut holds } = obstacle;
    loop {
        if *holds.borrow_and_update() {
            readiness.unmet(condition, reason);
        } else {
            readiness.met(condition);
        }
        if holds.changed().await.is_err() {
            return;
        }
    }
}
