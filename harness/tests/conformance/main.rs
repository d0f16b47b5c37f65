//! The embedded API against a real kube-apiserver: the same requests must be answered the same.
//!
//! - `cases/*.yaml`: requests whose answers matter, one rule each.
//! - `sequences.rs`: whatever clients do with leases and two custom resources.
//! - `permissions.rs`: whatever Roles and Bindings say.
//! - `restores.rs`: an etcd that is restored from a backup.
//! - `lease_store.rs`: leases in an etcd of their own, also under all `cases`.
//!
//! Without the binaries of a control plane, everything here is skipped and says so. `PROPTEST_CASES` asks for more random
//! sequences, `PROPTEST_RNG_SEED` for others; `CONFORMANCE_CASE` runs only the cases whose name contains it.
//!
//! Answers are compared whole, texts included, after [`normal`] has taken out what no two servers share. Where the embedded
//! API differs on purpose, the step in the table says `differs:` and why, and fails when it differs no more.
#![allow(clippy::disallowed_methods, reason = "a real server lives in real time")]

mod compare;
mod exchange;
mod lease_store;
mod normal;
mod permissions;
mod restores;
mod sequences;
mod servers;
mod table;

#[allow(dead_code, reason = "the model uses the rest")]
#[path = "../../embedded-apiserver/tests/api/store_model/object.rs"]
mod object;
#[path = "../../embedded-apiserver/tests/api/store_model/operation.rs"]
mod operation;
#[path = "../../embedded-apiserver/tests/api/store_model/request.rs"]
mod request;
#[path = "../../embedded-apiserver/tests/api/support.rs"]
mod support;
