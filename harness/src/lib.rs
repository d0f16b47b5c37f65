//! Embedded Kubernetes API, faults, oracles and scenarios.
pub mod api;
