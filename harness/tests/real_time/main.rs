//! What needs real time: programs, which are a real control plane, helm or kubectl, and sockets.
//!
//! Tests for which there is no program are skipped and say so; `REQUIRE_CONTROL_PLANE` and `REQUIRE_TOOLS` make them fail instead.
#![allow(clippy::disallowed_methods, reason = "a real server lives in real time")]

mod chart;
mod chart_crd;
mod control_plane;
mod corpora;
mod dashboard;
mod exemplars;
mod kubectl;
mod operations;
mod peer;
mod real_api;
mod traces;
