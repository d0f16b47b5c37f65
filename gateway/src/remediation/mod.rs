//! The RemediationRequest: its type, the signal that it is made of, what of it decides, its phases and its names.

mod build;
mod crd;
mod fingerprint;
mod lenient;
mod metadata;
mod names;
mod record;
mod signal;

pub use build::build;
pub use crd::{
    CompletionStatus, DeduplicationStatus, OverallPhase, RemediationRequest, RemediationRequestSpec,
    RemediationRequestStatus, RoutingStatus, TargetResource, TargetType, Writer, crd_yaml,
};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use metadata::{
    CLAIM, COMPONENT_LABEL, CREATED_AT, CREATED_BY, MANAGED_BY, MANAGED_BY_LABEL, SUCCESSION_FINALIZER,
};
pub use names::{LeaseName, remediation_request_name};
pub use record::{Counted, Phase, Projected, Record, ResourceVersion, Unreadable};
pub use signal::{Signal, Source};
