//! Answers, before they are HTTP responses.

use bytes::Bytes;
use serde::Serialize;

use super::{
    render::to_bytes,
    status::{Failure, Result},
    watch::Watch,
};

/// An answer, before it is an HTTP response.
pub(super) enum Reply {
    /// An answer that is complete.
    Full { code: u16, content_type: &'static str, retry_after_s: Option<u64>, body: Bytes },
    /// A stream of events.
    Watch(Box<Watch>),
}

impl Reply {
    /// A JSON document.
    pub(super) fn json(code: u16, value: &impl Serialize) -> Self {
        Self::bytes(code, to_bytes(value))
    }

    /// A JSON document that is written already.
    pub(super) fn bytes(code: u16, body: Bytes) -> Self {
        Self::Full { code, content_type: "application/json", retry_after_s: None, body }
    }

    /// A JSON document of a type of its own.
    pub(super) fn document(content_type: &'static str, value: &impl Serialize) -> Self {
        Self::Full { code: 200, content_type, retry_after_s: None, body: to_bytes(value) }
    }

    /// A plain text.
    pub(super) fn text(code: u16, text: &'static str) -> Self {
        let body = Bytes::from_static(text.as_bytes());
        Self::Full { code, content_type: "text/plain; charset=utf-8", retry_after_s: None, body }
    }

    /// Nothing, with success.
    pub(super) fn no_content() -> Self {
        Self::Full { code: 204, content_type: "", retry_after_s: None, body: Bytes::new() }
    }

    /// What go-restful says about a path that no resource has.
    pub(super) fn unknown_path() -> Self {
        Self::text(404, "404 page not found\n")
    }

    pub(super) fn failure(failure: &Failure) -> Self {
        let retry_after_s = failure.retry_after_seconds();
        let body = to_bytes(&failure.to_value());
        Self::Full { code: failure.code(), content_type: "application/json", retry_after_s, body }
    }

    /// The HTTP status.
    pub(super) const fn code(&self) -> u16 {
        match self {
            Self::Full { code, .. } => *code,
            Self::Watch(_) => 200,
        }
    }

    /// What is in it; empty for a stream.
    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Full { body, .. } => body,
            Self::Watch(_) => &[],
        }
    }
}

impl From<Result<Self>> for Reply {
    fn from(result: Result<Self>) -> Self {
        result.unwrap_or_else(|failure| Self::failure(&failure))
    }
}
