//! Which faults are drawn from a seed.

use std::{fmt, str::FromStr};

use super::scenario::Promise;

/// Which faults are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FaultProfile {
    /// None: three replicas, ten signals, requests that take their time.
    None,
    /// A few of the everyday kind.
    Light,
    /// All kinds at once.
    Heavy,
    /// A random selection of kinds, at random rates.
    #[default]
    Swarm,
    /// As [`FaultProfile::Swarm`], among neighbours that are hostile and within their rights.
    Neighbours,
    /// As [`FaultProfile::Swarm`], beside a creator that the fence does not bind.
    Foreign,
    /// As [`FaultProfile::Swarm`], with stops, requests and deletions beyond the protocol's bounds.
    Beyond,
    /// As [`FaultProfile::Swarm`], with an etcd that is restored from a backup.
    Restored,
}

impl FaultProfile {
    /// Every profile, in the order in which `--help` lists them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Light,
        Self::Heavy,
        Self::Swarm,
        Self::Neighbours,
        Self::Foreign,
        Self::Beyond,
        Self::Restored,
    ];

    /// What it is called on command lines and in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Heavy => "heavy",
            Self::Swarm => "swarm",
            Self::Neighbours => "neighbours",
            Self::Foreign => "foreign",
            Self::Beyond => "beyond",
            Self::Restored => "restored",
        }
    }

    /// What it is, for people.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::None => "none: three replicas, ten signals",
            Self::Light => "a few common faults",
            Self::Heavy => "all kinds of faults at once",
            Self::Swarm => "random kinds of faults, at random rates",
            Self::Neighbours => "like swarm, with hostile neighbours that stay within their permissions",
            Self::Foreign => "like swarm, with another creator that uses its own names: twins must be detected",
            Self::Beyond => "like swarm, with stops and deletions beyond the bounds: twins must be detected",
            Self::Restored => {
                "like swarm, with etcd restored from a backup: no count is lost from then on, twins must be detected"
            }
        }
    }

    /// What must hold under it.
    pub const fn promise(self) -> Promise {
        match self {
            Self::None | Self::Light | Self::Heavy | Self::Swarm | Self::Neighbours => Promise::Unique,
            Self::Foreign | Self::Beyond | Self::Restored => Promise::Detected,
        }
    }
}

impl fmt::Display for FaultProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No profile has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown fault profile {0:?}")]
pub struct UnknownFaultProfile(String);

impl FromStr for FaultProfile {
    type Err = UnknownFaultProfile;

    fn from_str(name: &str) -> Result<Self, UnknownFaultProfile> {
        Self::ALL.into_iter().find(|profile| profile.name() == name).ok_or_else(|| UnknownFaultProfile(name.to_owned()))
    }
}
