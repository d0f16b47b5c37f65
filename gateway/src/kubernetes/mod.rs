//! Requests to the Kubernetes API: one bounded, deadline-aware retry policy, timeouts and metrics for all of them.
//!
//! kube's own retries repeat every verb, creates included; they are switched off, and this module decides instead, the
//! same in production and simulation.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::{Client, api::ListParams, core::ListMeta};

use self::breaker::{Breaker, MEANINGFUL_WAIT};

use crate::{
    config::Retry,
    context::{Context, Monotonic},
    metrics::Metrics,
};

mod breaker;
pub mod cluster;

/// What became of a request to the Kubernetes API that did not succeed.
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
    /// 401 or 403.
    #[error("permission denied: {0}")]
    Forbidden(String),
    /// 400 or 413: the server, or something before it, cannot use the request.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// 429, to the end of the deadline: nothing took effect.
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
    /// No answer within the deadline. It may take effect later, within the longest life of a sent request.
    #[error("no answer within the deadline")]
    Deadline,
    /// Any other answer, such as one that cannot be read.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}

impl Error {
    /// Whether the request may have taken effect although it failed.
    pub const fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Unreachable(_) | Self::Deadline)
    }
}

/// Verb and plural resource name of a request, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// create, get, list, watch, update, patch or delete.
    pub verb: &'static str,
    /// Such as `leases` or `remediationrequests/status`.
    pub resource: &'static str,
}

/// The Kubernetes API as one gateway instance uses it; cheap to clone.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    context: Context,
    metrics: Metrics,
    retry: Retry,
    breaker: Arc<Mutex<Breaker>>,
}

/// The label `name` of the metric that shows the circuit's state.
const CIRCUIT: &str = "kubernetes-api";

impl Kubernetes {
    /// Requests go through `client`, whose own retries must be off.
    pub fn new(client: Client, context: Context, metrics: Metrics, retry: Retry) -> Self {
        let kubernetes = Self { client, context, metrics, retry, breaker: Arc::default() };
        kubernetes.with_breaker(|_| ());
        kubernetes
    }

    /// The client, to build a `kube::Api` from.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs `request`, again after 503 and 504 until the tries are used up, and after 429 as often as it takes (nothing
    /// took effect, and the server asks to come again): with backoff, `Retry-After` honoured, until `deadline` at most.
    ///
    /// # Errors
    /// The last answer, or [`Error::Deadline`].
    pub async fn call<T, F, Fut>(&self, operation: Operation, deadline: Monotonic, mut request: F) -> Result<T, Error>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = kube::Result<T>>,
    {
        let mut backoff = self.retry.initial_backoff;
        let mut tries = 1;
        loop {
            let error = match self.once(operation, deadline, request()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let pause = match &error {
                Error::Throttled { retry_after, .. } => (*retry_after).max(backoff),
                Error::Unavailable { code: 503 | 504, .. } if tries < self.retry.max_attempts => {
                    tries += 1;
                    backoff
                }
                _ => return Err(error),
            };
            let pause = self.context.jitter(pause, pause + pause / 2);
            if self.context.monotonic() + pause >= deadline {
                return Err(error);
            }
            backoff = (backoff * 2).min(self.retry.max_backoff);
            self.context.sleep(pause).await;
        }
    }

    /// Uses the circuit breaker and shows its state.
    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut breaker);
        self.metrics.circuit_breaker_state.with_label_values(&[CIRCUIT]).set(breaker.state().value());
        result
    }

    /// Runs `request` a single time, until `deadline` at most.
    ///
    /// # Errors
    /// What the API answered, or [`Error::Deadline`].
    pub async fn once<T>(
        &self,
        operation: Operation,
        deadline: Monotonic,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        let start = self.context.monotonic();
        if start >= deadline {
            return Err(Error::Deadline);
        }
        if !self.with_breaker(|breaker| breaker.admits(start)) {
            return Err(Error::Unreachable("the last requests went unanswered: not tried".to_owned()));
        }
        let result = self.aside(operation, deadline, request).await;
        let now = self.context.monotonic();
        match &result {
            Err(Error::Deadline) if now.since(start) >= MEANINGFUL_WAIT => {
                self.with_breaker(|breaker| breaker.unanswered(now));
            }
            Err(Error::Deadline) => {}
            _ => self.with_breaker(Breaker::answered),
        }
        result
    }

    /// Runs `request` a single time, until `deadline` at most, past the circuit breaker: what no signal waits for is to
    /// hold none up either.
    ///
    /// # Errors
    /// What the API answered, or [`Error::Deadline`].
    pub async fn aside<T>(
        &self,
        operation: Operation,
        deadline: Monotonic,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        let start = self.context.monotonic();
        let result = match self.context.timeout_at(deadline, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(classify(error)),
            Err(_) => Err(Error::Deadline),
        };
        let Operation { verb, resource } = operation;
        let took = self.context.monotonic().since(start);
        self.metrics
            .kubernetes_request_duration_seconds
            .with_label_values(&[verb, resource])
            .observe(took.as_secs_f64());
        self.metrics.kubernetes_requests.with_label_values(&[verb, resource, code(&result)]).inc();
        result
    }
}

/// The `code` label of a result: the status where one came back, else why none did.
fn code<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::NotFound(_)) => "404",
        Err(Error::AlreadyExists(_) | Error::Conflict(_)) => "409",
        Err(Error::Gone(_)) => "410",
        Err(Error::Invalid(_)) => "422",
        Err(Error::Forbidden(_)) => "403",
        Err(Error::Throttled { .. }) => "429",
        Err(Error::Unavailable { .. }) => "5xx",
        Err(Error::Unreachable(_)) => "unreachable",
        Err(Error::Deadline) => "timeout",
        Err(Error::BadRequest(_) | Error::Unexpected(_)) => "other",
    }
}

/// Makes `params` ask for the page after the one with `metadata`; whether there is one.
pub fn turn_page(params: &mut ListParams, metadata: &ListMeta) -> bool {
    params.continue_token = metadata.continue_.clone().filter(|token| !token.is_empty());
    params.continue_token.is_some()
}

/// kube's error as this gateway tells errors apart.
pub fn classify(error: kube::Error) -> Error {
    let status = match error {
        kube::Error::Api(status) => status,
        kube::Error::SerdeError(error) => return Error::Unexpected(error.to_string()),
        other => return Error::Unreachable(other.to_string()),
    };
    let message = status.message.clone();
    match status.code {
        400 | 413 => Error::BadRequest(message),
        401 | 403 => Error::Forbidden(message),
        404 => Error::NotFound(message),
        409 if status.is_already_exists() => Error::AlreadyExists(message),
        409 => Error::Conflict(message),
        410 => Error::Gone(message),
        422 => Error::Invalid(message),
        429 => {
            let secs = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            Error::Throttled { message, retry_after: Duration::from_secs(u64::from(secs)) }
        }
        code @ 500..=599 => Error::Unavailable { code, message },
        code => Error::Unexpected(format!("{code}: {message}")),
    }
}
