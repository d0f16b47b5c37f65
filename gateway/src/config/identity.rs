//! Who this replica is, as the downward API tells it.

use super::error::Error;
use crate::rfc1123::{is_label, is_subdomain};

/// The pod this process runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `POD_NAME`: the `holderIdentity` of this replica's leases.
    pub pod_name: String,
    /// `POD_NAMESPACE`: where RemediationRequests and leases live.
    pub pod_namespace: String,
    /// `POD_UID`: owner of this replica's leases; they have no owner if absent.
    pub pod_uid: Option<String>,
}

impl Identity {
    /// Reads `POD_NAME`, `POD_NAMESPACE` and `POD_UID`.
    ///
    /// # Errors
    /// If one of the first two is missing or no RFC 1123 name: without them two replicas could not tell each other's
    /// leases apart, so the gateway does not start (contract: Lease).
    pub fn load(env: impl Iterator<Item = (String, String)>) -> Result<Self, Error> {
        let (mut name, mut namespace, mut uid) = (None, None, None);
        for (variable, value) in env {
            match variable.as_str() {
                "POD_NAME" => name = Some(value),
                "POD_NAMESPACE" => namespace = Some(value),
                "POD_UID" => uid = Some(value).filter(|value| !value.is_empty()),
                _ => {}
            }
        }
        Ok(Self {
            pod_name: required("POD_NAME", "metadata.name", name, is_subdomain)?,
            pod_namespace: required("POD_NAMESPACE", "metadata.namespace", namespace, is_label)?,
            pod_uid: uid,
        })
    }
}

fn required(
    variable: &'static str,
    field_path: &'static str,
    value: Option<String>,
    is_valid: fn(&str) -> bool,
) -> Result<String, Error> {
    let problem = match value {
        Some(value) if is_valid(&value) => return Ok(value),
        Some(value) if !value.is_empty() => format!("`{value}` is not an RFC 1123 name"),
        _ => "it is not set".to_owned(),
    };
    Err(Error::Identity { variable, problem, field_path })
}
