//! Distributed traces: which request of which sender something is done for, and how long it takes.
//!
//! One trace has a span for the webhook, one for each alert in it, and one for each request to the Kubernetes API that the alert
//! waited for. What is being done knows its [`Scope`] through the task that does it, and passes it on where it hands work to
//! another task. Where tracing is off there is no [`Tracer`], every scope is empty, and nothing is allocated or written down.
//!
//! opentelemetry's SDK is not used: it reads the machine's clock and entropy past [`Context`](crate::context::Context), and keeps
//! its state in globals, which replicas in one process would share. `otlp` sends what is recorded here.

mod data;
mod recorder;
mod scope;
mod tracer;
mod w3c;

#[cfg(test)]
mod tests;

pub use data::{Kind, Notes, SpanData, Value};
pub use recorder::Sink;
pub use scope::{Scope, Span, together};
pub use tracer::Tracer;
pub use w3c::{Parent, SpanContext, SpanId, TraceId};
