//! `sim` as its users run it: options in, result and exit code out.

mod chaos;
mod common;
mod exhaustive;
mod job;
mod load;
mod merge;
mod pod;
mod storm;
mod storm_cluster;
mod usage;
