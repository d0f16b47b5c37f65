//! The Helm chart: what it deploys, what it grants, and that its documents say so. Most of it needs helm.

mod connect;
mod dashboard;
mod documents;
mod exposure;
mod helm;
mod monitoring;
mod pods;
mod rbac;
mod values;
mod workload;
