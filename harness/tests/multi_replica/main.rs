//! Several replicas over one Kubernetes API: deduplication, contention, crashes, lease lifecycle, counts, budget.
#![allow(clippy::disallowed_methods, reason = "tests own the clock and the tasks")]

mod budget;
mod contention;
mod counts;
mod crash;
mod deduplication;
#[path = "../scenario/mod.rs"]
mod scenario;
mod starvation;
