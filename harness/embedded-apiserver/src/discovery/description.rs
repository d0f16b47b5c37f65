//! What discovery tells of one resource, in every form.

/// The version that `/version` claims: the one whose behaviour is modelled.
pub(crate) const GIT_VERSION: &str = "v1.36.3";

/// One resource in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceDescription {
    /// The API group, empty for the core group.
    pub(crate) group: String,
    /// The version, such as `v1alpha1`; of several in a group, the first one listed is preferred.
    pub(crate) version: String,
    /// The name in URLs, such as `remediationrequests`.
    pub(crate) plural: String,
    /// The name for humans, such as `remediationrequest`.
    pub(crate) singular: String,
    /// The kind, such as `RemediationRequest`.
    pub(crate) kind: String,
    /// Abbreviations, such as `rr`.
    pub(crate) short_names: Vec<String>,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
    /// What can be done with it, such as `get` and `watch`.
    pub(crate) verbs: Vec<&'static str>,
    /// Its subresources, such as `status`.
    pub(crate) subresources: Vec<String>,
    /// Groups of resources that it belongs to, such as `all`.
    pub(crate) categories: Vec<String>,
}

impl ResourceDescription {
    pub(super) fn group_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }
}

/// What stands behind a subresource: the group, version and kind of its body, and its verbs.
pub(super) struct Subresource {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) verbs: &'static [&'static str],
}

impl Subresource {
    pub(super) fn of(resource: &ResourceDescription, name: &str) -> Self {
        let (group, version, kind, verbs): (&str, &str, &str, &[&str]) = match name {
            "scale" => ("autoscaling", "v1", "Scale", &["get", "patch", "update"]),
            "eviction" => ("policy", "v1", "Eviction", &["create"]),
            "token" => ("authentication.k8s.io", "v1", "TokenRequest", &["create"]),
            "approval" | "ephemeralcontainers" | "resize" => {
                (&resource.group, &resource.version, &resource.kind, &["get", "patch", "update"])
            }
            "finalize" => (&resource.group, &resource.version, &resource.kind, &["update"]),
            "attach" => ("", "v1", "PodAttachOptions", &["create", "get"]),
            "exec" => ("", "v1", "PodExecOptions", &["create", "get"]),
            "portforward" => ("", "v1", "PodPortForwardOptions", &["create", "get"]),
            "proxy" => {
                let kind = format!("{}ProxyOptions", resource.kind);
                let verbs = &["create", "delete", "get", "patch", "update"];
                return Self { group: String::new(), version: "v1".to_owned(), kind, verbs };
            }
            "binding" => ("", "v1", "Binding", &["create"]),
            "log" => (&resource.group, &resource.version, &resource.kind, &["get"]),
            _ => (&resource.group, &resource.version, &resource.kind, &["get", "patch", "update"]),
        };
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned(), verbs }
    }
}

/// The distinct values of `key`, in order of their first appearance.
pub(super) fn distinct<'a>(
    resources: impl Iterator<Item = &'a ResourceDescription>,
    key: fn(&ResourceDescription) -> &str,
) -> Vec<&'a str> {
    let mut values: Vec<&str> = Vec::new();
    for value in resources.map(key) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}
