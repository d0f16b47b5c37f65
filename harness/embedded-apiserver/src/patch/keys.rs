//! Which lists of built-in resources merge, and by which key: the `patchStrategy` tags of `k8s.io/api` 1.36.
//!
//! The tags sit on Go types; here a list is known by its name and that of the field around it.

use serde_json::Value;

/// How a patch's list meets the list that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListStrategy {
    /// It takes its place.
    Replace,
    /// Values that are missing are added.
    Primitives,
    /// Elements with an equal value of this field merge.
    Key(&'static str),
}

impl ListStrategy {
    /// The strategy for the list `list` of the object in the field `parent` (empty: the root).
    ///
    /// The elements tell a container's ports from a Service's.
    pub(super) fn of(parent: &str, list: &str, patch: &[Value], existing: &[Value]) -> Self {
        let mut elements = patch.iter().chain(existing);
        match (parent, list) {
            ("metadata", "finalizers") | ("spec", "podCIDRs") => Self::Primitives,
            ("metadata", "ownerReferences") => Self::Key("uid"),
            ("status", "conditions" | "addresses") => Self::Key("type"),
            ("status", "podIPs" | "hostIPs") | (_, "hostAliases") => Self::Key("ip"),
            (_, "ports") if elements.any(|port| port.get("containerPort").is_some()) => Self::Key("containerPort"),
            ("spec", "ports") => Self::Key("port"),
            (_, "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "schedulingGates") => {
                Self::Key("name")
            }
            ("spec", "imagePullSecrets" | "resourceClaims" | "drivers") | ("", "secrets" | "webhooks") => {
                Self::Key("name")
            }
            (_, "volumeMounts") => Self::Key("mountPath"),
            (_, "volumeDevices") => Self::Key("devicePath"),
            (_, "topologySpreadConstraints") => Self::Key("topologyKey"),
            _ => Self::Replace,
        }
    }
}
