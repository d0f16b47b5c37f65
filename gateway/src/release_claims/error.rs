//! Why claims could not be released.

use std::time::Duration;

use crate::{config, kubernetes, metrics};

/// Why claims could not be released.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// No client can be created for the cluster.
    #[error(transparent)]
    Cluster(#[from] kubernetes::cluster::Error),
    /// The metrics, which are kept and not shown.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// What is to be scaled down.
    #[error("--scale-down takes `deployment/NAME`, not `{0}`")]
    Target(String),
    /// A request failed.
    #[error("{0} failed: {1}; it is safe to run it again")]
    Request(&'static str, kubernetes::Error),
    /// Gateways still run.
    #[error(
        "{pods} pods of deployment/{name} still exist after {} s, and no claim was released: see what keeps them \
         (`kubectl get pods`), or wait longer with --wait",
        wait.as_secs()
    )]
    StillRunning {
        /// Name of the Deployment that was scaled to zero.
        name: String,
        /// Its pods that have not ended.
        pods: usize,
        /// How long was waited.
        wait: Duration,
    },
    /// Claims are left.
    #[error(
        "{0} claims are left, because others write those objects or make new claims: is a gateway still running? Run it again"
    )]
    Left(usize),
}

impl Error {
    /// The exit code: 2 for what was asked for, 3 where gateways still run, 4 where claims are left, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Target(_) => 2,
            Self::StillRunning { .. } => 3,
            Self::Left(_) => 4,
            Self::Config(_) | Self::Cluster(_) | Self::Metrics(_) | Self::Request(..) => 1,
        }
    }
}
