//! Reading a body: of the right type, not too large, not too slowly.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::problem::{Kind, Problem};
use crate::context::{Context, Monotonic};

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
    body: Body,
    max_bytes: usize,
    deadline: Monotonic,
    context: &Context,
) -> Result<Bytes, Problem> {
    let limited = Limited::new(body, max_bytes);
    match context.timeout_at(deadline, limited.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(max_bytes)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a body was cut off");
            Err(Problem::new(Kind::Malformed, "the body could not be read to its end"))
        }
        Err(_) => {
            let problem = Problem::new(Kind::SlowBody, "the body was not received in time; send it again");
            Err(problem.retry_after(std::time::Duration::from_secs(1)))
        }
    }
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("the body is larger than {max_bytes} bytes"))
}
