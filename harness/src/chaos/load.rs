//! A fixed number of signals, each sent until it is acknowledged, as Alertmanager does.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gateway::remediation::Fingerprint;
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::options::Options;
use crate::{cluster::Stage, load::webhook};

/// What every alert says about when it began.
pub(super) const STARTS_AT: &str = "2026-10-31T23:00:00Z";
/// A sender that is not answered by then sends again, perhaps to another gateway; the first may still count.
const TIMEOUT: Duration = Duration::from_secs(10);
const BACKOFF: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// After all runs again, everything must be acknowledged within this.
const CONVERGE: Duration = Duration::from_secs(90);

/// The signals of a run.
pub(super) struct Load {
    seed: u64,
    signals: usize,
    resources: usize,
    /// Between two signals.
    pause: Duration,
    /// From the beginning, when senders give up.
    until: Duration,
}

/// What came of them.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) unacknowledged: usize,
    pub(super) statuses: BTreeMap<u16, usize>,
}

impl Load {
    pub(super) fn new(options: &Options, length_ms: u64) -> Self {
        let pause = Duration::from_secs(1) / options.rate.max(1);
        let length = Duration::from_millis(length_ms);
        let signals = usize::try_from(length.as_nanos() / pause.as_nanos()).unwrap_or(usize::MAX);
        Self { seed: options.seed, signals, resources: options.resources.max(1), pause, until: length + CONVERGE }
    }

    pub(super) fn signals(&self) -> usize {
        self.signals
    }

    /// Sends them to the gateways at `bases`, evenly from `began` on.
    pub(super) async fn send(&self, stage: &Stage, bases: &[&str], began: Instant) -> Sent {
        let sent = Mutex::new(Sent::default());
        let note = |status| {
            *sent.lock().statuses.entry(status).or_default() += 1;
        };
        let signal = async |number: usize| {
            let mut rng = StdRng::seed_from_u64(self.seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let resource = number % self.resources;
            let (body, fingerprint) = (webhook(&name_of(resource), STARTS_AT), fingerprint_of(resource));
            let at = began + self.pause * u32::try_from(number).unwrap_or(u32::MAX);
            tokio::time::sleep_until(at.into()).await;
            let mut backoff = BACKOFF;
            while began.elapsed() < self.until {
                let base = bases[rng.random_range(0..bases.len())];
                let answer = tokio::time::timeout(TIMEOUT, stage.send(base, &body, fingerprint.as_str())).await;
                let status = answer.map_or(0, |answer| answer.status.as_u16());
                note(status);
                match status {
                    200..300 => return true,
                    // Alertmanager would not send it again.
                    400..500 => return false,
                    _ => {}
                }
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            false
        };
        let acknowledged = futures::future::join_all((0..self.signals).map(signal)).await;
        let mut sent = sent.into_inner();
        sent.unacknowledged = acknowledged.into_iter().filter(|acknowledged| !acknowledged).count();
        sent
    }
}

/// The Deployment of this number.
pub(super) fn name_of(resource: usize) -> String {
    format!("chaos-{resource}")
}

/// The fingerprint of signals on the resource of this number.
pub(super) fn fingerprint_of(resource: usize) -> Fingerprint {
    Fingerprint::of(&format!("shop:Deployment:{}", name_of(resource)))
}
