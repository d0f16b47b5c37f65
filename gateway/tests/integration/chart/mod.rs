//! The Helm chart: what it deploys, what it grants, and that its documents say so. Most of it needs helm.

mod connect;
mod dashboard;
mod documents;
mod exposure;
pub(crate) mod helm;
pub(crate) mod monitoring;
mod pods;
mod rbac;
mod values;
mod workload;
