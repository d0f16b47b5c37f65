//! Bad bodies through the routes of a whole gateway: the sender is told what is wrong, and neighbours do not suffer.
#![allow(clippy::disallowed_methods, reason = "tests own the clock")]

mod alerts;
mod batches;
mod bodies;
#[path = "../scenario/mod.rs"]
mod scenario;
mod transport;
