//! CustomResourceDefinitions: resources that come and go while the server runs.

use std::sync::Arc;

use serde_json::Value;

use super::{
    object,
    resources::{Resource, established},
    rules::shape,
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
pub(super) fn written(store: &mut Store, resource: &Resource, crd: &Arc<Value>) {
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
    redefine(store, crd);
}

/// Reads objects by a definition that takes the place of another one.
///
/// Measured on kube-apiserver 1.36: what the new definition does not know is gone from every answer at once, and back with
/// the old one, unless the object was written meanwhile. Watches under way end without an error after a second, and one
/// from a version before the change is answered 410.
fn redefine(store: &mut Store, crd: &Arc<Value>) {
    let (Some(group), Some(plural)) = coordinates(crd) else { return };
    let Some(resource) = store.registry.named(&format!("{plural}.{group}")).cloned() else { return };
    let (version, now) = (store.etcd(&resource).cached(), store.clock.elapsed());
    let collection = &mut store.collections[resource.collection];
    let before = collection.definition.replace(Arc::clone(crd));
    if before.is_none_or(|before| before["spec"] == crd["spec"]) {
        return;
    }
    reshape(store, &resource);
    let collection = &mut store.collections[resource.collection];
    collection.life = (collection.life.0 + 1, now);
    collection.forget(version);
    collection.changed.set(version);
}

/// Prunes and defaults what is read, as the definition of now says; etcd keeps what it has.
pub(super) fn reshape(store: &mut Store, resource: &Resource) {
    let collection = &mut store.collections[resource.collection];
    let mut originals = std::mem::take(&mut collection.originals);
    for (namespace, names) in &mut collection.objects {
        for (name, object) in names {
            let key = (namespace.clone(), name.clone());
            let original = originals.remove(&key).unwrap_or_else(|| Arc::clone(object));
            let mut read = Value::clone(&original);
            shape(resource, &mut read);
            if read == *original {
                *object = original;
            } else {
                *object = Arc::new(read);
                collection.originals.insert(key, original);
            }
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
    store.collections[gone.collection].definition = None;
    store.registry.remove(group, plural);
}

fn coordinates(crd: &Value) -> (Option<&str>, Option<&str>) {
    let text = |pointer| crd.pointer(pointer).and_then(Value::as_str);
    (text("/spec/group"), text("/spec/names/plural"))
}
