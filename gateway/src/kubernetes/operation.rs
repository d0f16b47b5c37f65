//! What requests are called in metrics and logs.

/// Verb and plural resource name of a request, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// create, get, list, watch, update, patch or delete.
    pub verb: &'static str,
    /// Such as `leases` or `remediationrequests/status`.
    pub resource: &'static str,
}
