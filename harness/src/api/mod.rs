//! The embedded Kubernetes API.

pub mod schema;
