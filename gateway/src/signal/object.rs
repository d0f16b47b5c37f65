//! The address of an object that can be asked for.

use std::fmt;

use super::kind::Kind;
use crate::remediation::TargetResource;

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectKey {
    pub(crate) kind: &'static Kind,
    /// Empty for cluster-scoped kinds.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectKey {
    /// The object that `target` is, if it is of a kind that can be asked for.
    pub(crate) fn of(target: &TargetResource) -> Option<Self> {
        let TargetResource { api_version, kind, name, namespace } = target;
        let kind = Kind::of(api_version, kind)?;
        Some(Self { kind, namespace: namespace.clone(), name: name.clone() })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() {
            write!(f, "{} {name}", kind.name)
        } else {
            write!(f, "{} {namespace}/{name}", kind.name)
        }
    }
}
