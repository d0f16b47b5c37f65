//! Since when leases of others have not changed: expiry without trust in anyone's wall clock.

use std::{collections::BTreeMap, time::Duration};

use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;

use super::protocol::Now;
use crate::{config, context::Monotonic};

/// Leases remembered at most; beyond it the one unchanged for longest is forgotten, which only delays a take-over.
const OBSERVED_MAX: usize = 10_000;

/// Leases as they were first seen in their present version.
#[derive(Debug, Default)]
pub(super) struct Observed {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug)]
struct Seen {
    version: Option<String>,
    since: Monotonic,
    /// When it was last looked at.
    looked: Monotonic,
}

impl Observed {
    /// Whether the lease `name` was there when it was looked at, at `moment` or later.
    pub(super) fn was_there(&self, name: &str, moment: Monotonic) -> bool {
        self.seen.get(name).is_some_and(|seen| seen.looked >= moment)
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.seen.remove(name);
    }

    /// Forgets all but `names`.
    pub(super) fn retain(&mut self, names: &[&str]) {
        self.seen.retain(|name, _| names.contains(&name.as_str()));
    }

    /// Whether `lease` has expired: by the local wall clock, or because it has not changed for a duration of the local
    /// monotonic clock. The latter holds against a holder whose clock runs ahead and against a missing renewTime.
    pub(super) fn is_expired(&mut self, lease: &Lease, now: Now, config: &config::Lock) -> bool {
        self.expired_for(lease, now, config) > SignedDuration::ZERO
    }

    /// How long ago `lease` expired, by the clock that says the longer; negative if it has not.
    pub(super) fn expired_for(&mut self, lease: &Lease, now: Now, config: &config::Lock) -> SignedDuration {
        let duration = lease_duration(lease, config.duration);
        let spec = lease.spec.as_ref();
        let renewed = spec.and_then(|spec| spec.renew_time.as_ref().or(spec.acquire_time.as_ref()));
        let by_wall = renewed.map(|renewed| now.wall.duration_since(renewed.0).saturating_sub(duration));
        let unchanged = self.unchanged(lease, now.monotonic).saturating_sub(duration);
        by_wall.map_or(unchanged, |by_wall| by_wall.max(unchanged))
    }

    /// For how long `lease` has been seen in this version.
    fn unchanged(&mut self, lease: &Lease, now: Monotonic) -> SignedDuration {
        let name = lease.metadata.name.clone().unwrap_or_default();
        let version = &lease.metadata.resource_version;
        let known = self.seen.get(&name).filter(|seen| seen.version == *version).map(|seen| seen.since);
        let since = known.unwrap_or(now);
        self.seen.insert(name, Seen { version: version.clone(), since, looked: now });
        if self.seen.len() > OBSERVED_MAX
            && let Some((oldest, _)) = self.seen.iter().min_by_key(|(_, seen)| seen.since)
        {
            self.seen.remove(&oldest.clone());
        }
        SignedDuration::try_from(now.since(since)).unwrap_or(SignedDuration::MAX)
    }
}

/// The duration of a lease as signed time.
pub(super) fn lease_duration(lease: &Lease, default: Duration) -> SignedDuration {
    let secs = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).filter(|secs| *secs > 0);
    secs.map_or_else(
        || SignedDuration::try_from(default).unwrap_or(SignedDuration::MAX),
        |secs| SignedDuration::from_secs(i64::from(secs)),
    )
}
