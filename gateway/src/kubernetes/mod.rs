//! Requests to the Kubernetes API: one bounded, deadline-aware retry policy, timeouts and metrics for all of them.
//!
//! kube's own retries repeat every verb, creates included; they are switched off, and this module decides instead, the
//! same in production and simulation.

use std::{future::Future, pin::pin, sync::Arc};

use futures::future::{Either, select};
use kube::{Client, api::ListParams, core::ListMeta};

use self::{
    circuit::Circuit,
    error::{asked_to_wait, code, is_silence},
};
use crate::{
    config::Retry,
    context::{Context, Monotonic},
    metrics::Metrics,
    trace::{Kind, Scope},
};

mod answers;
mod api;
mod breaker;
mod circuit;
pub mod cluster;
mod error;
mod operation;
mod probe;
pub mod rights;
mod text;
mod throttle;

pub use answers::{SafeAnswers, SafeBody};
pub use api::Api;
pub use error::{Error, classify};
pub use operation::Operation;
pub(crate) use text::{excerpt, refusal, with_causes};

/// Tries of one call that may be answered 429: beyond any sound course of events, with the backoff between them.
const THROTTLED_MAX: u32 = 10;

/// The Kubernetes API as one gateway instance uses it; cheap to clone.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    context: Context,
    metrics: Metrics,
    retry: Retry,
    circuit: Arc<Circuit>,
}

/// What a try came to.
struct Tried<T> {
    result: Result<T, Error>,
    /// Nobody said anything.
    silent: bool,
}

impl Kubernetes {
    /// Requests go through `client`, whose own retries must be off.
    pub fn new(client: Client, context: Context, metrics: Metrics, retry: Retry) -> Self {
        let circuit = Arc::new(Circuit::new(&metrics));
        Self { client, context, metrics, retry, circuit }
    }

    /// The client, to build a `kube::Api` from.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs `request`, again after 503 and 504 until the tries are used up, and after 429 some more often (nothing
    /// took effect, and the server asks to come again): with backoff, `Retry-After` honoured, until `deadline` at most.
    ///
    /// # Errors
    /// The last answer, or [`Error::Deadline`].
    pub async fn call<T, F, Fut>(&self, operation: Operation, deadline: Monotonic, request: F) -> Result<T, Error>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = kube::Result<T>>,
    {
        self.call_noting(operation, deadline, request, &mut false).await
    }

    /// As [`Kubernetes::call`]; notes whether the request is `in_doubt`: one of its tries may have taken effect and failed.
    ///
    /// # Errors
    /// As there.
    pub async fn call_noting<T, F, Fut>(
        &self,
        operation: Operation,
        deadline: Monotonic,
        mut request: F,
        in_doubt: &mut bool,
    ) -> Result<T, Error>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = kube::Result<T>>,
    {
        let mut backoff = self.retry.initial_backoff;
        let (mut tries, mut throttled) = (1, 0);
        loop {
            let error = match self.once(operation, deadline, request()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            *in_doubt |= error.is_ambiguous();
            let pause = match &error {
                Error::Throttled { retry_after, .. } if throttled < THROTTLED_MAX => {
                    throttled += 1;
                    (*retry_after).max(backoff)
                }
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

    /// Runs `request` a single time, until `deadline` at most, or until it is clear that the API server does not respond.
    ///
    /// # Errors
    /// What the API answered, [`Error::Deadline`], or that it was not sent.
    pub async fn once<T>(
        &self,
        operation: Operation,
        deadline: Monotonic,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        if self.context.monotonic() >= deadline {
            return Err(Error::Deadline);
        }
        let opened = self.circuit.opened();
        if opened.is_cancelled() {
            return Err(Error::NotSent);
        }
        self.may_send(operation)?;
        let sent = self.context.monotonic();
        let tried = self.attempt(operation, deadline, request, opened.cancelled()).await;
        self.judge(sent, &tried);
        tried.result
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
        self.may_send(operation)?;
        self.attempt(operation, deadline, request, std::future::pending()).await.result
    }

    /// Fails if the API server has asked to wait with `operation`.
    fn may_send(&self, operation: Operation) -> Result<(), Error> {
        let left = self.circuit.throttle.left(operation, self.context.monotonic());
        let message = || "not sent: the API server asked to wait (Retry-After)".to_owned();
        left.map_or(Ok(()), |retry_after| Err(Error::Throttled { message: message(), retry_after }))
    }

    async fn attempt<T>(
        &self,
        operation: Operation,
        deadline: Monotonic,
        request: impl Future<Output = kube::Result<T>>,
        given_up: impl Future<Output = ()>,
    ) -> Tried<T> {
        let Operation { verb, resource } = operation;
        let start = self.context.monotonic();
        let span = Scope::current().child(Kind::Client, || format!("{} {resource}", operation.method()).into());
        let answer = pin!(self.context.timeout_at(deadline, span.scope().clone().within(request)));
        let (result, silent) = match select(answer, pin!(given_up)).await {
            Either::Left((Ok(Ok(value)), _)) => (Ok(value), false),
            Either::Left((Ok(Err(error)), _)) => {
                if let Some(pause) = asked_to_wait(&error) {
                    self.circuit.throttle.wait(operation, self.context.monotonic() + pause);
                }
                let silent = is_silence(&error);
                (Err(classify(error)), silent)
            }
            Either::Left((Err(_), _)) => (Err(Error::Deadline), true),
            Either::Right(((), _)) => {
                (Err(Error::Unreachable("given up, since the API server does not respond".to_owned())), false)
            }
        };
        span.scope().note(|notes| {
            notes.text("http.request.method", operation.method());
            notes.text("gateway.kubernetes.verb", verb);
            notes.text("gateway.kubernetes.resource", resource);
            if let Err(error) = &result {
                notes.text("error.type", code(&result));
                notes.fail(error.to_string());
            }
        });
        let exemplar = span.scope().exemplar();
        drop(span);
        let took = self.context.monotonic().since(start);
        self.metrics.kubernetes_request_took([verb, resource], took.as_secs_f64(), exemplar);
        self.metrics.kubernetes_requests.with_label_values(&[verb, resource, code(&result)]).inc();
        Tried { result, silent }
    }
}

/// Makes `params` ask for the page after the one with `metadata`; whether there is one.
pub fn turn_page(params: &mut ListParams, metadata: &ListMeta) -> bool {
    params.continue_token = metadata.continue_.clone().filter(|token| !token.is_empty());
    params.continue_token.is_some()
}

#[cfg(test)]
mod tests;
