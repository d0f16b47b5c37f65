//! Why a signal is not resolved.

use crate::kubernetes;

/// Why a signal could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The Kubernetes API failed, and the cache does not know the object: to be tried again (500; 504 if `source` is
    /// [`kubernetes::Error::Deadline`]). Going on without the owner would split the incident.
    #[error("could not look up {object}: {source}")]
    Kubernetes {
        /// Kind, namespace and name.
        object: String,
        /// What the API answered.
        source: kubernetes::Error,
    },
    /// Neither the resource nor its namespace is managed: rejected for good (200).
    #[error("{message}")]
    OutOfScope {
        /// For the operator, with the commands that bring it into scope.
        message: String,
    },
}
