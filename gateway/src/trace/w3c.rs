//! Trace contexts in headers, as W3C Trace Context writes them.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`.
const LEN: usize = 55;
/// Later versions may say more behind it; this is more than they will.
const LEN_MAX: usize = 256;
/// What every participant has to pass on, and more need not be.
const STATE_BYTES_MAX: usize = 512;
const STATE_MEMBERS_MAX: usize = 32;
const SAMPLED: u8 = 1;

/// The id of a trace; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub u128);

/// The id of a span; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub u64);

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// Id of the trace that the span belongs to.
    pub trace_id: TraceId,
    /// Id of the span within the trace.
    pub span_id: SpanId,
    /// Whether it is recorded.
    pub is_sampled: bool,
}

/// What the sender of a request says of its own span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The sender's span, from the header `traceparent`.
    pub context: SpanContext,
    /// What other systems want passed on.
    pub(super) state: Option<Arc<str>>,
}

impl Parent {
    /// The parent that `headers` tell of. One that cannot be read is none, and a state that cannot be read is left out.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let context = parse(value.as_bytes())?;
        Some(Self { context, state: state(headers).map(Arc::from) })
    }
}

fn parse(text: &[u8]) -> Option<SpanContext> {
    let (known, more) = text.split_at_checked(LEN)?;
    let version = hex(known.get(..2)?)?;
    let sound = match version {
        0 => more.is_empty(),
        0xff => false,
        _ => text.len() <= LEN_MAX && more.first().is_none_or(|next| *next == b'-'),
    };
    let dashes = [2, 35, 52].into_iter().all(|place| known.get(place) == Some(&b'-'));
    if !sound || !dashes {
        return None;
    }
    let trace_id = hex(known.get(3..35)?)?;
    let span_id = u64::try_from(hex(known.get(36..52)?)?).ok()?;
    let flags = u8::try_from(hex(known.get(53..)?)?).ok()?;
    let is_sampled = flags & SAMPLED != 0;
    (trace_id != 0 && span_id != 0).then_some(SpanContext {
        trace_id: TraceId(trace_id),
        span_id: SpanId(span_id),
        is_sampled,
    })
}

/// Hexadecimal digits in lower case, and nothing else.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

fn state(headers: &HeaderMap) -> Option<String> {
    let mut joined = String::new();
    for value in headers.get_all(TRACESTATE) {
        let value = value.to_str().ok()?;
        if joined.len() + value.len() >= STATE_BYTES_MAX {
            return None;
        }
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(value);
    }
    let sound = |member: &str| {
        let member = member.trim_matches([' ', '\t']);
        member.is_empty() || member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value))
    };
    let members = joined.split(',').filter(|member| !member.trim().is_empty()).count();
    let usable = (1..=STATE_MEMBERS_MAX).contains(&members) && joined.split(',').all(sound);
    usable.then_some(joined)
}

fn is_key(key: &str) -> bool {
    let sane = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    (1..=256).contains(&key.len()) && key.bytes().all(sane)
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len()) && value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=')
}

/// Tells whoever gets `headers` of the span `context`.
pub(super) fn inject(headers: &mut HeaderMap, context: &SpanContext, state: Option<&str>) {
    let SpanContext { trace_id, span_id, is_sampled } = context;
    if let Ok(value) = HeaderValue::try_from(format!("00-{trace_id}-{span_id}-{:02x}", u8::from(*is_sampled))) {
        headers.insert(TRACEPARENT, value);
    }
    if let Some(Ok(value)) = state.map(HeaderValue::from_str) {
        headers.insert(TRACESTATE, value);
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
