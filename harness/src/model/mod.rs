//! An explicit-state model of the fence, without any lock: every order of steps within small bounds, not a sample of them.
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
//! | `search` | the breadth-first search, exact, with the way back to the start |
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

use std::{collections::BTreeMap, fmt};

mod canonical;
mod search;
mod state;
mod steps;

pub use search::check;

/// As many states as fit into about 6 GiB.
const STATES_MAX: u32 = 200_000_000;

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Replicas.
    pub replicas: u8,
    /// RemediationRequests that are ever created.
    pub creations: u8,
    /// Creates under way at any time, those of crashed replicas included.
    pub in_flight: u8,
    /// Active RemediationRequests that users delete; retention deletes any number of terminal ones.
    pub deletions: u8,
    /// Whether every RemediationRequest has finalizers of others, so that it stays terminating for a while.
    pub other_finalizers: bool,
    /// Whether attempts may also decide on a consistent list, which leaves the view behind.
    pub lists: bool,
    /// Whether claims take effect long after their senders gave up, any number of them.
    pub late_claims: bool,
    /// States after which the search gives up.
    pub states_max: u32,
}

impl Bounds {
    /// Bounds without the further troubles.
    pub const fn new(replicas: u8, creations: u8, in_flight: u8, deletions: u8) -> Self {
        Self {
            replicas,
            creations,
            in_flight,
            deletions,
            other_finalizers: false,
            lists: false,
            late_claims: false,
            states_max: STATES_MAX,
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas, creations, in_flight, deletions, other_finalizers, lists, late_claims, states_max: _ } =
            self;
        write!(f, "{replicas} replicas × {creations} creations × {in_flight} in flight, {deletions} active deleted")?;
        f.write_str(if *other_finalizers { ", other finalizers" } else { "" })?;
        f.write_str(if *lists { ", lists" } else { "" })?;
        f.write_str(if *late_claims { ", late claims" } else { "" })
    }
}

/// What the protocol does, and what it assumes, against twins (DD-GATEWAY-013: the fence).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Names are derived from the predecessor's uid; without it they are random.
    DerivedNames,
    /// The predecessor is claimed before the create is sent.
    Claim,
    /// A claim that is pending already is renewed; without it, an attempt that finds one relies on it.
    Renewal,
    /// A claim does not make the decision younger.
    ClaimKeepsAge,
    /// A GET, of the predecessor after a conflict, does not make the decision younger.
    GetKeepsAge,
    /// A claim is released only in exactly the version that the releasing attempt made.
    ReleaseInVersion,
    /// The collector waits for *D* before it clears a claim.
    CollectorWaits,
    /// A predecessor that is terminating and unclaimed is waited for; without it, the create is sent at once.
    AwaitDeletion,
    /// The predecessor is the latest; without it, any that has ended, as by a time that cannot tell them apart.
    Latest,
    /// Assumption: nobody deletes a terminal RemediationRequest within *D* of its termination.
    RetentionWaits,
    /// Assumption: nobody deletes an active RemediationRequest within *D* of its creation.
    UserWaits,
    /// Assumption: a sent request takes effect within its bound or never.
    RequestsEnd,
    /// Assumption: a terminal phase is never left.
    TerminalIsFinal,
}

/// The rules that hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    off: u32,
}

impl Rules {
    /// The protocol with all its assumptions.
    pub const ALL: Self = Self { off: 0 };

    /// These rules but `rule`.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self { off: self.off | 1 << rule as u32 }
    }

    pub(self) const fn has(self, rule: Rule) -> bool {
        self.off & (1 << rule as u32) == 0
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Different states visited, up to the names of replicas, RemediationRequests and versions.
    pub states: u32,
    /// Steps taken from them.
    pub transitions: u64,
    /// Steps from the start to the farthest state.
    pub depth: u32,
    /// Whether every state within the bounds was visited.
    pub complete: bool,
    /// The shortest way to twins, one step a line.
    pub counterexample: Option<Vec<String>>,
    /// How often each kind of step was taken: one that never was is not checked.
    pub steps: BTreeMap<&'static str, u64>,
    /// Memory of the visited states, in bytes.
    pub bytes: u64,
}

impl Outcome {
    /// How often a RemediationRequest was created although a later one than its predecessor existed.
    pub fn forks(&self) -> u64 {
        self.steps.get(steps::FORK).copied().unwrap_or_default()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, depth, complete, counterexample, steps: _, bytes } = self;
        let verdict = match (counterexample, complete) {
            (Some(_), _) => "TWINS",
            (None, true) => "complete",
            (None, false) => "incomplete",
        };
        let mebibytes = bytes >> 20;
        write!(f, "{verdict}: {states} states, {transitions} transitions, depth {depth}, {mebibytes} MiB")?;
        let mut trace = counterexample.iter().flatten().enumerate();
        trace.try_for_each(|(index, line)| write!(f, "\n  {:2}. {line}", index + 1))
    }
}
