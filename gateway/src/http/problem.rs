//! Errors as `application/problem+json` (RFC 9457).

use std::{collections::BTreeMap, time::Duration};

use axum::{body::Body, response::Response};
use http::{
    HeaderValue, StatusCode,
    header::{self, HeaderName},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::info::RequestInfo;

/// The media type of problems.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What kind of problem it is: decides type, title and status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the titles say it")]
pub enum Kind {
    Malformed,
    NotStored,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    BodyTooLarge,
    UnsupportedMediaType,
    Internal,
    KubernetesApi,
    Busy,
    ShuttingDown,
    SlowBody,
    Deadline,
}

impl Kind {
    /// Every kind, from which the statuses of the signal routes follow.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::NotStored,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::Internal,
        Self::KubernetesApi,
        Self::Busy,
        Self::ShuttingDown,
        Self::SlowBody,
        Self::Deadline,
    ];

    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "Malformed signal"),
            Self::NotStored => (StatusCode::BAD_REQUEST, "not-stored", "RemediationRequest not admitted"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Not authenticated"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed to send signals"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "No such path"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::KubernetesApi => (StatusCode::INTERNAL_SERVER_ERROR, "kubernetes-api", "Kubernetes API error"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Too busy"),
            Self::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting-down", "Shutting down"),
            Self::SlowBody => (StatusCode::SERVICE_UNAVAILABLE, "slow-body", "Body not received in time"),
            Self::Deadline => (StatusCode::GATEWAY_TIMEOUT, "deadline", "Deadline exceeded"),
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        self.parts().0
    }

    /// The member `type` of RFC 9457: a URI that identifies the kind.
    pub fn type_uri(self) -> String {
        format!("https://kubernaut.ai/problems/{}", self.parts().1)
    }
}

/// Named members as text: a tree of a thousand results would take ten times as much.
pub(super) type Extensions = Vec<(&'static str, Box<RawValue>)>;

/// An error answer, except for what is of its request.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) kind: Kind,
    /// For the sender: nothing internal.
    pub(super) detail: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Members beyond those of RFC 9457.
    pub(super) extensions: Extensions,
    /// Whether the log tells of it already.
    pub(super) is_logged: bool,
}

/// An extension of an answer: the log tells why it is none of success.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logged;

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), headers: Vec::new(), extensions: Vec::new(), is_logged: false }
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The log tells why: it needs no line for the answer.
    pub(super) fn logged(self) -> Self {
        Self { is_logged: true, ..self }
    }

    /// When to send again, rounded up to whole seconds, one at least: 0 would mean at once.
    pub(super) fn retry_after(self, pause: Duration) -> Self {
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    pub(super) fn respond(self, request: &RequestInfo) -> Response {
        let (status, _, title) = self.kind.parts();
        let members = Members {
            r#type: self.kind.type_uri(),
            title,
            detail: &self.detail,
            status: status.as_u16(),
            instance: &request.path,
            request_id: &request.id,
            extensions: self.extensions.iter().map(|(name, value)| (*name, &**value)).collect(),
        };
        // Nothing of it can fail to be text.
        let body = serde_json::to_vec(&members).unwrap_or_default();
        let mut response = json_response(status, CONTENT_TYPE, body);
        response.headers_mut().extend(self.headers);
        if self.is_logged {
            response.extensions_mut().insert(Logged);
        }
        response
    }
}

/// The members of RFC 9457, and others.
#[derive(Serialize)]
struct Members<'a> {
    r#type: String,
    title: &'static str,
    detail: &'a str,
    status: u16,
    instance: &'a str,
    request_id: &'a str,
    #[serde(flatten)]
    extensions: BTreeMap<&'static str, &'a RawValue>,
}

pub(super) fn json_response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
