//! The test plan's integration scenarios and risks on a real kube-apiserver, in real time, with real RBAC.
//!
//! Each test has a namespace of its own. They are skipped, and say so, where no binaries are found.
#![allow(clippy::disallowed_methods, reason = "a real server lives in real time")]

mod crash;
mod deduplication;
#[path = "../scenario/logs.rs"]
mod logs;
mod risk;
mod twins;
mod world;
