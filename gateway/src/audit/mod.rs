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
//! | `dropped` | the queue was full, in events or in bytes, or the process ended first |

mod counts;
mod encoded;
mod error;
mod event;
mod pipeline;
mod sender;

pub use error::Error;
pub use event::{Event, Outcome};
pub use pipeline::{Pipeline, Recorder, start};
pub(crate) use sender::client;
