//! How far a search goes.

use std::fmt;

/// As many states as fit into about 6 GiB.
const STATES_MAX: u32 = 200_000_000;

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Number of gateway replicas, 1 to 4.
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
