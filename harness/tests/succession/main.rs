//! One RemediationRequest after the other: successors, suppression, deletion, faults at every request.
#![allow(clippy::disallowed_methods, reason = "tests own the clock and the tasks")]

mod claims;
mod deletion;
mod doubt;
mod faults;
mod lineage;
mod random;
#[path = "../scenario/mod.rs"]
mod scenario;
mod twins;
mod waiting;
