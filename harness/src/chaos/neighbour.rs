//! A remediation controller that is written against Go types, beside the gateways: it moves active RemediationRequests from
//! phase to phase, and its writes lack what its types do not know.
#![allow(clippy::disallowed_methods, reason = "processes live in real time")]

use std::time::{Duration, Instant};

use kube::Api;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;
use serde_json::Value;

use super::load::fingerprint_of;
use crate::{
    cluster::{Stage, remediation_requests},
    explore::neighbours::{Change, TypedController},
    oracles::{fingerprint, is_active, name},
};

/// Between two changes.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 200..=1_000;
/// For one change.
const TIMEOUT: Duration = Duration::from_secs(5);
const PHASES: [&str; 5] = ["Processing", "Analyzing", "AwaitingApproval", "Executing", "Verifying"];

/// How a controller got on.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Neighbour {
    /// Changes that it made. Those that an API server left unanswered are none.
    pub changes: usize,
    /// Writes of these that met a conflict.
    pub conflicts: u32,
    /// From the first read to the answer of the last write of a change, the longest of all.
    pub longest_ms: u64,
}

/// Works on what is about one of so many `resources` until `until`.
pub(super) async fn work(stage: &Stage, seed: u64, resources: usize, until: Instant) -> Neighbour {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x7479_7065_6400_0000);
    let api = Api::namespaced_with(stage.client.clone(), &stage.namespace, &remediation_requests());
    let controller = TypedController::over(api);
    let mut neighbour = Neighbour::default();
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(rng.random_range(PAUSE_MS))).await;
        let about = fingerprint_of(rng.random_range(0..resources.max(1)));
        let is_it = |object: &Value| fingerprint(object) == about.as_str() && is_active(object);
        let Some(object) = stage.witness.find(is_it) else { continue };
        let phase = PHASES[rng.random_range(0..PHASES.len())];
        let change = controller.change(name(&object), phase, |_| ());
        if let Ok(Some(Change { tries, took, done: true })) = tokio::time::timeout(TIMEOUT, change).await {
            neighbour.changes += 1;
            neighbour.conflicts += tries - 1;
            neighbour.longest_ms = neighbour.longest_ms.max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        }
    }
    neighbour
}
