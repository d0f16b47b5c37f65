//! The lock manager over the embedded Kubernetes API: acquisition, contention, release, errors, races.
#![allow(clippy::disallowed_methods, reason = "tests own the clock and the tasks")]

mod acquisition;
mod collector;
mod errors;
mod races;
mod release;
#[path = "../scenario/mod.rs"]
mod scenario;
mod world;
