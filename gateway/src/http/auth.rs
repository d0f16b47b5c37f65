//! The bearer token of a request, and what its sender is told.

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use tracing::{Level, Span};

use super::{
    problem::{Kind, Problem},
    server::network,
};
use crate::{
    auth::{Authenticator, Decision, Error},
    context::Monotonic,
    log_limit::LogLimit,
};

/// Longer than any token that Kubernetes issues, which are below 2 KiB; it bounds what is hashed and sent on.
const TOKEN_BYTES_MAX: usize = 8192;

/// `Retry-After` for a sender whose token exceeds the review limit.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// A request that does not pass.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What its sender is told.
    pub(super) problem: Problem,
    /// Whether that is for the token, and not for the Kubernetes API, which could not be asked.
    pub(super) is_for_token: bool,
}

/// Lets a request to `path` pass, or says why not. Whose token it is becomes part of the request's span; who is refused is
/// logged as far as `log` allows.
pub(super) async fn check(
    authenticator: &Authenticator,
    log: &LogLimit,
    headers: &HeaderMap,
    path: &'static str,
    peer: Option<IpAddr>,
    deadline: Monotonic,
) -> Result<(), Refusal> {
    let token = bearer_token(headers);
    let refuse = |problem| Err(Refusal { problem, is_for_token: true });
    // Whoever has one address of a network has as many as there are reviews.
    match authenticator.judge(token, path, peer.map(network), deadline).await {
        Ok(Decision::Allowed(user)) => {
            Span::current().record("user", &*user);
            Ok(())
        }
        Ok(Decision::Forbidden(user)) => {
            Span::current().record("user", &*user);
            if log.admits("forbidden", Level::WARN) {
                tracing::warn!(reason = "forbidden", "answered 403: this user is not allowed to post to {path}");
            }
            refuse(Problem::new(Kind::Forbidden, format!("the token's user is not allowed to post to {path}")))
        }
        Ok(Decision::Unauthenticated) => {
            let (reason, detail) = match token {
                None => ("missing", "a bearer token is required"),
                Some(_) => ("unauthenticated", "the bearer token is not valid"),
            };
            if log.admits(reason, Level::WARN) {
                tracing::warn!(reason, "answered 401: {detail}");
            }
            refuse(unauthenticated(detail))
        }
        Err(Error::Limited) => {
            if log.admits("limited", Level::WARN) {
                tracing::warn!(reason = "limited", "answered 503: token review limit reached");
            }
            let problem = Problem::new(Kind::Busy, "token review limit reached; send it again");
            refuse(problem.retry_after(RETRY_SOON).logged())
        }
        Err(error) => {
            if log.admits("unreviewed", Level::WARN) {
                tracing::warn!(%error, reason = "unreviewed", "a token review failed");
            }
            let problem = |kind| Problem::new(kind, "the token review failed; send it again").logged();
            let problem = match error {
                Error::Throttled(pause) => problem(Kind::Busy).retry_after(pause),
                Error::Deadline => problem(Kind::Deadline),
                _ => problem(Kind::KubernetesApi),
            };
            Err(Refusal { problem, is_for_token: false })
        }
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750); none if the header is missing, repeated, too long or malformed.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    let valid = (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(allowed);
    (scheme.eq_ignore_ascii_case("bearer") && valid).then_some(token)
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Kind::Unauthenticated, detail).header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests;
