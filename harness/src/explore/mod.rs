//! Exploration: scenarios drawn from seeds, run in virtual time, judged by the oracles, made small when they fail.
//!
//! | module | what it does |
//! |---|---|
//! | [`scenario`] | everything a run is made of, as data: it can be written down and run again |
//! | [`draw`], [`fault_profile`] | draws a scenario from a seed and a fault profile |
//! | [`network`] | decides the fate of each request and watch event |
//! | [`faults`] | what happens to replicas and to the API: crashes, pauses, cuts |
//! | [`actors`], [`creators`] | who else writes RemediationRequests |
//! | [`neighbours`] | who writes them within their rights, and without a thought of this gateway |
//! | [`probes`] | what is asked of the replicas after everything has healed |
//! | [`world`] | the replicas, senders and actors of one run |
//! | [`run()`] | one run from start to verdict |
//! | [`minimise`] | the smallest scenario that still fails |
//! | [`campaign`] | many seeds on all cores |

pub mod actors;
pub mod campaign;
pub mod creators;
mod describe;
pub mod draw;
pub mod fault_profile;
pub mod faults;
pub mod minimise;
pub mod neighbours;
pub mod network;
mod panics;
pub mod probes;
pub mod run;
pub mod scenario;
pub mod world;

pub use self::{
    campaign::{Campaign, Progress},
    describe::plural,
    fault_profile::FaultProfile,
    run::{Report, run},
    scenario::Scenario,
};
