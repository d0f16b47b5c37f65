//! The identity of an incident.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::crd::TargetResource;

/// 64 lower-case hexadecimal digits that identify the incident a signal belongs to (contract: `signalFingerprint`); clones share
/// them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Arc<str>);

impl Fingerprint {
    /// The SHA-256 of `identity`.
    pub fn of(identity: &str) -> Self {
        Self(hex::encode(Sha256::digest(identity.as_bytes())).into())
    }

    /// The incident of `target`: one per resource, whatever the alert's name (contract: `namespace:kind:name`, prefixed by
    /// `clusterID:` where there is one).
    ///
    /// No two targets share a text: kinds, names and namespaces hold no colon, so it reads in one way from the right.
    pub fn of_target(cluster_id: Option<&str>, target: &TargetResource) -> Self {
        let TargetResource { api_version: _, kind, name, namespace } = target;
        match cluster_id {
            Some(cluster) => Self::of(&format!("{cluster}:{namespace}:{kind}:{name}")),
            None => Self::of(&format!("{namespace}:{kind}:{name}")),
        }
    }

    /// Reads a fingerprint written by [`fmt::Display`]; `None` if `text` is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.into()))
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
