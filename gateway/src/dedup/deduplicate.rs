//! What is asked of a deduplication, and what it answers.

use std::{future, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{context::Monotonic, kubernetes, remediation::Signal};

/// What makes resolved signals durable: the [`Deduplicator`](super::Deduplicator), or another protocol that is compared with it.
pub trait Deduplicate: Send + Sync + 'static {
    /// Makes `signal` durable, until `deadline` at most: an acknowledged signal is counted on a RemediationRequest.
    ///
    /// # Errors
    /// See [`Error`]; the signal may have been counted all the same, but is not acknowledged.
    fn ingest(&self, signal: Signal, deadline: Monotonic) -> BoxFuture<'_, Result<Accepted, Error>>;

    /// Starts what runs in the background: nothing, unless it says otherwise.
    fn start(&self) {}

    /// Waits until it knows enough to be sent signals: not at all, unless it says otherwise.
    fn synced(&self) -> BoxFuture<'_, ()> {
        future::ready(()).boxed()
    }

    /// What may keep it from being sent signals for a while: nothing, unless it says otherwise.
    fn obstacles(&self) -> Vec<Obstacle> {
        Vec::new()
    }

    /// Takes no more signals, lets those under way finish and gives back what it holds, until `deadline` at most; tells
    /// whether everything was finished. There is nothing to do, unless it says otherwise.
    fn shut_down(&self, _deadline: Monotonic) -> BoxFuture<'_, bool> {
        future::ready(true).boxed()
    }
}

/// Something that keeps a deduplication from being sent signals while it holds.
#[derive(Clone, Debug)]
pub struct Obstacle {
    /// The condition of `/readyz` that is not met then.
    pub condition: &'static str,
    /// Why, and what is to be done.
    pub reason: &'static str,
    /// Whether it holds.
    pub holds: watch::Receiver<bool>,
}

/// Where an accepted signal is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Whether this signal created the RemediationRequest or was counted on it.
    pub outcome: Outcome,
    /// The RemediationRequest's name.
    pub name: String,
    /// The RemediationRequest's namespace.
    pub namespace: String,
    /// The RemediationRequest's uid, where the deduplication knows it.
    pub uid: Option<String>,
    /// This signal's own ordinal on it.
    pub occurrence_count: i32,
    /// When the first signal was received.
    pub first_occurrence: Timestamp,
    /// When the newest signal was received.
    pub last_occurrence: Timestamp,
}

/// What an accepted signal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It created the RemediationRequest.
    Created,
    /// It was counted on an existing one.
    Deduplicated,
}

/// Why a signal was not accepted. All of these may succeed when tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The Kubernetes API failed or refused: 500.
    #[error("the request to the Kubernetes API failed: {0}")]
    Kubernetes(String),
    /// Too much is under way, the lock or a deletion kept the signal waiting, or this replica shuts down: 503.
    #[error("{reason}; try again in {} s", retry_after.as_secs())]
    Busy {
        /// What was waited for.
        reason: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The API server refuses to create the RemediationRequest, and will until somebody mends that: 503, or 400 if it is for good.
    #[error("{reason}; try again in {} s", retry_after.as_secs())]
    Refused {
        /// What is refused, and what is to be done.
        reason: &'static str,
        /// Whether this signal would be refused again, whatever is mended about the gateway and its namespace.
        is_final: bool,
        /// When it will be asked again.
        retry_after: Duration,
    },
    /// The signal's own deadline has come: 504.
    #[error("no result within the deadline")]
    Deadline,
}

impl Error {
    /// Kept waiting, for this `reason`; to be tried again in so many seconds.
    pub(super) const fn busy(reason: &'static str, secs: u64) -> Self {
        Self::Busy { reason, retry_after: Duration::from_secs(secs) }
    }

    /// The label `error_type` of `gateway_crd_creation_errors_total`.
    pub(crate) const fn error_type(&self) -> &'static str {
        match self {
            Self::Kubernetes(_) => "kubernetes_api",
            Self::Busy { .. } => "busy",
            Self::Refused { .. } => "refused",
            Self::Deadline => "deadline",
        }
    }
}

impl From<&kubernetes::Error> for Error {
    fn from(error: &kubernetes::Error) -> Self {
        match error {
            kubernetes::Error::Throttled { retry_after, .. } => {
                Self::Busy { reason: "the Kubernetes API is throttling", retry_after: *retry_after }
            }
            kubernetes::Error::Deadline => Self::Deadline,
            other => Self::Kubernetes(other.to_string()),
        }
    }
}
