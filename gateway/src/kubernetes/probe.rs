//! Judges the API server's health by each try, and probes whether it is back.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use super::{
    Kubernetes, Tried,
    breaker::{MEANINGFUL_WAIT, PAUSE, TIMEOUT_MAX, TIMEOUT_MIN},
    error::Error,
    operation::Operation,
};
use crate::context::Monotonic;

/// A read that needs the API server and its store, which every gateway has the right to. Nothing has this name.
const PROBE: Operation = Operation { verb: "get", resource: "leases" };
const PROBED: &str = "gateway-probe";

/// What the outcome of a try says about the API server's health.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// It answers.
    Life,
    /// It does not respond: no response in time, or a failure so late that it must have timed out itself, as kube-apiserver
    /// does when etcd hangs.
    Silence,
    /// Neither: refused and reset connections fail fast by themselves.
    None,
}

impl Kubernetes {
    fn sign<T>(&self, sent: Monotonic, Tried { result, silent }: &Tried<T>) -> Sign {
        let meaningful = self.context.monotonic().since(sent) >= MEANINGFUL_WAIT;
        match result {
            _ if *silent && meaningful => Sign::Silence,
            _ if *silent => Sign::None,
            Err(Error::Unavailable { .. }) if meaningful => Sign::Silence,
            Err(Error::Unreachable(_) | Error::NotSent | Error::Deadline) => Sign::None,
            Ok(_) | Err(_) => Sign::Life,
        }
    }

    /// Takes note of what a try that was sent at `sent` tells.
    pub(super) fn judge<T>(&self, sent: Monotonic, tried: &Tried<T>) {
        let now = self.context.monotonic();
        match self.sign(sent, tried) {
            Sign::Life => self.circuit.with(|breaker| breaker.answered(now)),
            Sign::Silence if self.circuit.with(|breaker| breaker.unanswered(sent)) => {
                let probing = self.clone();
                self.context.spawn(async move { probing.probe().await });
            }
            Sign::Silence | Sign::None => {}
        }
    }

    /// Asks until there is an answer, one request at a time.
    async fn probe(&self) {
        let leases: Api<Lease> = Api::default_namespaced(self.client());
        let mut timeout = TIMEOUT_MIN;
        loop {
            let sent = self.context.monotonic();
            let request = leases.get_opt(PROBED);
            let tried = self.attempt(PROBE, sent + timeout, request, std::future::pending()).await;
            let now = self.context.monotonic();
            let was_open = self.circuit.opened().is_cancelled();
            if self.sign(sent, &tried) == Sign::Life {
                self.circuit.with(|breaker| breaker.probe_answered(now));
                if was_open {
                    tracing::info!("the Kubernetes API server responds again");
                }
                return;
            }
            if !self.circuit.with(|breaker| breaker.probe_failed(sent)) {
                return;
            }
            if !was_open && self.circuit.opened().is_cancelled() {
                tracing::error!(
                    hint = "is the Kubernetes API server up and reachable from this pod?",
                    "the Kubernetes API server does not respond: signals are answered 5xx at once until it does"
                );
            }
            timeout = (timeout * 2).min(TIMEOUT_MAX);
            self.context.sleep(self.context.jitter(PAUSE / 2, PAUSE)).await;
        }
    }
}
