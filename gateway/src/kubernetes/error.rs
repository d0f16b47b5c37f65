//! What became of requests that did not succeed.

use std::{io, time::Duration};

use super::{
    answers::TooLong,
    text::{causes, excerpt, with_causes},
};

/// The longest pause that an API server may ask for: senders are told it, and repeat sooner than this by themselves.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// What became of a request to the Kubernetes API that did not succeed.
///
/// Texts are the beginning of what was said, on one line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// 404: no such object.
    #[error("not found: {0}")]
    NotFound(String),
    /// 409 with reason AlreadyExists.
    #[error("already exists: {0}")]
    AlreadyExists(String),
    /// 409 for any other reason: the resourceVersion or another precondition did not hold.
    #[error("conflict: {0}")]
    Conflict(String),
    /// 410: the resourceVersion is too old.
    #[error("gone: {0}")]
    Gone(String),
    /// 422: the object is not valid.
    #[error("invalid: {0}")]
    Invalid(String),
    /// 401 or 403: credentials, RBAC rules or admission, such as a quota.
    #[error("permission denied: {0}")]
    Forbidden(String),
    /// 400, 413 or another 4xx: the server, or something before it, cannot use the request.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// 429, to the end of the deadline, or not sent before the time that the last 429 named: nothing took effect.
    #[error("throttled: {message}")]
    Throttled {
        /// What the API said.
        message: String,
        /// When it asks to be tried again.
        retry_after: Duration,
    },
    /// 500, 503 or 504, to the end of the retries: it may have taken effect.
    #[error("unavailable ({code}): {message}")]
    Unavailable {
        /// The HTTP status.
        code: u16,
        /// What the API said.
        message: String,
    },
    /// No answer: refused, reset or cut off. It may have taken effect.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// Not sent, because the API server does not respond at the moment: nothing took effect.
    #[error("not sent: the Kubernetes API server does not respond")]
    NotSent,
    /// No answer within the deadline. It may take effect later, within the longest life of a sent request.
    #[error("no response within the deadline")]
    Deadline,
    /// Longer than any answer should be. It may have taken effect.
    #[error("{0}")]
    TooLong(String),
    /// Any other answer, such as one that cannot be read. It may have taken effect.
    #[error("unexpected response: {0}")]
    Unexpected(String),
}

impl Error {
    /// Whether a right is missing. A token that is not accepted, as while an API server starts, is another matter: that passes.
    pub fn is_missing_right(&self) -> bool {
        matches!(self, Self::Forbidden(message) if !message.contains("Unauthorized"))
    }

    /// Whether the request may have taken effect although it failed.
    pub const fn is_ambiguous(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Unreachable(_)
            | Self::Deadline
            | Self::TooLong(_)
            | Self::Unexpected(_) => true,
            Self::NotFound(_)
            | Self::AlreadyExists(_)
            | Self::Conflict(_)
            | Self::Gone(_)
            | Self::Invalid(_)
            | Self::Forbidden(_)
            | Self::BadRequest(_)
            | Self::Throttled { .. }
            | Self::NotSent => false,
        }
    }
}

/// The `code` label of a result: the status where one came back, else why none did.
pub(super) fn code<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::NotFound(_)) => "404",
        Err(Error::AlreadyExists(_) | Error::Conflict(_)) => "409",
        Err(Error::Gone(_)) => "410",
        Err(Error::Invalid(_)) => "422",
        Err(Error::Forbidden(_)) => "403",
        Err(Error::Throttled { .. }) => "429",
        Err(Error::Unavailable { .. }) => "5xx",
        Err(Error::Unreachable(_) | Error::NotSent) => "unreachable",
        Err(Error::Deadline) => "timeout",
        Err(Error::BadRequest(_) | Error::TooLong(_) | Error::Unexpected(_)) => "other",
    }
}

/// kube's error as this gateway tells errors apart.
pub fn classify(error: kube::Error) -> Error {
    let status = match error {
        kube::Error::Api(status) => status,
        kube::Error::SerdeError(error) => return Error::Unexpected(excerpt(&error.to_string())),
        kube::Error::FromUtf8(error) => return Error::Unexpected(excerpt(&error.to_string())),
        other => return without_answer(&other),
    };
    let message = excerpt(&status.message);
    match status.code {
        // Whatever stands before the API server may say it in other words.
        401 if !message.contains("Unauthorized") => Error::Forbidden(format!("Unauthorized: {message}")),
        401 | 403 => Error::Forbidden(message),
        404 => Error::NotFound(message),
        408 => Error::Unavailable { code: 408, message },
        409 if status.is_already_exists() => Error::AlreadyExists(message),
        409 => Error::Conflict(message),
        410 => Error::Gone(message),
        422 => Error::Invalid(message),
        429 => Error::Throttled { message, retry_after: retry_after(&status) },
        400..=499 => Error::BadRequest(message),
        500 if is_too_large_for_etcd(&message) => Error::BadRequest(message),
        code @ 500..=599 => Error::Unavailable { code, message },
        code => Error::Unexpected(format!("{code}: {message}")),
    }
}

/// Whether a 500 is etcd's refusal of an object, for good, which kube-apiserver passes on as a failure of its own.
fn is_too_large_for_etcd(message: &str) -> bool {
    message.contains("etcdserver: request is too large") || message.contains("trying to send message larger than max")
}

fn without_answer(error: &kube::Error) -> Error {
    match causes(error).find_map(|cause| cause.downcast_ref::<TooLong>()) {
        Some(too_long) => Error::TooLong(too_long.to_string()),
        None => Error::Unreachable(with_causes(error)),
    }
}

/// When the API server asks to be tried again; zero if it does not say.
fn retry_after(status: &kube::core::Status) -> Duration {
    let secs = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    Duration::from_secs(u64::from(secs)).min(RETRY_AFTER_MAX)
}

/// When an overloaded API server asks to be tried again, by 429 or 503.
pub(super) fn asked_to_wait(error: &kube::Error) -> Option<Duration> {
    match error {
        kube::Error::Api(status) if matches!(status.code, 429 | 503) => {
            Some(retry_after(status)).filter(|pause| !pause.is_zero())
        }
        _ => None,
    }
}

/// Whether the other side has said nothing at all: its machine, or the way to it, is gone. One that refuses or resets a
/// connection is there, or its machine is.
pub(super) fn is_silence(error: &kube::Error) -> bool {
    causes(error).any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(io, Some(io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable))
            || cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
    })
}
