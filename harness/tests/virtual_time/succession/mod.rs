//! One RemediationRequest after the other: successors, suppression, deletion, faults at every request.

mod adoption;
mod behind;
mod claims;
mod deletion;
mod doubt;
mod faults;
pub(crate) mod lineage;
mod not_found;
mod random;
mod refusals;
mod twins;
mod waiting;
