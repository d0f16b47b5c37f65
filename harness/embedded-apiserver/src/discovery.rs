//! Discovery: which resources there are, as kubectl and other clients ask before anything else.
//!
//! Both forms are answered: the older one, a request per group and version, and the aggregated one
//! (apidiscovery.k8s.io/v2), which a client asks for in its Accept header and recognises by [`content_type`].

mod aggregated;
mod description;
mod legacy;
mod openapi;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub(super) use description::{GIT_VERSION, ResourceDescription};

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
