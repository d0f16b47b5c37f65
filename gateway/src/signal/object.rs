//! The address of an object that can be asked for.

use std::fmt;

use super::{
    kind::{Kind, KindRef, group_of},
    rules::Rules,
};
use crate::remediation::TargetResource;

/// An object as it is named.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    /// It can be asked for.
    Known(ObjectKey),
    /// It is of a kind that this gateway does not know.
    Unknown(TargetResource),
}

impl Object {
    /// The object that `resource` names, of a built-in kind or of one that the operator has added.
    pub(crate) fn of(resource: TargetResource, rules: &Rules) -> Self {
        ObjectKey::known(&resource, rules).map_or_else(|| Self::Unknown(resource), Self::Known)
    }

    /// As a RemediationRequest names it.
    pub(crate) fn resource(&self) -> TargetResource {
        match self {
            Self::Known(key) => key.resource(),
            Self::Unknown(resource) => resource.clone(),
        }
    }

    /// Its address, if it can be asked for.
    pub(crate) const fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Known(key) => Some(key),
            Self::Unknown(_) => None,
        }
    }
}

/// Identifies an object: kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectKey {
    pub(crate) kind: KindRef,
    /// Empty for cluster-scoped kinds.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectKey {
    /// The object that `target` is, if it is of a built-in kind or of one that the operator has added.
    pub(crate) fn known(target: &TargetResource, rules: &Rules) -> Option<Self> {
        Self::of(target).or_else(|| Self::of_added(target, rules))
    }

    /// The object that `target` is, if it is of a built-in kind.
    fn of(target: &TargetResource) -> Option<Self> {
        let TargetResource { api_version, kind, name, namespace } = target;
        let kind = Kind::of(api_version, kind)?.into();
        Some(Self { kind, namespace: namespace.clone(), name: name.clone() })
    }

    /// The object that `target` is, if it is of a kind that the operator has added, in whatever version.
    fn of_added(target: &TargetResource, rules: &Rules) -> Option<Self> {
        let TargetResource { api_version, kind: name, namespace, .. } = target;
        let group = group_of(api_version);
        let kind = rules.kinds().find(|kind| kind.group == group && kind.name == **name)?.clone();
        (kind.namespaced != namespace.is_empty()).then(|| Self {
            kind,
            namespace: namespace.clone(),
            name: target.name.clone(),
        })
    }

    /// The object of the built-in `kind` called `name` in the namespace of this one.
    pub(crate) fn sibling(&self, kind: &'static Kind, name: &str) -> Self {
        Self { kind: kind.into(), namespace: self.namespace.clone(), name: name.to_owned() }
    }

    /// The namespace `name`.
    pub(crate) fn of_namespace(name: &str) -> Option<Self> {
        let kind = Kind::named("Namespace")?.into();
        Some(Self { kind, namespace: String::new(), name: name.to_owned() })
    }

    /// As a RemediationRequest names it.
    pub(crate) fn resource(&self) -> TargetResource {
        let Self { kind, namespace, name } = self;
        TargetResource {
            api_version: kind.api_version(),
            kind: kind.name.to_string(),
            name: name.clone(),
            namespace: namespace.clone(),
        }
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
