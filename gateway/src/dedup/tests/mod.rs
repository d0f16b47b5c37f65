//! Tests of the state machines, one file each.

mod attempt;
mod commit;
mod decision;
mod index;
mod properties;

use std::sync::Arc;

use crate::{
    remediation::{Phase, Record, ResourceVersion, SUCCESSION_FINALIZER},
    signal::Fingerprint,
};

pub(super) fn fingerprint() -> Fingerprint {
    Fingerprint::of("shop:Deployment:checkout")
}

pub(super) fn version(number: u64) -> ResourceVersion {
    ResourceVersion::parse(&number.to_string()).unwrap()
}

/// An active RemediationRequest with ordinal 1 at version 10.
pub(super) fn active(uid: &str) -> Record {
    Record {
        name: format!("rr-{uid}"),
        uid: uid.to_owned(),
        version: version(10),
        fingerprint: fingerprint(),
        phase: Phase::Active,
        manual_review: false,
        next_allowed: None,
        terminating: false,
        ordinal: 1,
        created_by: Some("gateway-pod-9/boot/1".to_owned()),
        finalizers: Vec::new(),
        claim: None,
        created: None,
        counted: None,
    }
}

pub(super) fn terminal(uid: &str) -> Record {
    Record { phase: Phase::Terminal, ..active(uid) }
}

pub(super) fn claimed(uid: &str) -> Record {
    Record { finalizers: vec![SUCCESSION_FINALIZER.to_owned()], version: version(11), ..terminal(uid) }
}

pub(super) fn records(records: &[Record]) -> Vec<Arc<Record>> {
    records.iter().cloned().map(Arc::new).collect()
}
