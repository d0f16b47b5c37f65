//! How long it takes until what replicas leave behind is gone, as functions of their configuration: whoever waits for it
//! waits for so long.
//!
//! The bounds hold while a replica runs whose collector reaches an API server that answers so soon that a sweep takes
//! [`REQUEST_TIMEOUT`] at most, and no more than [`SWEEP_MAX`] leases are left.

use std::time::Duration;

use super::{protocol::projection::DELAY, refusals::BELIEVED};
use crate::config::{Config, REQUEST_LIFE, View, decided_within};

/// Leases looked at per sweep at most; further ones wait for the next.
pub(super) const SWEEP_MAX: u32 = 1000;
/// For each of the collector's requests.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// A lease is collected when it has been expired for more than so many of its durations.
pub(super) const EXPIRED_DURATIONS: u32 = 2;

/// The longest from reading the view to the effect of a request decided on it (protocol: *D*).
pub fn decision_life(view: &View) -> Duration {
    decided_within(view) + REQUEST_LIFE
}

/// Between two looks of a collector at the same object: a pause, and the list of leases.
fn sweep(config: &Config) -> Duration {
    config.lock.collect_interval + REQUEST_TIMEOUT
}

/// How long a lease stays that nobody renews. A holder's wall clock may be anywhere, so that a collector may know no more
/// than since when it has itself seen the lease: from one sweep on, to be deleted by another.
pub fn lease_collected_within(config: &Config) -> Duration {
    sweep(config) + config.lock.duration * (1 + EXPIRED_DURATIONS) + sweep(config)
}

/// How long a claim stays whose successor never comes: a collector sees it in one sweep, and clears it in another when it
/// is older than any decision made on it.
pub fn claim_cleared_within(config: &Config) -> Duration {
    sweep(config) + decision_life(&config.view) + sweep(config)
}

/// How long a refusal of a create is answered without asking again, where a claim made for it could not be released.
pub fn refusal_forgotten_within(config: &Config) -> Duration {
    BELIEVED + claim_cleared_within(config)
}

/// How long after the last trace of another version of the gateway it is taken for gone: a collector would have found the next
/// one.
pub fn other_version_forgotten_after(config: &Config) -> Duration {
    2 * sweep(config)
}

/// How long after the last signal was answered its lease is released, its RemediationRequest's status says it, and its
/// predecessor is free of its claim, unless a replica or the API server fails meanwhile.
pub fn settled_within(config: &Config) -> Duration {
    let projected = 2 * DELAY.1 + REQUEST_TIMEOUT;
    config.lock.release_timeout.max(config.server.kubernetes_request_timeout).max(projected)
}

/// How long after the last failure nothing of it is left, no lease and no claim: what was sent before it takes effect
/// within its life, and is collected then.
pub fn left_behind_for(config: &Config) -> Duration {
    REQUEST_LIFE + lease_collected_within(config).max(claim_cleared_within(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds, added up by hand from contract.md's times.
    #[test]
    fn the_bounds_of_the_default_configuration() {
        let config = Config::default();
        // A view of 90, an attempt of 10, a request of 60.
        assert_eq!(decision_life(&config.view).as_secs(), 160);
        // Sweeps are 60 + 15 apart; a lease lasts 30.
        assert_eq!(lease_collected_within(&config).as_secs(), 75 + 30 + 60 + 75);
        assert_eq!(claim_cleared_within(&config).as_secs(), 75 + 160 + 75);
        assert_eq!(refusal_forgotten_within(&config).as_secs(), 60 + 310);
        assert_eq!(other_version_forgotten_after(&config).as_secs(), 150);
        assert_eq!(left_behind_for(&config).as_secs(), 60 + 310);
        // Two delays of a projection, 2 at most each, and its request.
        assert_eq!(settled_within(&config).as_secs(), 4 + 15);
    }
}
