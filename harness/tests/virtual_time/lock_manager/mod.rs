//! The lock manager over the embedded Kubernetes API: acquisition, contention, release, errors, races.

mod acquisition;
mod collector;
mod errors;
mod races;
mod release;
mod world;
