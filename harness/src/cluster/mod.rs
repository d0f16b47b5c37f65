//! Real clusters: what gateways need there, and the oracles looking on.
#![allow(clippy::disallowed_methods, reason = "clusters live in real time")]

mod chart;
mod error;
mod objects;
mod permissions;
mod stage;
mod witness;

pub use self::{
    chart::chart_roles,
    error::Error,
    objects::{leases, make_namespace, objects, provide_crd, remediation_requests, withdraw_crd},
    permissions::{Permissions, permit},
    stage::Stage,
    witness::{Seen, Witness},
};
