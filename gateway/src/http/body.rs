//! Reading a body: of the right type, not too large, not too slowly.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::problem::{Kind, Problem};
use crate::context::{Context, Monotonic};

/// As long as it may take to send the rest of a body that is a little too large.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// Checks what the head announces, before anything is read.
pub(super) fn check_head(headers: &HeaderMap, max_bytes: usize) -> Result<(), Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Kind::UnsupportedMediaType, "the content type must be application/json"));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large(max_bytes));
    }
    Ok(())
}

/// Reads `body` until `deadline`.
///
/// A slow one is 503, not 408: the network may be at fault, and Alertmanager would take any 4xx for final.
pub(super) async fn read(
    mut body: Body,
    max_bytes: usize,
    deadline: Monotonic,
    context: &Context,
) -> Result<Bytes, Problem> {
    let limited = Limited::new(&mut body, max_bytes);
    match context.timeout_at(deadline, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body, max_bytes, context).await;
            Err(too_large(max_bytes))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a body was cut off");
            Err(Problem::new(Kind::Malformed, "the body could not be read to its end"))
        }
        Err(_) => {
            let problem = Problem::new(Kind::SlowBody, "the body was not received in time; send it again");
            Err(problem.retry_after(Duration::from_secs(1)))
        }
    }
}

/// Reads on for a while, and forgets: a connection that is closed on a client in the middle of its body is reset, and
/// the client may never see the 413 that tells it not to send this again.
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
        tracing::debug!("the rest of a body that is too large was not waited for");
    }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("the body is larger than {max_bytes} bytes"))
}
