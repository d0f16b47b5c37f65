//! Every schedule of small cases, with the real code of the replicas.
//!
//! A [`Case`] is a few replicas, a few signals about one resource, perhaps a fault and somebody who interferes. A
//! *schedule* is the order in which requests take effect, answers and watch events arrive, timers fire, and faults
//! strike: all of that waits until the scheduler chooses it. [`explore`] tries all schedules and judges them with the
//! [oracles](crate::oracles); [`replay()`] runs one again.
//!
//! Each branch is a run of its own from the beginning, in a runtime of its own whose time stands still. What keeps that
//! affordable: a state that was seen before is not gone on from.
//!
//! **Why a state is what [`World::digest`](world) says it is.** A replica is deterministic: what it does follows from
//! its seed, from what it has observed (answers and events with their content, each with the virtual time at which it
//! arrived), and from the time now. So two runs in which every replica has observed the same, the stores hold the same,
//! the same things wait, the time is the same and the same choices are left have the same future. The digest has 128
//! bits; beyond collisions nothing is lost. Versions, uids and the names derived from them are numbered per resource
//! first ([`names`]): whether a lease was written before or after a RemediationRequest makes no difference. (The age of a
//! view is the one thing that compares the two, and it has not run out when timers have.)
//!
//! **What need not be tried in both orders** (sleep sets): two choices that touch only the insides of different
//! replicas, one of which reads or writes the store and the other of which touches the inside of another replica, two
//! reads, and a read or write of one resource and a write of another. **What can be tried first** (persistent sets): all
//! that a replica can receive, if an event waits for it and nothing that it sent waits.
//!
//! **Bounds.** A replica whose signals are answered, with nothing under way and nothing gone wrong, is left to itself:
//! its probes and sweeps of the background are not scheduled, and it is not killed any more. Time passes until a replica
//! does something visible, not timer by timer. While something else could happen it passes at most
//! [`Case::early_timers`] times and only in the first 14 s. Jitter is drawn from one seed. The end of each schedule
//! (leases expire, claims are cleared, one more signal is accepted) is run in one order.

mod bounds;
mod case;
mod choice;
mod deepen;
mod digest;
mod names;
mod replay;
mod report;
mod scheduler;
mod search;
mod seed;
mod tap;
mod visited;
mod world;

pub use self::{
    bounds::Bounds,
    case::{Action, Arrivals, Case, Existing, FaultKinds},
    choice::{Choice, Item, NoChoice},
    deepen::deepen,
    replay::{Replayed, Step, default_schedule, replay, trace},
    report::{Counterexample, Report},
    search::{Progress, explore},
};
