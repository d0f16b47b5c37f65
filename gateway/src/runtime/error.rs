//! Why there is no gateway.

use std::{io, net::SocketAddr};

use crate::{audit, config, http, kubernetes::cluster, metrics, otlp, telemetry};

/// Why a gateway could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration or the environment is not valid.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The log cannot be set up.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// A metric cannot be registered.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// The audit pipeline cannot be started.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The exporter of spans cannot be started.
    #[error(transparent)]
    Traces(#[from] otlp::Error),
    /// The listener's certificates cannot be loaded.
    #[error(transparent)]
    Tls(#[from] http::tls::Error),
    /// No client can be created for the cluster.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}; set {key} to a free address")]
    Listen {
        /// The address that was to be bound.
        address: SocketAddr,
        /// The configuration key that sets it, such as `server.listenAddr`.
        key: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system does not say which address a listener got.
    #[error("cannot get the address of a listener: {0}")]
    Address(io::Error),
    /// No handler for SIGTERM, SIGINT or SIGHUP can be installed.
    #[error("cannot handle signals such as SIGTERM: {0}")]
    Termination(io::Error),
}
