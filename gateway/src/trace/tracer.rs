//! What begins traces.

use std::{borrow::Cow, sync::Arc};

use super::{
    recorder::{Recorder, Sink},
    scope::Span,
    w3c::Parent,
};
use crate::context::Context;

/// Begins the spans of requests, if tracing is on; cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Recorder>>);

impl Tracer {
    /// A tracer that records nothing: `tracing.endpoint` is not set.
    pub fn off() -> Self {
        Self::default()
    }

    /// Spans go to `sink`. Of the traces that begin here, `ratio` are recorded; of those that begin elsewhere, those that their
    /// senders record. Requests to the Kubernetes API are sent to `api_server`.
    pub fn new(context: Context, ratio: f64, sink: Sink, api_server: Option<http::Uri>) -> Self {
        Self(Some(Arc::new(Recorder::new(context, ratio, sink, api_server))))
    }

    /// Begins the span of a request, whose sender tells of `parent`.
    pub fn request(
        &self,
        parent: Option<&Parent>,
        request_id: &Arc<str>,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Span {
        self.0.as_ref().map_or_else(Span::none, |recorder| Span::of_request(recorder, parent, request_id, name))
    }
}
