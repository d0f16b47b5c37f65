//! The signal gateway: Alertmanager webhooks and Kubernetes events in, one active RemediationRequest per fingerprint out.
//!
//! The data's way is `http` → `signal` → `dedup` → `remediation`, and back:
//!
//! | module | what it does |
//! |---|---|
//! | [`http`] | routes, authentication, limits, problem+json; knows `signal` and `dedup`, not kube |
//! | [`intake`] | from a body to what became of each alert in it |
//! | [`signal`] | one module per source; target, owner, scope, fingerprint |
//! | [`dedup`] | the heart: view, decision, lock, fence, group commit |
//! | [`remediation`] | the RemediationRequest type, its phases and names |
//!
//! Around it: [`config`], [`runtime`] (the only place that knows all parts), [`audit`], [`metrics`], [`telemetry`],
//! [`kubernetes`] (the one policy for API calls), [`ttl_cache`], [`crypto`] and [`context`] (time, randomness, tasks).

pub mod audit;
pub mod auth;
pub mod config;
pub mod context;
pub mod crypto;
pub mod dedup;
pub mod http;
pub mod intake;
pub mod kubernetes;
pub mod metrics;
pub mod remediation;
pub mod runtime;
pub mod signal;
pub mod telemetry;
pub mod ttl_cache;
