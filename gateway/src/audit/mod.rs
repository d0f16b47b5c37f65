//! The audit trail: what became of each signal, told to the DataStorage service off the critical path.
//!
//! A [`Recorder`] puts events into a bounded queue and never waits; one task takes them out in batches and sends them.
//! What cannot be kept or delivered is dropped and counted in `gateway_audit_events_total{outcome}`:
//!
//! | outcome | meaning |
//! |---|---|
//! | `sent` | DataStorage has accepted it |
//! | `rejected` | DataStorage refuses this event for good |
//! | `failed` | DataStorage could not be reached or used, to the end of the retries |
//! | `dropped` | the queue was full, or the process ended first |

mod event;
mod pipeline;
mod sender;

pub use event::{Event, Outcome};
pub use pipeline::{Pipeline, Recorder, start};

/// The audit trail cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client cannot be built.
    #[error(
        "no HTTP client for datastorage.url: {0}; https needs authorities to trust: set SSL_CERT_FILE to their PEM file"
    )]
    Client(#[from] reqwest::Error),
    /// The address cannot carry a path.
    #[error("datastorage.url: `{0}` can have no path")]
    Url(url::Url),
}
