//! The RemediationRequest: its type, the signal that it is made of, what of it decides, its phases and its names.

mod author;
mod counter;
mod crd;
mod fingerprint;
mod lenient;
mod metadata;
mod names;
mod record;
mod signal;
mod stored;

pub use author::Author;
pub use counter::{
    BootId, Counter, Folded, Register, counted_by, counter_name, fold_patch, new_counter, register_patch,
};
pub use crd::{
    CompletionStatus, DeduplicationStatus, OverallPhase, RemediationRequest, RemediationRequestSpec,
    RemediationRequestStatus, RoutingStatus, TargetResource, TargetType, crd_yaml,
};
pub use fingerprint::Fingerprint;
pub use metadata::{
    CLAIM, COMPONENT_LABEL, COUNTER_COMPONENT, CREATED_AT, CREATED_BY, MANAGED_BY, MANAGED_BY_LABEL, PROTOCOL,
    PROTOCOL_LABEL, SUCCESSION_FINALIZER, claimed, unclaimed,
};
pub use names::{LeaseName, remediation_request_name};
pub use record::{Deduplication, Phase, Projected, Record, ResourceVersion, Unreadable};
pub use signal::{Signal, Source, build};
pub use stored::{always_fits, fitting, stored_len};

/// The beginnings of the names of leases that gateways make: locks and counters.
pub const LEASE_PREFIXES: [&str; 2] = [names::LEASE_PREFIX, counter::NAME_PREFIX];
