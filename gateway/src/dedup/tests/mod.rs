//! Tests of the state machines and of what workers share, one file each.

mod attempt;
mod count;
mod decision;
mod history;
mod inbox;
mod index;
mod observed;
mod projection;
mod properties;
mod view;

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::{
    context::{Context, SimulatedClock},
    remediation::{
        Author, Fingerprint, Phase, Record, ResourceVersion, SUCCESSION_FINALIZER, Signal, Source, TargetResource,
    },
};

/// What the wall clock of [`context`] shows at first.
pub(super) const EPOCH: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Exact clocks that start now.
pub(super) fn context() -> Context {
    let clock = SimulatedClock { epoch: EPOCH, offset: SignedDuration::ZERO, rate_ppm: 1_000_000 };
    #[expect(clippy::disallowed_methods, reason = "the start of this test's clock")]
    Context::simulated(clock, Instant::now(), 1)
}

pub(super) fn fingerprint() -> Fingerprint {
    Fingerprint::of("shop:Deployment:checkout")
}

pub(super) fn version(number: u64) -> ResourceVersion {
    ResourceVersion::parse(&number.to_string()).unwrap()
}

/// A signal of `fingerprint`.
pub(super) fn signal_of(fingerprint: Fingerprint) -> Signal {
    Signal {
        fingerprint,
        name: "A".to_owned(),
        severity: "warning".to_owned(),
        source: Source::Prometheus,
        target: TargetResource {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            namespace: "shop".to_owned(),
        },
        cluster_id: None,
        firing_time: EPOCH,
        received_time: EPOCH,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        provider_data: serde_json::Map::new(),
        original_payload: String::new(),
    }
}

/// An active RemediationRequest with ordinal 1 at version 10.
pub(super) fn active(uid: &str) -> Record {
    Record {
        name: format!("rr-{uid}").into(),
        uid: uid.into(),
        version: version(10),
        fingerprint: fingerprint(),
        phase: Phase::Active,
        manual_review: false,
        next_allowed: None,
        terminating: false,
        ordinal: 1,
        by_another_version: false,
        created_by: Some(Author::of("gateway-pod-9/boot/1")),
        finalizers: Box::default(),
        claim: None,
        created: None,
        has_status: false,
        deduplication: None,
    }
}

pub(super) fn terminal(uid: &str) -> Record {
    Record { phase: Phase::Terminal, ..active(uid) }
}

pub(super) fn claimed(uid: &str) -> Record {
    Record { finalizers: Box::new([SUCCESSION_FINALIZER.to_owned()]), version: version(11), ..terminal(uid) }
}

pub(super) fn records(records: &[Record]) -> Vec<Arc<Record>> {
    records.iter().cloned().map(Arc::new).collect()
}
