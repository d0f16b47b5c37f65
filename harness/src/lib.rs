//! The harness: everything needed to run several real gateways against a Kubernetes API that can be made to fail.
//!
//! | module | what it does |
//! |---|---|
//! | [`api`] | the embedded Kubernetes API, with faults |
//! | [`replica`] | gateways, in process or on loopback sockets |
//! | [`fleet`] | replicas, API and oracles together, in virtual time |
//! | [`controls`] | other protocols than the product's, to be compared and to fail |
//! | [`model`] | the fence as an explicit-state model: every order of steps within bounds |
//! | [`load`] | signals to send, and what came of them |
//! | [`oracles`] | what must hold, one file each |

pub mod api;
pub mod controls;
pub mod fleet;
pub mod load;
pub mod model;
pub mod oracles;
pub mod replica;
