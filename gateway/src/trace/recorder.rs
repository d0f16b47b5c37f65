//! What all spans of one gateway instance share.

use super::{
    data::SpanData,
    w3c::{SpanId, TraceId},
};
use crate::context::Context;

/// Where spans go once they have ended; it never waits.
pub type Sink = Box<dyn Fn(SpanData) + Send + Sync>;

pub(super) struct Recorder {
    pub(super) context: Context,
    pub(super) sink: Sink,
    /// Traces that begin here are recorded if the lower 63 bits of their ids are below it, as OpenTelemetry's samplers decide.
    bound: u64,
    /// The API server's scheme and authority, such as `https://10.0.0.1:443`.
    pub(super) api_server: Option<http::Uri>,
}

impl Recorder {
    pub(super) fn new(context: Context, ratio: f64, sink: Sink, api_server: Option<http::Uri>) -> Self {
        let bound = (ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        Self { context, sink, bound, api_server }
    }

    pub(super) fn new_trace_id(&self) -> TraceId {
        let (high, low) = (self.context.random(), self.context.random());
        TraceId((u128::from(high) << 64 | u128::from(low)).max(1))
    }

    pub(super) fn new_span_id(&self) -> SpanId {
        SpanId(self.context.random().max(1))
    }

    pub(super) fn samples(&self, TraceId(id): TraceId) -> bool {
        (id as u64 >> 1) < self.bound
    }
}
