//! The product beside other protocols: how long signals take, and what they cost the Kubernetes API.
//!
//! | module | what it does |
//! |---|---|
//! | [`settings`] | what the environment may set |
//! | [`case`] | what is compared: the rows of the tables |
//! | [`stage`] | a fresh fleet over a fresh API, in real or in virtual time |
//! | [`run`] | one measurement |
//! | [`results`] | medians |
//! | [`table`] | the tables, in Markdown |
//!
//! `cargo bench` measures in real time (`benches/protocols.rs`) beside parsing (`benches/parsing.rs`) and the embedded
//! API itself (`benches/embedded_api.rs`). `cargo run -p benches` measures in virtual time, where every figure is the
//! same on every machine: latencies are then those of the API alone, as if computing took no time.

pub mod case;
pub mod results;
pub mod run;
pub mod settings;
pub mod stage;
pub mod table;
