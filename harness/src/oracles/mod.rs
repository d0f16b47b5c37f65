//! What must hold, judged at every committed write and at the end; one oracle a file.
//!
//! An oracle sees what the store commits, what senders were told and what replicas show to people; never what a gateway
//! believes.

mod budget;
mod claims;
mod counters;
mod counts;
mod durable;
mod leases;
mod liveness;
mod monotonic;
mod neighbours;
mod oracle;
mod ownership;
mod read;
mod set;
mod single_active;
mod tallies;
mod twins;
mod unanswered;

pub use self::{
    budget::Budget,
    claims::Claims,
    counters::Counters,
    counts::Counts,
    durable::Durable,
    leases::Leases,
    liveness::Liveness,
    monotonic::Monotonic,
    neighbours::Neighbours,
    oracle::{Detected, End, Oracle, Progress, Signal, Told, Violation, Write},
    ownership::Ownership,
    read::{fingerprint, occurrences},
    set::Oracles,
    single_active::SingleActive,
    tallies::{counted, counted_on, is_at_rest, is_counter},
    twins::Twins,
    unanswered::Unanswered,
};
pub(crate) use self::{
    read::{LEASES, REMEDIATION_REQUESTS, name},
    single_active::is_active,
    tallies::is_counter_name,
    twins::SETTLED as TWINS_SETTLED,
};
