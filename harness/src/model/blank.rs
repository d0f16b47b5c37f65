//! What both models fill in.

use gateway::remediation::{Fingerprint, Phase, Record, ResourceVersion};

/// A RemediationRequest of which a model says what it has to say.
pub(super) fn blank() -> Record {
    Record {
        name: Box::default(),
        uid: Box::default(),
        version: ResourceVersion::default(),
        fingerprint: Fingerprint::of(""),
        phase: Phase::Active,
        manual_review: false,
        next_allowed: None,
        terminating: false,
        ordinal: 1,
        by_another_version: false,
        created_by: None,
        finalizers: Box::default(),
        claim: None,
        created: None,
        has_status: true,
        deduplication: None,
    }
}
