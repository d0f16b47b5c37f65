//! A lock is deleted or taken over only as the protocol allows, and none is left after everything has come to rest.
//!
//! Counters are leases too, and looked at by an oracle of their own.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    oracle::{End, Oracle, Write},
    read::{LEASES, is_replica, name},
    tallies::is_counter,
};

/// Clocks of replicas may differ; a take-over by a clock that is ahead costs a round trip, nothing more.
const CLOCK_TOLERANCE_MS: i64 = 1000;

/// Knows whose a lease was from the lease itself.
#[derive(Debug)]
pub struct Leases {
    tolerance_ms: i64,
    /// Versions were given out again: a test of one proves nothing, and the fence alone keeps what the lock does not.
    restored: bool,
}

impl Default for Leases {
    fn default() -> Self {
        Self { tolerance_ms: CLOCK_TOLERANCE_MS, restored: false }
    }
}

impl Oracle for Leases {
    fn name(&self) -> &'static str {
        "leases"
    }

    fn allow_skew(&mut self, skew_ms: i64) {
        self.tolerance_ms = CLOCK_TOLERANCE_MS + skew_ms;
    }

    fn on_restored(&mut self, _at_ms: i64) {
        self.restored = true;
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        let old = write.old.filter(|old| write.resource == LEASES && !is_counter(old) && !self.restored)?;
        let holder = old["spec"]["holderIdentity"].as_str()?;
        let by_another = holder != write.caller && is_replica(write.caller);
        if !by_another || expired_before(old, write.at_ms + self.tolerance_ms) {
            return None;
        }
        Some(format!("{} of {} {} the lease {holder} still holds", write.verb, name(old), write.caller))
    }

    fn at_end(&mut self, end: &End) -> Vec<String> {
        let locks = end.leases.iter().filter(|lease| !is_counter(lease));
        locks.map(|lease| format!("the lease {} is left", name(lease))).collect()
    }
}

fn expired_before(lease: &Value, at_ms: i64) -> bool {
    let renewed = lease["spec"]["renewTime"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let duration_ms = lease["spec"]["leaseDurationSeconds"].as_i64().unwrap_or(0) * 1000;
    renewed.is_none_or(|renewed| renewed.as_millisecond() + duration_ms <= at_ms)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::own(10, "gateway-pod-1", false)]
    #[case::of_another(10, "gateway-pod-2", true)]
    #[case::of_another_but_expired(31, "gateway-pod-2", false)]
    #[case::by_a_user(10, "kubernetes-admin", false)]
    fn a_valid_lease_is_deleted_by_its_holder_only(
        #[case] after_secs: i64,
        #[case] caller: &str,
        #[case] violated: bool,
    ) {
        let lease = json!({
            "metadata": {"name": "gw-lock-a"},
            "spec": {
                "holderIdentity": "gateway-pod-1",
                "leaseDurationSeconds": 30,
                "renewTime": "2026-01-01T00:00:00.000000Z",
            },
        });
        let renewed: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let at_ms = renewed.as_millisecond() + after_secs * 1000;
        let write = Write { version: 1, resource: LEASES, verb: "delete", caller, old: Some(&lease), new: None, at_ms };
        assert_eq!(Leases::default().on_write(&write).is_some(), violated);
    }

    #[test]
    fn a_lock_that_is_left_is_a_violation_and_a_counter_is_none() {
        let leases = ["gw-lock-a", "gw-count-u"].map(|name| json!({"metadata": {"name": name}})).to_vec();
        assert_eq!(Leases::default().at_end(&End { leases, ..End::default() }), ["the lease gw-lock-a is left"]);
    }
}
