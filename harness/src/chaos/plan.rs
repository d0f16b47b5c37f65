//! What goes wrong in a run, drawn from its seed.

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde::Serialize;

/// What a fault acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The process of kube-apiserver.
    Apiserver,
    /// The process of etcd.
    Etcd,
    /// The gateway of this number, from 1.
    Gateway(usize),
    /// The RemediationRequest of this resource.
    Resource(usize),
}

/// What befalls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// SIGKILL, and a start after the fault's time.
    Kill,
    /// SIGSTOP, and SIGCONT after the fault's time.
    Pause,
    /// It becomes terminal, so that the next signal needs a successor.
    Complete,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// From the beginning of the run.
    pub at_ms: u64,
    /// How long it lasts.
    pub lasts_ms: u64,
    /// Whom it befalls.
    pub target: Target,
    /// What befalls it.
    pub what: What,
}

/// A gateway that pauses for so long wakes up after its lease (30 s) has expired, within what a process may stop for
/// (protocol: assumptions).
const LONG_PAUSE_MS: std::ops::RangeInclusive<u64> = 35_000..=38_000;
const SHORT_PAUSE_MS: std::ops::RangeInclusive<u64> = 1_000..=8_000;
/// A request that waits in a paused server takes effect later, but within the life of a sent request.
const SERVER_PAUSE_MS: std::ops::RangeInclusive<u64> = 2_000..=10_000;
const DOWN_MS: std::ops::RangeInclusive<u64> = 500..=4_000;
/// Between two faults of the same lane.
const CALM_MS: std::ops::RangeInclusive<u64> = 2_000..=7_000;

/// The least length of a run: a long pause and what comes before it.
pub const LENGTH_MIN_MS: u64 = 45_000;

/// The lanes of a run: what befalls servers, each gateway, and RemediationRequests, each in its order. Lanes overlap.
///
/// Whatever the seed, each kind occurs: the API server is killed and paused, etcd paused, one gateway killed, one paused
/// longer than its lease.
pub fn draw(seed: u64, length_ms: u64, gateways: usize, resources: usize) -> Vec<Vec<Fault>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut servers = [(Target::Apiserver, What::Kill), (Target::Apiserver, What::Pause), (Target::Etcd, What::Pause)];
    servers.shuffle(&mut rng);
    let mut order: Vec<usize> = (1..=gateways).collect();
    order.shuffle(&mut rng);
    let mut lanes = vec![lane(&mut rng, length_ms, |rng, n| {
        let (target, what) = servers[n % servers.len()];
        let lasts_ms = rng.random_range(if what == What::Kill { DOWN_MS } else { SERVER_PAUSE_MS });
        Fault { at_ms: 0, lasts_ms, target, what }
    })];
    for (place, gateway) in order.into_iter().enumerate() {
        lanes.push(lane(&mut rng, length_ms, |rng, n| {
            let kind = if n == 0 { place } else { rng.random_range(0..3) };
            let (what, lasts_ms) = match kind {
                0 => (What::Pause, rng.random_range(LONG_PAUSE_MS)),
                1 => (What::Kill, rng.random_range(DOWN_MS)),
                _ => (What::Pause, rng.random_range(SHORT_PAUSE_MS)),
            };
            Fault { at_ms: 0, lasts_ms, target: Target::Gateway(gateway), what }
        }));
    }
    lanes.push(lane(&mut rng, length_ms, |rng, _| {
        let target = Target::Resource(rng.random_range(0..resources.max(1)));
        Fault { at_ms: 0, lasts_ms: 0, target, what: What::Complete }
    }));
    lanes
}

/// Faults one after the other; those that would not end in time are left out.
fn lane(rng: &mut StdRng, length_ms: u64, mut next: impl FnMut(&mut StdRng, usize) -> Fault) -> Vec<Fault> {
    let (mut faults, mut at_ms) = (Vec::new(), 0);
    for number in 0.. {
        at_ms += rng.random_range(CALM_MS);
        if at_ms >= length_ms {
            break;
        }
        let fault = Fault { at_ms, ..next(rng, number) };
        if at_ms + fault.lasts_ms <= length_ms {
            at_ms += fault.lasts_ms;
            faults.push(fault);
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_seed_has_every_kind_of_fault_within_the_run_and_none_overlaps_in_its_lane() {
        for seed in 0..500 {
            let lanes = draw(seed, LENGTH_MIN_MS, 3, 6);
            assert_eq!(lanes, draw(seed, LENGTH_MIN_MS, 3, 6), "a seed decides");
            for pair in lanes.iter().flat_map(|lane| lane.windows(2)) {
                assert!(pair[0].at_ms + pair[0].lasts_ms < pair[1].at_ms, "seed {seed}: {pair:?}");
            }
            let all: Vec<&Fault> = lanes.iter().flatten().collect();
            assert!(all.iter().all(|fault| fault.at_ms + fault.lasts_ms <= LENGTH_MIN_MS));
            let kinds: BTreeSet<_> = all.iter().map(|fault| (fault.target, fault.what)).collect();
            for expected in
                [(Target::Apiserver, What::Kill), (Target::Apiserver, What::Pause), (Target::Etcd, What::Pause)]
            {
                assert!(kinds.contains(&expected), "seed {seed} lacks {expected:?}");
            }
            let gateway = |fault: &&&Fault| matches!(fault.target, Target::Gateway(_));
            assert!(all.iter().filter(gateway).any(|fault| fault.lasts_ms > 30_000), "seed {seed}");
            assert!(all.iter().filter(gateway).any(|fault| fault.what == What::Kill), "seed {seed}");
        }
        assert_ne!(draw(1, 60_000, 3, 6), draw(2, 60_000, 3, 6));
    }
}
