//! The bearer token of a request, and what its sender is told.

use http::{HeaderMap, HeaderValue, header};

use super::problem::{Kind, Problem};
use crate::{
    auth::{Authenticator, Decision, Error},
    context::Monotonic,
};

/// Longer than any token that Kubernetes issues, which are below 2 KiB; it bounds what is hashed and sent on.
const TOKEN_BYTES_MAX: usize = 8192;

/// Lets a request to `path` pass, or says why not.
pub(super) async fn check(
    authenticator: &Authenticator,
    headers: &HeaderMap,
    path: &'static str,
    deadline: Monotonic,
) -> Result<(), Problem> {
    let token = bearer_token(headers);
    match authenticator.judge(token, path, deadline).await {
        Ok(Decision::Allowed) => Ok(()),
        Ok(Decision::Forbidden) => {
            Err(Problem::new(Kind::Forbidden, format!("the token's user may not post to {path}")))
        }
        Ok(Decision::Unauthenticated) if token.is_none() => Err(unauthenticated("a bearer token is needed")),
        Ok(Decision::Unauthenticated) => Err(unauthenticated("the token is not accepted")),
        Err(error) => {
            tracing::warn!(%error, "a token could not be reviewed");
            let kind = if error == Error::Deadline { Kind::Deadline } else { Kind::KubernetesApi };
            Err(Problem::new(kind, "the token could not be reviewed; send it again"))
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
