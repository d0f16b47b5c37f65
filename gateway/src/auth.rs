//! Who may send signals: bearer tokens, judged by the Kubernetes API.
//!
//! A token's user is found out by TokenReview, and must be allowed the verb `post` on the request's path by
//! SubjectAccessReview. So sending signals, and nothing else, is granted by a ClusterRole with
//! `nonResourceURLs: ["/api/v1/signals/*"], verbs: ["post"]`.
//!
//! Both answers together are believed for a short time, bounded by the configuration: a revoked token stops working
//! within it. Failures to ask are not remembered. How much may be asked is bounded by [`limit`].

use std::{net::IpAddr, sync::Arc, time::Duration};

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use sha2::{Digest as _, Sha256};

use crate::{
    config::Auth,
    context::{Context, Monotonic},
    kubernetes::{self, Api, Kubernetes, Operation, excerpt},
    metrics::Metrics,
    ttl_cache::TtlCache,
};
use limit::{ReviewLimit, Standing};

mod limit;

const REVIEW_TOKEN: Operation = Operation { verb: "create", resource: "tokenreviews" };
const REVIEW_ACCESS: Operation = Operation { verb: "create", resource: "subjectaccessreviews" };

/// The values of the label `outcome`.
const OUTCOMES: [&str; 6] = ["allowed", "forbidden", "unauthenticated", "missing", "error", "limited"];

/// A token's SHA-256, never the token itself, and the path asked for.
type Key = ([u8; 32], &'static str);

/// What the Kubernetes API says of a token and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The token's user, who is called so, may post to the path.
    Allowed(Arc<str>),
    /// The token's user, who is called so, may not.
    Forbidden(Arc<str>),
    /// The token is not valid.
    Unauthenticated,
}

/// Nothing is known of a token; it may be when it is sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The Kubernetes API was not asked, or did not answer, in time.
    #[error("no response within the deadline")]
    Deadline,
    /// The Kubernetes API failed or refused to say.
    #[error("{0}")]
    Kubernetes(String),
    /// The Kubernetes API is throttling, and asks to be asked again after this time.
    #[error("the Kubernetes API is throttling")]
    Throttled(Duration),
    /// Too many tokens that are not known are sent.
    #[error("token review limit reached")]
    Limited,
}

impl From<kubernetes::Error> for Error {
    fn from(error: kubernetes::Error) -> Self {
        match error {
            kubernetes::Error::Deadline => Self::Deadline,
            kubernetes::Error::Throttled { retry_after, .. } => Self::Throttled(retry_after),
            other => Self::Kubernetes(other.to_string()),
        }
    }
}

/// Judges bearer tokens; cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    kubernetes: Kubernetes,
    metrics: Metrics,
    settings: Auth,
    /// Tokens that were accepted; apart from the others, so that a flood of bad tokens pushes no good one out.
    accepted: TtlCache<Key, Arc<str>, Error>,
    /// Reviews under way, and refusals.
    reviews: TtlCache<Key, Decision, Error>,
    limit: ReviewLimit,
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
        let limit = ReviewLimit::new(settings.max_reviews_per_second, context);
        Self { kubernetes, metrics: metrics.clone(), settings: settings.clone(), accepted, reviews, limit }
    }

    /// Whether the bearer of `token`, or of none at all, who is at `peer` if that is known, may post to `path`.
    ///
    /// # Errors
    /// If it cannot be found out until `deadline`, or too much is asked.
    pub async fn judge(
        &self,
        token: Option<&str>,
        path: &'static str,
        peer: Option<IpAddr>,
        deadline: Monotonic,
    ) -> Result<Decision, Error> {
        let Some(token) = token else {
            self.count("missing");
            return Ok(Decision::Unauthenticated);
        };
        let decision = self.decision(token, path, peer, deadline).await;
        self.count(match &decision {
            Ok(Decision::Allowed(_)) => "allowed",
            Ok(Decision::Forbidden(_)) => "forbidden",
            Ok(Decision::Unauthenticated) => "unauthenticated",
            Err(Error::Limited) => "limited",
            Err(Error::Deadline | Error::Kubernetes(_) | Error::Throttled(_)) => "error",
        });
        decision
    }

    fn count(&self, outcome: &str) {
        self.metrics.auth_decisions.with_label_values(&[outcome]).inc();
    }

    async fn decision(
        &self,
        token: &str,
        path: &'static str,
        peer: Option<IpAddr>,
        deadline: Monotonic,
    ) -> Result<Decision, Error> {
        let key = (Sha256::digest(token.as_bytes()).into(), path);
        if let Some(user) = self.accepted.get(&key) {
            return Ok(Decision::Allowed(user));
        }
        let Auth { cache_ttl, negative_cache_ttl, .. } = self.settings;
        let ttl_of = move |decision: &Decision| match decision {
            Decision::Allowed(_) => Duration::ZERO,
            Decision::Forbidden(_) | Decision::Unauthenticated => negative_cache_ttl,
        };
        // It was accepted before and is due for another review, which made-up tokens never were.
        let standing = if self.accepted.get_stale(&key).is_some() { Standing::Known } else { Standing::Unknown(peer) };
        let load = || {
            let (limit, kubernetes, token) = (self.limit.clone(), self.kubernetes.clone(), token.to_owned());
            async move {
                let _place = limit.admit(standing).await.ok_or(Error::Limited)?;
                Ok(review(kubernetes, token, path, deadline).await?)
            }
        };
        let decision = self.reviews.get_or_load(key, ttl_of, load).await?;
        if let Decision::Allowed(user) = &decision {
            self.accepted.insert(key, Arc::clone(user), cache_ttl);
        }
        Ok(decision)
    }

    #[cfg(test)]
    pub(crate) fn refusals(&self) -> usize {
        self.reviews.len()
    }
}

async fn review(
    kubernetes: Kubernetes,
    token: String,
    path: &'static str,
    deadline: Monotonic,
) -> Result<Decision, kubernetes::Error> {
    let Some(user) = review_token(&kubernetes, token, deadline).await? else { return Ok(Decision::Unauthenticated) };
    let name: Arc<str> = user.username.as_deref().unwrap_or_default().into();
    let allowed = review_access(&kubernetes, user, path, deadline).await?;
    Ok(if allowed { Decision::Allowed(name) } else { Decision::Forbidden(name) })
}

/// The user that the token belongs to; none if the token is not valid.
async fn review_token(
    kubernetes: &Kubernetes,
    token: String,
    deadline: Monotonic,
) -> Result<Option<UserInfo>, kubernetes::Error> {
    let api: Api<TokenReview> = kube::Api::all(kubernetes.client()).into();
    let spec = TokenReviewSpec { token, ..TokenReviewSpec::default() };
    let review = TokenReview { spec, ..TokenReview::default() };
    let review = kubernetes.call(REVIEW_TOKEN, deadline, || api.create(&review)).await?;
    let status = review.status.unwrap_or_default();
    let authenticated = status.authenticated == Some(true) && status.error.as_deref().unwrap_or_default().is_empty();
    Ok(status.user.filter(|_| authenticated))
}

async fn review_access(
    kubernetes: &Kubernetes,
    user: UserInfo,
    path: &'static str,
    deadline: Monotonic,
) -> Result<bool, kubernetes::Error> {
    let api: Api<SubjectAccessReview> = kube::Api::all(kubernetes.client()).into();
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
    let review = kubernetes.call(REVIEW_ACCESS, deadline, || api.create(&review)).await?;
    let status = review.status.unwrap_or_default();
    let denied = status.denied == Some(true);
    match status.evaluation_error.filter(|error| !error.is_empty()) {
        // An authorizer that could not be asked, such as a webhook, has no opinion. What RBAC lacks is no such error.
        Some(error) if !status.allowed && !denied => {
            Err(kubernetes::Error::Unexpected(format!("the access review says: {}", excerpt(&error))))
        }
        _ => Ok(status.allowed && !denied),
    }
}
