//! Several replicas over one Kubernetes API: deduplication, contention, crashes, lease lifecycle, counts, budget.

mod budget;
mod contention;
mod counts;
mod crash;
mod deduplication;
mod starvation;
