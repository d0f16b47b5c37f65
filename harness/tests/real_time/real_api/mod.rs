//! The test plan's integration scenarios and risks on a real kube-apiserver, in real time, with real RBAC.
//!
//! Each test has a namespace of its own. They are skipped, and say so, where no binaries are found.

mod crash;
mod deduplication;
mod largest;
mod outages;
mod predecessors_crd;
mod risk;
mod twins;
mod world;
