//! Discovery: which resources there are, as kubectl and other clients ask before anything else.
//!
//! Both forms are answered: the older one, a request per group and version, and the aggregated one
//! (apidiscovery.k8s.io/v2), which a client asks for in its Accept header and recognises by [`content_type`].

mod aggregated;
mod legacy;
mod openapi;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

/// The version that `/version` claims: the one whose behaviour is modelled.
pub(super) const GIT_VERSION: &str = "v1.36.3";

/// One resource in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ResourceDescription {
    /// The API group, empty for the core group.
    pub(super) group: String,
    /// The version, such as `v1alpha1`; of several in a group, the first one listed is preferred.
    pub(super) version: String,
    /// The name in URLs, such as `remediationrequests`.
    pub(super) plural: String,
    /// The name for humans, such as `remediationrequest`.
    pub(super) singular: String,
    /// The kind, such as `RemediationRequest`.
    pub(super) kind: String,
    /// Abbreviations, such as `rr`.
    pub(super) short_names: Vec<String>,
    /// Whether its objects live in namespaces.
    pub(super) namespaced: bool,
    /// What can be done with it, such as `get` and `watch`.
    pub(super) verbs: Vec<&'static str>,
    /// Its subresources, such as `status`.
    pub(super) subresources: Vec<String>,
    /// Groups of resources that it belongs to, such as `all`.
    pub(super) categories: Vec<String>,
}

impl ResourceDescription {
    fn group_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }
}

/// What stands behind a subresource: the group, version and kind of its body, and its verbs.
struct Subresource {
    group: String,
    version: String,
    kind: String,
    verbs: &'static [&'static str],
}

impl Subresource {
    fn of(resource: &ResourceDescription, name: &str) -> Self {
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

/// Answers a GET of `path` (without its query) if it is about what the server offers; otherwise `None`.
///
/// `accept` is the Accept header. Documents that exist only as JSON are `None` for a client that takes nothing but
/// protobuf: let the answer be 406, which old versions of kubectl survive.
pub(super) fn answer(path: &str, accept: &str, resources: &[ResourceDescription]) -> Option<Value> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_aggregated = aggregated::is_accepted(accept);
    match parts.as_slice() {
        ["version"] => Some(version()),
        ["api"] if is_aggregated => Some(aggregated::list(resources.iter().filter(|r| r.group.is_empty()))),
        ["apis"] if is_aggregated => Some(aggregated::list(resources.iter().filter(|r| !r.group.is_empty()))),
        ["api"] => Some(legacy::core_versions(resources)),
        ["apis"] => Some(legacy::groups(resources)),
        ["api", version] => legacy::resources("", version, resources),
        ["apis", group] => legacy::group(group, resources),
        ["apis", group, version] => legacy::resources(group, version, resources),
        ["openapi", rest @ ..] if takes_json(accept) => openapi::answer(rest, resources),
        _ => None,
    }
}

/// The Content-Type of an [`answer`]: by it a client tells aggregated discovery from the older form.
pub(super) fn content_type(answer: &Value) -> &'static str {
    match answer.get("kind").and_then(Value::as_str) {
        Some("APIGroupDiscoveryList") => aggregated::CONTENT_TYPE,
        _ => "application/json",
    }
}

fn takes_json(accept: &str) -> bool {
    accept.is_empty() || accept.contains("json") || accept.contains("*/*")
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    })
}

/// The distinct values of `key`, in order of their first appearance.
fn distinct<'a>(
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
