//! OpenAPI documents that say as little as kubectl can do with.
//!
//! kubectl reads from them whether a resource can be patched with `fieldValidation` and `dryRun` (then it leaves
//! validation to the server), and which kinds there are. They describe no fields.

use serde_json::{Map, Value, json};

use super::description::{GIT_VERSION, ResourceDescription};

/// Answers what follows `/openapi` in a path.
pub(super) fn answer(path: &[&str], resources: &[ResourceDescription]) -> Option<Value> {
    match path {
        ["v2"] => Some(json!({"swagger": "2.0", "info": info(), "paths": {}, "definitions": {}})),
        ["v3"] => Some(index(resources)),
        ["v3", "api", version] => document("", version, resources),
        ["v3", "apis", group, version] => document(group, version, resources),
        _ => None,
    }
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": GIT_VERSION})
}

/// The path of a group version, without a slash in front: `api/v1` or `apis/<group>/<version>`.
fn root(resource: &ResourceDescription) -> String {
    let prefix = if resource.group.is_empty() { "api" } else { "apis" };
    format!("{prefix}/{}", resource.group_version())
}

fn index(resources: &[ResourceDescription]) -> Value {
    let entry = |resource: &ResourceDescription| {
        let root = root(resource);
        let url = format!("/openapi/v3/{root}");
        (root, json!({"serverRelativeURL": url}))
    };
    json!({"paths": resources.iter().map(entry).collect::<Map<_, _>>()})
}

fn document(group: &str, version: &str, resources: &[ResourceDescription]) -> Option<Value> {
    let mut members = resources.iter().filter(|r| r.group == group && r.version == version).peekable();
    members.peek()?;
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for resource in members {
        let id = json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
        let namespace = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let path = format!("/{}/{namespace}{}/{{name}}", root(resource), resource.plural);
        if resource.verbs.contains(&"patch") {
            paths.insert(path, json!({"patch": patch_operation(&id)}));
        }
        let mut domain: Vec<&str> = group.split('.').collect();
        domain.reverse();
        let name = [domain.as_slice(), &[version, &resource.kind]].concat().join(".");
        let schema = json!({
            "type": "object",
            "x-kubernetes-group-version-kind": [id],
            "x-kubernetes-preserve-unknown-fields": true,
        });
        schemas.insert(name.trim_start_matches('.').to_owned(), schema);
    }
    Some(json!({"openapi": "3.0.0", "info": info(), "paths": paths, "components": {"schemas": schemas}}))
}

fn patch_operation(id: &Value) -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    json!({
        "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": id,
    })
}
