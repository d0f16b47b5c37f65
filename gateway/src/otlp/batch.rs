//! From spans to what is sent.

use prost::Message as _;

use super::message::{
    Any, AnyValue, ExportTraceServiceRequest, InstrumentationScope, KeyValue, Link, Resource, ResourceSpans,
    ScopeSpans, Span, Status,
};
use crate::trace::{Kind, Notes, SpanContext, SpanData, Value};

/// Attributes are called as in this version of the conventions.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";
/// `STATUS_CODE_ERROR` of OTLP.
const ERROR: i32 = 2;
/// Of the flags of spans and links: it is known whether the parent, or the span linked with, is remote; and it is.
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
const SAMPLED: u32 = 1;

/// Which process the spans come from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The pod's name.
    pub pod: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's uid, where it is known.
    pub pod_uid: Option<String>,
    /// The cluster's name; empty if it has none.
    pub cluster: String,
}

impl Origin {
    /// `spans` of this process as OTLP has them.
    pub(super) fn encode(&self, spans: Vec<SpanData>) -> Vec<u8> {
        let Self { pod, namespace, pod_uid, cluster } = self;
        let version = env!("CARGO_PKG_VERSION");
        let of_pod = [("service.instance.id", pod_uid.as_ref().unwrap_or(pod)), ("k8s.pod.name", pod)];
        let mut attributes = vec![text("service.name", "signal-gateway"), text("service.version", version)];
        attributes.extend(of_pod.map(|(key, value)| text(key, value)));
        attributes.push(text("k8s.namespace.name", namespace));
        attributes.extend(pod_uid.as_ref().map(|uid| text("k8s.pod.uid", uid)));
        attributes.extend(Some(cluster).filter(|name| !name.is_empty()).map(|name| text("k8s.cluster.name", name)));
        let scope = InstrumentationScope { name: "gateway".to_owned(), version: version.to_owned() };
        let spans = spans.into_iter().map(span).collect();
        let spans = ResourceSpans {
            resource: Some(Resource { attributes }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans }],
            schema_url: SCHEMA.to_owned(),
        };
        ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::String(value.to_owned()))
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

fn span(data: SpanData) -> Span {
    let SpanData { context, state, parent, is_parent_remote, name, kind, start, end, notes } = data;
    let Notes { attributes, links, dropped_links, failure, is_discarded: _ } = notes;
    let attributes = attributes.into_iter().map(|(key, value)| {
        attribute(
            key,
            match value {
                Value::Text(text) => Any::String(text.into_owned()),
                Value::Int(number) => Any::Int(number),
            },
        )
    });
    Span {
        trace_id: context.trace_id.0.to_be_bytes().to_vec(),
        span_id: context.span_id.0.to_be_bytes().to_vec(),
        trace_state: state.as_deref().unwrap_or_default().to_owned(),
        parent_span_id: parent.map(|id| id.0.to_be_bytes().to_vec()).unwrap_or_default(),
        name: name.into_owned(),
        kind: match kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
        },
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes: attributes.collect(),
        links: links.into_iter().map(link).collect(),
        dropped_links_count: dropped_links,
        status: failure.map(|why| Status { message: why.into_owned(), code: ERROR }),
        flags: SAMPLED | KNOWS_REMOTE | if is_parent_remote { IS_REMOTE } else { 0 },
    }
}

fn link(SpanContext { trace_id, span_id, is_sampled }: SpanContext) -> Link {
    Link {
        trace_id: trace_id.0.to_be_bytes().to_vec(),
        span_id: span_id.0.to_be_bytes().to_vec(),
        flags: KNOWS_REMOTE | u32::from(is_sampled),
    }
}
