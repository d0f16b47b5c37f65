//! Other protocols than the product's: what it is compared with, and proof that the oracles can see.
//!
//! They answer behind the same HTTP, parsing, owner resolution and answer policy as the product ([`Instance`]); what
//! differs is how a resolved signal is made durable. None of them can be switched on in a gateway.
//!
//! | protocol | [`Deduplicate`] | fails when |
//! |---|---|---|
//! | `fenced`, `fence-only` | the product's own | |
//! | `derived-only` | [`DerivedOnly`] | retention removes the predecessor between two creates |
//! | `lease-only` | [`LeaseOnly`] | one pod handles two signals; a pause outlives the lease; clocks differ; … |
//! | `unlocked` | [`Unlocked`] | two signals arrive at once |

use std::{fmt, str::FromStr};

mod derived_only;
mod instance;
mod lease_only;
mod store;
mod unlocked;

#[cfg(doc)]
use gateway::dedup::Deduplicate;

pub use self::{derived_only::DerivedOnly, instance::Instance, lease_only::LeaseOnly, unlocked::Unlocked};

/// How gateways keep RemediationRequests unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Lease and fence: the product.
    #[default]
    Fenced,
    /// The product without its lock (`lock.patience` 0): the fence alone.
    FenceOnly,
    /// Names derived from the predecessor as the fence does, but no claim on it and no lock.
    DerivedOnly,
    /// A lease around list and create with random names: the protocol of the Go service.
    LeaseOnly,
    /// List, then create with a random name.
    Unlocked,
}

impl Protocol {
    /// All of them, the safest first.
    pub const ALL: [Self; 5] = [Self::Fenced, Self::FenceOnly, Self::DerivedOnly, Self::LeaseOnly, Self::Unlocked];

    /// What it is called on command lines and in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::FenceOnly => "fence-only",
            Self::DerivedOnly => "derived-only",
            Self::LeaseOnly => "lease-only",
            Self::Unlocked => "unlocked",
        }
    }

    /// What it is, for people.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Fenced => "lease and fence: the product",
            Self::FenceOnly => "the product's fence without its lease",
            Self::DerivedOnly => "names derived from the predecessor, neither claim nor lease",
            Self::LeaseOnly => "a lease around list and create, random names: the Go service's protocol",
            Self::Unlocked => "list, then create with a random name",
        }
    }

    /// Whether it is the product's own code that runs, view and watch included.
    pub const fn is_product(self) -> bool {
        matches!(self, Self::Fenced | Self::FenceOnly)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No protocol has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no protocol is called {0:?}")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        let known = Self::ALL.into_iter().find(|protocol| protocol.name() == name);
        known.ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_is_found_by_its_name() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(protocol));
        }
        assert!("locked".parse::<Protocol>().is_err());
    }
}
