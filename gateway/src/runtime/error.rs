//! Why there is no gateway.

use std::{io, net::SocketAddr};

use crate::{audit, config, http, kubernetes::cluster, metrics, otlp, telemetry};

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
    /// The way to the OpenTelemetry collector.
    #[error(transparent)]
    Traces(#[from] otlp::Error),
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
    /// The address of a listener.
    #[error("cannot get the address of a listener: {0}")]
    Address(io::Error),
    /// Signals of the operating system.
    #[error("cannot handle signals such as SIGTERM: {0}")]
    Termination(io::Error),
}
