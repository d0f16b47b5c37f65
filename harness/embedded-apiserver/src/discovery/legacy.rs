//! Discovery by group and version (meta.k8s.io/v1 APIVersions, APIGroupList, APIGroup, APIResourceList).

use serde_json::{Value, json};

use super::description::{ResourceDescription, Subresource, distinct};

/// `/api`: the versions of the core group.
pub(super) fn core_versions(resources: &[ResourceDescription]) -> Value {
    let core = resources.iter().filter(|resource| resource.group.is_empty());
    json!({
        "kind": "APIVersions",
        "versions": distinct(core, |resource| &resource.version),
        "serverAddressByClientCIDRs": [],
    })
}

/// `/apis`: all groups but the core group.
pub(super) fn groups(resources: &[ResourceDescription]) -> Value {
    let names = distinct(resources.iter().filter(|resource| !resource.group.is_empty()), |resource| &resource.group);
    let groups: Vec<Value> = names.into_iter().filter_map(|name| describe_group(name, resources)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`, if there is such a group.
pub(super) fn group(name: &str, resources: &[ResourceDescription]) -> Option<Value> {
    let mut group = describe_group(name, resources)?;
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    Some(group)
}

fn describe_group(name: &str, resources: &[ResourceDescription]) -> Option<Value> {
    let members = resources.iter().filter(|resource| resource.group == name);
    let versions: Vec<Value> = distinct(members, |resource| &resource.version)
        .into_iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    let preferred = versions.first()?.clone();
    Some(json!({"name": name, "versions": versions, "preferredVersion": preferred}))
}

/// `/api/<version>` and `/apis/<group>/<version>`, if there is such a version.
pub(super) fn resources(group: &str, version: &str, resources: &[ResourceDescription]) -> Option<Value> {
    let members: Vec<&ResourceDescription> =
        resources.iter().filter(|resource| resource.group == group && resource.version == version).collect();
    let group_version = members.first()?.group_version();
    let described: Vec<Value> = members.into_iter().flat_map(describe).collect();
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": described,
    }))
}

/// A resource, followed by its subresources.
fn describe(resource: &ResourceDescription) -> Vec<Value> {
    let mut described = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        described["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        described["categories"] = json!(resource.categories);
    }
    let subresources = resource.subresources.iter().map(|name| describe_subresource(resource, name));
    std::iter::once(described).chain(subresources).collect()
}

fn describe_subresource(resource: &ResourceDescription, name: &str) -> Value {
    let Subresource { group, version, kind, verbs } = Subresource::of(resource, name);
    let mut described = json!({
        "name": format!("{}/{name}", resource.plural),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": verbs,
    });
    // Only a body of another group needs to say so.
    if (&group, &version) != (&resource.group, &resource.version) {
        described["group"] = json!(group);
        described["version"] = json!(version);
    }
    described
}
