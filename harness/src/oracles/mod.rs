//! What must hold, judged at every committed write and at the end; one oracle a file.
//!
//! An oracle sees what the store commits, what senders were told and what replicas show to people; never what a gateway
//! believes.

mod budget;
mod claims;
mod counts;
mod durable;
mod leases;
mod liveness;
mod monotonic;
mod oracle;
mod ownership;
mod read;
mod set;
mod single_active;
mod twins;

pub use self::{
    budget::Budget,
    claims::Claims,
    counts::Counts,
    durable::Durable,
    leases::Leases,
    liveness::Liveness,
    monotonic::Monotonic,
    oracle::{Detected, End, Oracle, Signal, Told, Violation, Write},
    ownership::Ownership,
    read::{fingerprint, occurrences},
    set::Oracles,
    single_active::SingleActive,
    twins::Twins,
};
pub(crate) use self::{
    claims::is_claimed,
    read::{REMEDIATION_REQUESTS, name},
    single_active::is_active,
    twins::SETTLED as TWINS_SETTLED,
};
