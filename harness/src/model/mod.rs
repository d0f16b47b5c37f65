//! Explicit-state models: every order of steps within small bounds, not a sample of them. That of counting is in
//! [`counting`]; this one is of the fence, without any lock.
//!
//! Replicas with views that may lag decide, claim and create; requests straggle, answers get lost, replicas crash;
//! RemediationRequests end, are deleted by retention and by users; claims are released and collected. [`check`] visits
//! every state that can be reached within [`Bounds`] under [`Rules`], breadth first, and looks for *twins*: two active
//! RemediationRequests of the one fingerprint. Each [`Rule`] can be switched off, to see what it is there for.
//!
//! | module | what it does |
//! |---|---|
//! | `state` | what the API server, the replicas and the network remember |
//! | `steps` | everything that can happen next, one request's effect at a time |
//! | `canonical` | states that differ only in names are one; 16 bytes each |
//! | `attempt`, `agreement` | the gateway's own machine beside a replica of the model, compared in each state |
//! | `search`, `numbered` | the breadth-first search, exact, with the way back to the start, of both models |
//!
//! # Time
//!
//! There is no clock. All that the protocol needs of one is: *D* after an event, no decision that is older than it is
//! alive, neither in an attempt nor in a request under way, and no view that is older is decided upon. So "*D* after an
//! event" is modelled as "every view, attempt and request has come from a later moment than it", and everything that
//! must wait for *D* may happen as soon as that holds.
//!
//! # What it abstracts away
//!
//! - One fingerprint. Counting, owners, scope and the lock are not in it: without the lock everything is allowed that is
//!   allowed with it.
//! - A terminal one that still suppresses signals is a terminal one after which nobody wants to create yet.
//! - Reading, deciding and the claim's effect are one step. A view that stays behind and then decides covers the time
//!   between them, and a create that is not yet in effect covers the time after. A claim that takes effect after its
//!   sender gave up is covered by one that gives up right after it; the version a claim carries only makes it go round
//!   by a GET, so it always meets the newest one.
//! - A consistent list is a view that catches up; a restart is a crash and a view that catches up.
//! - `Past` (how far a view must have come, which object it must have forgotten) is for progress: here a replica may
//!   decide again on the very same view.
//! - Other finalizers are on all RemediationRequests or on none ([`Bounds::other_finalizers`]).
//! - "Latest" is the youngest that exists. That is the highest ordinal as long as every RemediationRequest is created
//!   after the latest that exists, which is counted: see [`Outcome::forks`].
//! - A predecessor's name that was given to another object meanwhile reads as 404.
//!
//! Safety only: it does not show that a create ever succeeds.

mod agreement;
mod attempt;
mod blank;
mod bounds;
mod canonical;
pub mod counting;
mod fence;
mod numbered;
mod outcome;
mod rules;
mod search;
mod state;
mod steps;
mod switches;

pub use self::{
    bounds::Bounds,
    fence::{check, check_with_the_machine},
    outcome::Outcome,
    rules::{Rule, Rules},
};
