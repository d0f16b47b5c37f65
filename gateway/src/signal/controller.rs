//! What controls an object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::{
    kind::{Kind, KindRef},
    object::{Object, ObjectKey},
};
use crate::remediation::TargetResource;

/// The owner reference with `controller: true`.
///
/// It holds all that a RemediationRequest needs of a controller of a kind that this gateway does not know, such as an Argo
/// Rollout: nothing has to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Controller {
    /// Of the built-in kinds.
    known: Option<&'static Kind>,
    api_version: String,
    kind: String,
    name: String,
    /// Empty where a forwarder of events tells of it without.
    pub(crate) uid: String,
}

impl Controller {
    /// The one among `owners` that stands for what it controls.
    ///
    /// A Node, which is the controller of its static pods, does not: it would make one incident of all of them.
    pub(crate) fn among(owners: &[OwnerReference]) -> Option<Self> {
        let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
        Self::new(&owner.api_version, &owner.kind, &owner.name, &owner.uid)
    }

    /// A controller as a reference names it, if it stands for what it controls.
    pub(crate) fn new(api_version: &str, kind: &str, name: &str, uid: &str) -> Option<Self> {
        let known = Kind::of(api_version, kind);
        if known.is_some_and(|kind| !kind.controls_pods()) {
            return None;
        }
        let [api_version, kind, name, uid] = [api_version, kind, name, uid].map(str::to_owned);
        Some(Self { known, api_version, kind, name, uid })
    }

    /// The controller of an object in `namespace`.
    pub(crate) fn owner(&self, namespace: &str) -> Object {
        let Self { known, api_version, kind, name, uid: _ } = self;
        let namespace = namespace.to_owned();
        match known {
            Some(kind) => Object::Known(ObjectKey { kind: KindRef::from(*kind), namespace, name: name.clone() }),
            None => Object::Unknown(TargetResource {
                api_version: api_version.clone(),
                kind: kind.clone(),
                name: name.clone(),
                namespace,
            }),
        }
    }
}
