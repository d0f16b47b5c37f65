//! The lock manager over the embedded Kubernetes API: acquisition, contention, release, errors, races.

mod acquisition;
mod collector;
mod doubts;
mod errors;
mod races;
mod release;
mod world;
