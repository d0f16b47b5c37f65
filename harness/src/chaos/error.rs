//! Why there was no run.

use std::{io, path::PathBuf};

use crate::{cluster, control_plane};

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane cannot be started.
    #[error(transparent)]
    ControlPlane(#[from] control_plane::Error),
    /// The control plane refuses what gateways need.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A program cannot be started at all.
    #[error("cannot start {program}: {source}; build it with `cargo build -p gateway`")]
    Start {
        /// Path of the program.
        program: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A gateway does not become ready.
    #[error("{name} did not become ready; the end of its log:\n{log}")]
    NotReady {
        /// Pod name of the gateway.
        name: String,
        /// The last lines of its log.
        log: String,
    },
}
