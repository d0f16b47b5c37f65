//! CustomResourceDefinitions: resources that come and go while the server runs.

use serde_json::Value;

use super::{
    object,
    resources::{Resource, established},
    store::{Origin, Store},
};

fn is_crd(resource: &Resource) -> bool {
    resource.group == "apiextensions.k8s.io" && resource.plural == "customresourcedefinitions"
}

/// Fills in the status of a definition: every one is accepted at once.
pub(super) fn establish(store: &Store, crd: &mut Value) {
    if let Some(names) = crd.pointer_mut("/spec/names") {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or("").to_owned();
        let names = object::map_mut(names);
        names.entry("singular").or_insert_with(|| kind.to_lowercase().into());
        names.entry("listKind").or_insert_with(|| format!("{kind}List").into());
    }
    crd["status"] = established(crd, &store.clock.seconds());
}

/// Serves what a definition that was just written defines.
pub(super) fn written(store: &mut Store, resource: &Resource, crd: &Value) {
    if !is_crd(resource) {
        return;
    }
    if let (Some(group), Some(plural)) = coordinates(crd) {
        store.registry.remove(group, plural);
    }
    let versions = crd.pointer("/spec/versions").and_then(Value::as_array);
    for version in versions.into_iter().flatten() {
        if version.get("served").and_then(Value::as_bool) == Some(false) {
            continue;
        }
        if let Some(resource) = Resource::from_crd(crd, version) {
            store.serve(resource);
        }
    }
}

/// Removes the objects of a definition that is gone, and serves them no longer.
pub(super) fn removed(store: &mut Store, resource: &Resource, crd: &Value, origin: Origin<'_>) {
    let (true, (Some(group), Some(plural))) = (is_crd(resource), coordinates(crd)) else { return };
    let Some(gone) = store.registry.named(&format!("{plural}.{group}")).cloned() else { return };
    let objects = store.collection(&gone).objects.clone();
    for (namespace, names) in &objects {
        for name in names.keys() {
            store.remove(&gone, namespace, name, origin);
        }
    }
    store.registry.remove(group, plural);
}

fn coordinates(crd: &Value) -> (Option<&str>, Option<&str>) {
    let text = |pointer| crd.pointer(pointer).and_then(Value::as_str);
    (text("/spec/group"), text("/spec/names/plural"))
}
