//! What requests are called in metrics and logs.

/// Verb and plural resource name of a request, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// create, get, list, watch, update, patch or delete.
    pub verb: &'static str,
    /// Such as `leases` or `remediationrequests/status`.
    pub resource: &'static str,
}

impl Operation {
    /// The method of HTTP that the verb is sent by.
    pub const fn method(self) -> &'static str {
        match self.verb.as_bytes() {
            b"create" => "POST",
            b"update" => "PUT",
            b"patch" => "PATCH",
            b"delete" => "DELETE",
            _ => "GET",
        }
    }
}
