//! Which deduplication a gateway runs.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use gateway::{
    config::{Config, Identity},
    context::Context,
    runtime::{self, Gateway},
};
use kube::Client;

use super::{
    derived_only::DerivedOnly, first_count::FirstCount, lease_only::LeaseOnly, registers::Registers, store::Store,
    unlocked::Unlocked,
};

/// How gateways keep RemediationRequests unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Lease and fence: the product.
    #[default]
    Fenced,
    /// The product without its lock (`lock.waitTimeout` 0): the fence alone.
    FenceOnly,
    /// Names derived from the predecessor as the fence does, but no claim on it and no lock.
    DerivedOnly,
    /// Counting in the status by a merge patch in the version read, as the product's first version did.
    FirstCount,
    /// Counting in annotations of the object itself, one for each writer.
    Registers,
    /// A lease around list and create with random names: the protocol of the Go service.
    LeaseOnly,
    /// List, then create with a random name.
    Unlocked,
}

impl Protocol {
    /// All of them, the safest first.
    pub const ALL: [Self; 7] = [
        Self::Fenced,
        Self::FenceOnly,
        Self::DerivedOnly,
        Self::FirstCount,
        Self::Registers,
        Self::LeaseOnly,
        Self::Unlocked,
    ];

    /// What it is called on command lines and in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::FenceOnly => "fence-only",
            Self::DerivedOnly => "derived-only",
            Self::FirstCount => "first-count",
            Self::Registers => "registers",
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
            Self::FirstCount => "counting in the status in the version read, as the product's first version did",
            Self::Registers => "counting in annotations of the object, one for each writer",
            Self::LeaseOnly => "a lease around list and create, random names: the Go service's protocol",
            Self::Unlocked => "list, then create with a random name",
        }
    }

    /// Whether it is the product's own code that runs, view and watch included.
    pub const fn is_product(self) -> bool {
        matches!(self, Self::Fenced | Self::FenceOnly)
    }

    /// A gateway that follows it and talks to the API server behind `client`, whose own retries must be off.
    ///
    /// # Errors
    /// If metrics, audit pipeline or TLS cannot be set up.
    pub fn gateway(
        self,
        mut config: Config,
        identity: Identity,
        client: Client,
        context: Context,
    ) -> Result<Gateway, runtime::Error> {
        if self == Self::FenceOnly {
            config.lock.wait_timeout = Duration::ZERO;
        }
        let builder = Gateway::builder(config, identity, client, context);
        match self {
            Self::Fenced | Self::FenceOnly => builder,
            Self::DerivedOnly => builder.deduplicate(|parts| Arc::new(DerivedOnly::new(Store::new(&parts)))),
            Self::FirstCount => builder.deduplicate(|parts| Arc::new(FirstCount::new(&parts))),
            Self::Registers => builder.deduplicate(|parts| Arc::new(Registers::new(&parts))),
            Self::LeaseOnly => builder.deduplicate(|parts| Arc::new(LeaseOnly::new(&parts))),
            Self::Unlocked => builder.deduplicate(|parts| Arc::new(Unlocked::new(Store::new(&parts)))),
        }
        .build()
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No protocol has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol {0:?}")]
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
