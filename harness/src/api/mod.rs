//! The embedded Kubernetes API.

pub mod apply;
pub mod discovery;
pub mod patch;
pub mod schema;
pub mod table;
