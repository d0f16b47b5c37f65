//! Objects that are stored as they are.

use serde_json::Value;

use super::{
    crd, object,
    store::{Origin, SEEDER, Store},
    write,
};

/// As what a test's own hands write.
pub(super) const SEED: Origin<'_> = Origin { verb: "create", subresource: "", caller: SEEDER };

/// Stores a namespace unless it is there.
pub(super) fn seed_namespace(store: &mut Store, name: &str) {
    let missing =
        store.registry.find("", "v1", "namespaces").is_some_and(|resource| store.get(resource, "", name).is_none());
    if missing && !name.is_empty() {
        seed(store, serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
}

/// Stores `object` without validation, status included. Objects of unknown kinds are dropped.
pub(super) fn seed(store: &mut Store, mut object: Value) {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(resource) = store.registry.of_kind(&api_version, &kind).cloned() else {
        tracing::warn!(api_version, kind, "cannot seed an object of an unknown kind");
        return;
    };
    if resource.namespaced {
        let metadata = object::metadata_mut(&mut object);
        let namespace =
            metadata.entry("namespace").or_insert_with(|| "default".into()).as_str().unwrap_or("").to_owned();
        seed_namespace(store, &namespace);
    }
    write::complete(store, &resource, &mut object);
    let object = store.put(&resource, object, SEED);
    crd::written(store, &resource, &object);
}
