//! The harness: everything needed to run several real gateways against a Kubernetes API that can be made to fail.
//!
//! | module | what it does |
//! |---|---|
//! | [`replica`] | gateways, in process or on loopback sockets |
//! | [`fleet`] | replicas, API and oracles together, in virtual time |
//! | [`chaos`] | gateway processes on a real control plane, killed and paused under load |
//! | [`cluster`] | real clusters: what gateways need there, and the oracles fed by a watch |
//! | [`control_plane`] | a real etcd and kube-apiserver |
//! | [`datastorage`] | a stand-in for the audit service, which checks what it is sent |
//! | [`baselines`] | other protocols than the product's, to be compared and to fail |
//! | [`explore`] | scenarios drawn from seeds, run in virtual time, made small when they fail |
//! | [`model`] | the fence as an explicit-state model: every order of steps within bounds |
//! | [`load`] | signals to send, and what came of them |
//! | [`exhaustive`] | every schedule of small cases, with the real code |
//! | [`process`] | programs as processes, to be stopped and killed |
//! | [`testing`] | what tests of whole gateways share |
//! | [`trace`] | the record of one run: its hash, its events |
//! | [`oracles`] | what must hold, one file each |

pub mod baselines;
pub mod chaos;
pub mod cluster;
pub mod control_plane;
pub mod datastorage;
pub mod exhaustive;
pub mod explore;
pub mod fleet;
pub mod load;
pub mod model;
pub mod oracles;
pub mod process;
pub mod replica;
pub mod testing;
pub mod trace;
