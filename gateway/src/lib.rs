//! The signal gateway: Alertmanager webhooks and Kubernetes events in, one active RemediationRequest per fingerprint out.
//!
//! The data's way is `http` → `intake` → `signal` → `dedup` → `remediation`, and back as results. Imports lead down this list
//! only, which `tests/integration/imports` checks:
//!
//! | module | what it does |
//! |---|---|
//! | [`runtime`] | wiring: the only place that knows all parts |
//! | [`explain`] | what would become of an alert, and why: for people |
//! | [`release_claims`] | the end of an installation: no finalizer is left |
//! | [`http`] | routes, limits, problem+json; knows nothing of Kubernetes |
//! | [`intake`] | from a body to what became of each alert in it |
//! | [`auth`] | who may send: bearer tokens, judged by the Kubernetes API |
//! | [`audit`] | what became of each signal, told to DataStorage |
//! | [`otlp`] | spans on their way to an OpenTelemetry collector |
//! | [`events`] | a Kubernetes Event on each RemediationRequest, for people |
//! | [`signal`] | one module per source; target, owner, scope: a resolved signal |
//! | [`dedup`] | the heart: view, decision, lock, fence, group commit |
//! | [`remediation`] | the RemediationRequest and the signal it is made of: type, fingerprint, phases, names |
//! | [`kubernetes`] | the one policy for API calls |
//!
//! Below all of them: [`outbox`] (queues that are emptied in the background), [`retry_after`], [`ttl_cache`], [`trace`] (spans), [`log_limit`], [`crypto`], [`telemetry`], [`metrics`], [`config`], [`rfc1123`] (names),
//! [`version`] and [`context`] (time, randomness, tasks).
//!
//! An alert has one form per stage: the body as text, the fields of its source ([`signal::alertmanager`],
//! [`signal::event`]), an [`UnresolvedSignal`](signal::UnresolvedSignal), a [`Signal`](remediation::Signal), a
//! [`RemediationRequest`](remediation::RemediationRequest); back come [`Accepted`](dedup::Accepted), an
//! [`Item`](intake::Item), and the answer.

pub mod audit;
pub mod auth;
pub mod config;
pub mod context;
pub mod crypto;
pub mod dedup;
pub mod events;
pub mod explain;
pub mod http;
pub mod intake;
pub mod kubernetes;
pub mod log_limit;
pub mod metrics;
pub mod otlp;
pub mod outbox;
pub mod release_claims;
pub mod remediation;
pub mod retry_after;
pub mod rfc1123;
pub mod runtime;
pub mod signal;
pub mod telemetry;
pub mod trace;
pub mod ttl_cache;
pub mod version;
