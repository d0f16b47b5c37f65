//! Gateways in virtual time over the embedded Kubernetes API, and the models: nothing here waits for a real clock, a socket
//! or a program.
#![allow(clippy::disallowed_methods, reason = "tests own the clock and the tasks")]

mod access;
mod bad_input;
mod baselines;
mod bounds;
mod counters;
mod counting_model;
mod determinism;
mod documented_metrics;
mod events;
mod exhaustive;
mod explain;
mod explore;
mod fence_model;
mod history;
mod idle;
mod lock_manager;
mod metrics;
mod multi_replica;
mod neighbours;
mod outage;
mod predecessors_crd;
mod release_claims;
mod reload;
mod request_ids;
mod risk;
mod scenarios;
mod succession;
mod targets;
mod unprocessed;
mod versions;
mod view;
