//! Who may send signals: bearer tokens, judged by the Kubernetes API.
//!
//! A token's user is found out by TokenReview, and must be allowed the verb `post` on the request's path by
//! SubjectAccessReview. So sending signals, and nothing else, is granted by a ClusterRole with
//! `nonResourceURLs: ["/api/v1/signals/*"], verbs: ["post"]`.
//!
//! Both answers together are believed for a short time, bounded by the configuration: a revoked token stops working
//! within it. Failures to ask are not remembered.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::api::{Api, PostParams};
use sha2::{Digest as _, Sha256};

use super::problem::{Kind, Problem};
use crate::{
    config::Auth,
    context::{Context, Monotonic},
    kubernetes::{Error, Kubernetes, Operation},
    metrics::Metrics,
    ttl_cache::TtlCache,
};

/// Longer than any token that Kubernetes issues, which are below 2 KiB; it bounds what is hashed and sent on.
const TOKEN_BYTES_MAX: usize = 8192;

const REVIEW_TOKEN: Operation = Operation { verb: "create", resource: "tokenreviews" };
const REVIEW_ACCESS: Operation = Operation { verb: "create", resource: "subjectaccessreviews" };

/// The values of the label `outcome`.
const OUTCOMES: [&str; 5] = ["allowed", "forbidden", "unauthenticated", "missing", "error"];

/// A token's SHA-256, never the token itself, and the path asked for.
type Key = ([u8; 32], &'static str);

/// What the Kubernetes API says of a token and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Allowed,
    Forbidden,
    Unauthenticated,
}

/// Judges bearer tokens; cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    kubernetes: Kubernetes,
    metrics: Metrics,
    settings: Auth,
    /// Tokens that were accepted; apart from the others, so that a flood of bad tokens pushes no good one out.
    accepted: TtlCache<Key, (), Error>,
    /// Reviews under way, and refusals.
    reviews: TtlCache<Key, Decision, Error>,
}

impl Authenticator {
    /// Asks `kubernetes`, and remembers its answers as `settings` say. `settings.mode` is the caller's to look at.
    pub fn new(kubernetes: Kubernetes, settings: &Auth, context: &Context, metrics: &Metrics) -> Self {
        let accepted = TtlCache::new(context.clone(), settings.cache_size);
        let reviews = TtlCache::new(context.clone(), settings.cache_size);
        // Exposed from the start: a rate over a counter that begins at 1 misses the first refusal.
        for outcome in OUTCOMES {
            metrics.auth_decisions.with_label_values(&[outcome]);
        }
        Self { kubernetes, metrics: metrics.clone(), settings: settings.clone(), accepted, reviews }
    }

    /// Lets a request to `path` pass, or says why not.
    pub(super) async fn check(
        &self,
        headers: &HeaderMap,
        path: &'static str,
        deadline: Monotonic,
    ) -> Result<(), Problem> {
        let Some(token) = bearer_token(headers) else {
            self.count("missing");
            return Err(unauthenticated("a bearer token is needed"));
        };
        match self.decision(token, path, deadline).await {
            Ok(Decision::Allowed) => {
                self.count("allowed");
                Ok(())
            }
            Ok(Decision::Forbidden) => {
                self.count("forbidden");
                Err(Problem::new(Kind::Forbidden, format!("the token's user may not post to {path}")))
            }
            Ok(Decision::Unauthenticated) => {
                self.count("unauthenticated");
                Err(unauthenticated("the token is not accepted"))
            }
            Err(error) => {
                self.count("error");
                tracing::warn!(%error, "a token could not be reviewed");
                let kind = if error == Error::Deadline { Kind::Deadline } else { Kind::KubernetesApi };
                Err(Problem::new(kind, "the token could not be reviewed; send it again"))
            }
        }
    }

    fn count(&self, outcome: &str) {
        self.metrics.auth_decisions.with_label_values(&[outcome]).inc();
    }

    async fn decision(&self, token: &str, path: &'static str, deadline: Monotonic) -> Result<Decision, Error> {
        let key = (Sha256::digest(token.as_bytes()).into(), path);
        if self.accepted.get(&key).is_some() {
            return Ok(Decision::Allowed);
        }
        let Auth { cache_ttl, negative_cache_ttl, .. } = self.settings;
        let ttl_of = move |decision: &Decision| match decision {
            Decision::Allowed => Duration::ZERO,
            Decision::Forbidden | Decision::Unauthenticated => negative_cache_ttl,
        };
        let load = || review(self.kubernetes.clone(), token.to_owned(), path, deadline);
        let decision = self.reviews.get_or_load(key, ttl_of, load).await?;
        if decision == Decision::Allowed {
            self.accepted.insert(key, (), cache_ttl);
        }
        Ok(decision)
    }
}

async fn review(
    kubernetes: Kubernetes,
    token: String,
    path: &'static str,
    deadline: Monotonic,
) -> Result<Decision, Error> {
    let Some(user) = review_token(&kubernetes, token, deadline).await? else { return Ok(Decision::Unauthenticated) };
    let allowed = review_access(&kubernetes, user, path, deadline).await?;
    Ok(if allowed { Decision::Allowed } else { Decision::Forbidden })
}

/// Whose token it is; nobody's if it is not accepted.
async fn review_token(kubernetes: &Kubernetes, token: String, deadline: Monotonic) -> Result<Option<UserInfo>, Error> {
    let api: Api<TokenReview> = Api::all(kubernetes.client());
    let spec = TokenReviewSpec { token, ..TokenReviewSpec::default() };
    let review = TokenReview { spec, ..TokenReview::default() };
    let params = PostParams::default();
    let review = kubernetes.call(REVIEW_TOKEN, deadline, || api.create(&params, &review)).await?;
    let status = review.status.unwrap_or_default();
    let authenticated = status.authenticated == Some(true) && status.error.as_deref().unwrap_or_default().is_empty();
    Ok(status.user.filter(|_| authenticated))
}

async fn review_access(
    kubernetes: &Kubernetes,
    user: UserInfo,
    path: &'static str,
    deadline: Monotonic,
) -> Result<bool, Error> {
    let api: Api<SubjectAccessReview> = Api::all(kubernetes.client());
    let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("post".to_owned()) };
    let spec = SubjectAccessReviewSpec {
        user: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        non_resource_attributes: Some(attributes),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let params = PostParams::default();
    let review = kubernetes.call(REVIEW_ACCESS, deadline, || api.create(&params, &review)).await?;
    Ok(review.status.is_some_and(|status| status.allowed && status.denied != Some(true)))
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
