//! One active RemediationRequest per fingerprint, every acknowledged signal counted exactly once.

use std::time::Duration;

use jiff::Timestamp;

use crate::{context::Monotonic, signal::Signal};

/// Where an accepted signal is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Whether this signal created the RemediationRequest or was counted on it.
    pub outcome: Outcome,
    /// The RemediationRequest's name.
    pub name: String,
    /// The RemediationRequest's namespace.
    pub namespace: String,
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
    #[error("the Kubernetes API could not be used: {0}")]
    Kubernetes(String),
    /// Too much is under way, the lock or a deletion kept the signal waiting, or this replica shuts down: 503.
    #[error("{reason}; try again in {} s", retry_after.as_secs())]
    Busy {
        /// What was waited for.
        reason: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The signal's own deadline has come: 504.
    #[error("no result within the deadline")]
    Deadline,
}

/// The deduplication of one gateway instance; cheap to clone.
#[derive(Clone)]
pub struct Deduplicator;

impl Deduplicator {
    /// Makes `signal` durable: creates its RemediationRequest or counts it on the active one, until `deadline` at most.
    ///
    /// # Errors
    /// See [`Error`]; the signal may have been counted all the same, but is not acknowledged.
    pub async fn ingest(&self, signal: Signal, deadline: Monotonic) -> Result<Accepted, Error> {
        let _ = (signal, deadline);
        Err(Error::Deadline)
    }
}
