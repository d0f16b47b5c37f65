//! Aggregated discovery: everything in one document (apidiscovery.k8s.io/v2, KEP-3352).

use serde_json::{Value, json};

use super::description::{ResourceDescription, Subresource, distinct};

/// The Content-Type of the document.
pub(super) const CONTENT_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Whether a client takes the document in the one version that is offered.
pub(super) fn is_accepted(accept: &str) -> bool {
    accept.split(',').any(|media_type| {
        let mut parameters = media_type.split(';').map(str::trim);
        parameters.next() == Some("application/json")
            && ["g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"]
                .iter()
                .all(|wanted| media_type.split(';').any(|parameter| parameter.trim() == *wanted))
    })
}

/// The document about `resources`.
pub(super) fn list<'a>(resources: impl Iterator<Item = &'a ResourceDescription>) -> Value {
    let resources: Vec<&ResourceDescription> = resources.collect();
    let groups = distinct(resources.iter().copied(), |resource| &resource.group);
    let items: Vec<Value> = groups
        .into_iter()
        .map(|name| {
            let group: Vec<&ResourceDescription> = resources.iter().copied().filter(|r| r.group == name).collect();
            let metadata = if name.is_empty() { json!({}) } else { json!({"name": name}) };
            json!({"metadata": metadata, "versions": versions(&group)})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn versions(group: &[&ResourceDescription]) -> Vec<Value> {
    let versions = distinct(group.iter().copied(), |resource| &resource.version);
    let of = |version: &str| -> Value {
        let resources = group.iter().filter(|resource| resource.version == version);
        json!({
            "version": version,
            "resources": resources.map(|resource| describe(resource)).collect::<Vec<_>>(),
            "freshness": "Current",
        })
    };
    versions.into_iter().map(of).collect()
}

fn describe(resource: &ResourceDescription) -> Value {
    let ResourceDescription {
        group,
        version,
        plural,
        singular,
        kind,
        short_names,
        namespaced,
        verbs,
        subresources,
        categories,
    } = resource;
    let subresources: Vec<Value> = subresources
        .iter()
        .map(|name| {
            let Subresource { group, version, kind, verbs } = Subresource::of(resource, name);
            let response_kind = json!({"group": group, "version": version, "kind": kind});
            json!({"subresource": name, "responseKind": response_kind, "verbs": verbs})
        })
        .collect();
    json!({
        "resource": plural,
        "responseKind": {"group": group, "version": version, "kind": kind},
        "scope": if *namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": singular,
        "verbs": verbs,
        "shortNames": short_names,
        "categories": categories,
        "subresources": subresources,
    })
}
