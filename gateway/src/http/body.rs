//! Reading a body: of the right type, not too large, not too slowly.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt as _;

use super::{
    memory::{Budget, Charge, Reading},
    problem::{Kind, Problem},
};
use crate::context::{Context, Monotonic};

/// As long as it may take to send the rest of a body that is a little too large.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// A body's buffer begins with this, or less if it is announced to be smaller, and doubles.
const CAPACITY_MIN: usize = 4096;

/// Checks what the head announces, before anything is read.
pub(super) fn check_head(headers: &HeaderMap, max_bytes: usize) -> Result<(), Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Kind::UnsupportedMediaType, "the content type must be application/json"));
    }
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.into_iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let problem =
            Problem::new(Kind::UnsupportedMediaType, "Content-Encoding is not supported: send the body uncompressed");
        return Err(problem.header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")));
    }
    if announced(headers).is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large(max_bytes));
    }
    Ok(())
}

/// The length that the head announces.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads `body` until `deadline` into memory of `budget`, of which it takes nothing before the first byte has come.
///
/// A slow one is 503, not 408: the network may be at fault, and Alertmanager would take any 4xx for final.
pub(super) async fn read(
    mut body: Body,
    announced: Option<u64>,
    budget: &Budget,
    max_bytes: usize,
    deadline: Monotonic,
    context: &Context,
) -> Result<(Bytes, Charge), Failure> {
    let mut reading = budget.begin(announced);
    let evicted = reading.evicted();
    let collected = {
        let collecting = collect(&mut body, &mut reading, max_bytes);
        context.timeout_at(deadline, evicted.run_until_cancelled(collecting)).await
    };
    match collected {
        Ok(Some(Ok(bytes))) => Ok((bytes, reading.finish())),
        Ok(Some(Err(Failure::TooLarge))) => {
            drop(reading);
            discard(body, max_bytes, context).await;
            Err(Failure::TooLarge)
        }
        Ok(Some(Err(failure))) => Err(failure),
        Ok(None) | Err(_) => Err(Failure::Slow),
    }
}

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    TooLarge,
    CutOff,
    Slow,
    NoMemory,
}

impl Failure {
    pub(super) fn problem(&self, max_bytes: usize) -> Problem {
        let soon = Duration::from_secs(1);
        match self {
            Self::TooLarge => too_large(max_bytes),
            Self::CutOff => Problem::new(Kind::Malformed, "the body ended early"),
            Self::Slow => {
                Problem::new(Kind::SlowBody, "the body was not received in time; send it again").retry_after(soon)
            }
            Self::NoMemory => {
                Problem::new(Kind::Busy, "too many bodies are being received; send it again").retry_after(soon)
            }
        }
    }
}

/// One piece of memory, whatever the pieces that the body came in: a piece of one byte would hold a buffer of the connection's.
async fn collect(body: &mut Body, reading: &mut Reading<'_>, max_bytes: usize) -> Result<Bytes, Failure> {
    let mut collected = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            tracing::debug!(%error, "a body was cut off");
            Failure::CutOff
        })?;
        let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) else { continue };
        let needed = collected.len().saturating_add(data.len());
        if needed > max_bytes {
            return Err(Failure::TooLarge);
        }
        let limit = reading.reserve(needed).await.map_err(|_| Failure::NoMemory)?;
        if collected.capacity() < needed {
            let capacity = needed.next_power_of_two().max(CAPACITY_MIN).min(limit);
            collected.reserve_exact(capacity - collected.len());
        }
        collected.extend_from_slice(data);
    }
    Ok(collected.into())
}

/// Reads the rest of a body for a while and discards it: closing a connection while the client is still sending resets it,
/// and the client might never see the 413, which tells it not to retry.
pub(super) async fn discard(mut body: Body, max_bytes: usize, context: &Context) {
    let reading = async {
        let mut left = max_bytes;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(bytes) else { break };
            left = rest;
        }
    };
    if context.timeout(DISCARD_TIME_MAX, reading).await.is_err() {
        tracing::debug!("did not wait for the rest of a body that is too large");
    }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("the body is larger than {max_bytes} bytes"))
}
