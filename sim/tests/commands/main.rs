//! `sim` as its users run it: options in, result and exit code out.

mod chaos;
mod exhaustive;
mod load;
mod pod;
mod storm;
mod storm_cluster;
mod usage;
