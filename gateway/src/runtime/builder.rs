//! From a configuration to a gateway.

use std::sync::Arc;

use ::http::Uri;
use kube::Client;

use super::{
    error::Error,
    gateway::{Gateway, VIEW},
    live::Live,
};
use crate::{
    audit::{self, Pipeline, Recorder},
    auth::Authenticator,
    config::{AuthMode, Config, Identity},
    context::Context,
    dedup::{Deduplicate, Deduplicator},
    events,
    http::{self, App, Liveness, Readiness, tls::Tls},
    intake::Intake,
    kubernetes::Kubernetes,
    log_limit::LogLimit,
    metrics::Metrics,
    otlp,
    signal::{LiveRules, Resolver, Rules},
    trace::Tracer,
};

/// What a deduplication is made of.
pub struct Parts {
    /// What the operator set.
    pub config: Config,
    /// Who this replica is.
    pub identity: Identity,
    /// Time, randomness, tasks.
    pub context: Context,
    /// Where it counts.
    pub metrics: Metrics,
    /// The API server.
    pub kubernetes: Kubernetes,
}

/// A gateway to be built.
pub struct Builder {
    config: Config,
    identity: Identity,
    client: Client,
    context: Context,
    deduplicate: fn(Parts) -> Arc<dyn Deduplicate>,
    api_server: Option<Uri>,
}

impl Gateway {
    /// A gateway that talks to the API server behind `client`, whose own retries must be off.
    pub fn builder(config: Config, identity: Identity, client: Client, context: Context) -> Builder {
        Builder { config, identity, client, context, deduplicate: fenced, api_server: None }
    }
}

impl Builder {
    /// Runs what `deduplicate` makes in place of the [`Deduplicator`].
    pub fn deduplicate(self, deduplicate: fn(Parts) -> Arc<dyn Deduplicate>) -> Self {
        Self { deduplicate, ..self }
    }

    /// Traces tell that requests of `client` go to `address`.
    pub fn api_server(self, address: Uri) -> Self {
        Self { api_server: Some(address), ..self }
    }

    /// Puts the parts together; nothing runs before [`Gateway::start`].
    ///
    /// # Errors
    /// If metrics, audit pipeline or TLS cannot be set up.
    pub fn build(self) -> Result<Gateway, Error> {
        let Self { config, identity, client, context, deduplicate, api_server } = self;
        let metrics = Metrics::new()?;
        let retry = config.processing.retry.clone();
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), retry);
        let log = LogLimit::new(context.clone());
        let events = config.events.enabled.then(|| {
            let pod = (identity.pod_namespace.as_str(), identity.pod_name.as_str());
            events::start(kubernetes.clone(), pod, &context, &metrics, log.clone())
        });
        let traces = match &config.tracing.endpoint {
            Some(endpoint) => {
                let Identity { pod_name, pod_namespace, pod_uid } = identity.clone();
                let cluster = config.signal.cluster.name.clone();
                let origin = otlp::Origin { pod: pod_name, namespace: pod_namespace, pod_uid, cluster };
                let settings = &config.tracing;
                let (sink, pipeline) = otlp::start(endpoint, settings, origin, &context, &metrics, log.clone())?;
                Some((Tracer::new(context.clone(), settings.sampling_ratio, sink, api_server), pipeline))
            }
            None => None,
        };
        let (tracer, traces) = traces.map_or_else(|| (Tracer::off(), None), |(tracer, traces)| (tracer, Some(traces)));
        let dedup = deduplicate(Parts {
            config: config.clone(),
            identity,
            context: context.clone(),
            metrics: metrics.clone(),
            kubernetes: kubernetes.clone(),
        });
        let audit = match config.datastorage.url {
            Some(_) => Some(audit::start(&config.datastorage, &context, &metrics, log.clone())?),
            None => None,
        };
        let recorder = audit.as_ref().map_or_else(Recorder::disabled, Pipeline::recorder);
        let rules = Rules::new(&config.signal);
        let scope = config.scope.clone();
        let resolver = Resolver::new(kubernetes.clone(), context.clone(), metrics.clone(), scope, &rules);
        let live = Live { rules: LiveRules::new(rules), resolver };
        metrics.config_loaded(context.now());
        let (judge, told) = (Arc::clone(&dedup), log.clone());
        let places = config.server.max_concurrent_requests;
        let Live { rules, resolver } = live.clone();
        let intake = Intake::new(context.clone(), metrics.clone(), rules, resolver, judge, recorder, told, places)
            .announce(events.clone());
        let auth = match config.auth.mode {
            AuthMode::Kubernetes => Some(Authenticator::new(kubernetes, &config.auth, &context, &metrics)),
            AuthMode::None => None,
        };
        let tls = config.server.tls.as_ref().map(|files| Tls::load(files, &context)).transpose()?;
        let readiness = Readiness::new(&[VIEW], &metrics);
        let liveness = Liveness::new(&context);
        let api = http::router(App {
            handler: Arc::new(intake),
            auth,
            server: config.server.clone(),
            context: context.clone(),
            metrics: metrics.clone(),
            log: log.clone(),
            tracer,
            readiness: readiness.clone(),
        });
        Ok(Gateway { config, context, metrics, dedup, readiness, liveness, audit, events, traces, log, tls, live, api })
    }
}

/// The product's own.
fn fenced(parts: Parts) -> Arc<dyn Deduplicate> {
    let Parts { config, identity, context, metrics, kubernetes } = parts;
    Arc::new(Deduplicator::new(context, metrics, kubernetes, config, &identity))
}
