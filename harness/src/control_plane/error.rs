//! Why there is no control plane.

use std::{io, path::PathBuf, time::Duration};

use gateway::kubernetes::cluster;

use super::binaries::Missing;

/// How long a control plane may take to become ready: 3 s on an idle machine.
pub(super) const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The binaries have not been built.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// No certificates can be created.
    #[error("cannot create the control plane's certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// A file of the control plane, such as a certificate, cannot be written.
    #[error("cannot write {path}: {source}; is the temporary directory full?")]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A program of it cannot be started at all.
    #[error("cannot start {program}: {source}; build it again with `scripts/control-plane build`")]
    Start {
        /// Path of the program.
        program: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A program of it has ended.
    #[error("{name} ended ({status}); the end of its log:\n{log}")]
    Ended {
        /// `etcd` or `kube-apiserver`.
        name: String,
        /// Its exit status.
        status: String,
        /// Its last lines.
        log: String,
    },
    /// It does not answer.
    #[error("the control plane was not ready within {} s: {last}; the ends of its logs:\n{log}", READY_TIMEOUT.as_secs())]
    NotReady {
        /// What the last look said.
        last: String,
        /// The last lines of each log.
        log: String,
    },
    /// The kubeconfig that was just written cannot be read.
    #[error("cannot use the control plane's kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The client could not be built.
    #[error("cannot create a client for the control plane: {0}")]
    Client(#[from] kube::Error),
    /// A gateway's client could not be built.
    #[error(transparent)]
    GatewayClient(#[from] cluster::Error),
    /// There is no such user.
    #[error("the control plane has no user {user}, only {known:?}; name it when it is started")]
    UnknownUser {
        /// Who was asked for.
        user: String,
        /// Who there are.
        known: Vec<String>,
    },
}
