//! Spans on their way to an OpenTelemetry collector: OTLP over HTTP, in protobuf.
//!
//! Nothing waits for it: a bounded queue takes spans over, one task takes them out in batches and sends each for a bounded time.
//! What is not taken, and what the end of the process cuts off, is counted in `gateway_trace_spans_total{outcome}`:
//!
//! | outcome | meaning |
//! |---|---|
//! | `sent` | the collector has accepted it |
//! | `rejected` | the collector has accepted its batch, but not it |
//! | `failed` | the collector could not be reached or used, to the end of `tracing.timeout` |
//! | `dropped` | the queue was full, or the process ended first |

mod batch;
mod error;
mod message;
mod pipeline;
mod sender;

pub use batch::Origin;
pub use error::Error;
pub use pipeline::{Pipeline, start};
pub(crate) use sender::client;
