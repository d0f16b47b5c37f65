//! The scale subresource of workloads: `spec.replicas` by itself.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    object,
    patching::Patch,
    status::{Failure, Result},
    store::Store,
    target::{Done, Target},
    write,
};

/// What a request wants the scale to be.
pub(super) enum Change {
    /// PUT.
    To(Value),
    /// PATCH.
    By(Patch),
}

/// GET.
pub(super) fn get(store: &Store, target: Target<'_>) -> Result<Value> {
    existing(store, target).map(|object| of(&object))
}

/// PUT or PATCH.
pub(super) fn change(store: &mut Store, target: Target<'_>, change: Change) -> Result<Value> {
    let existing = existing(store, target)?;
    let scale = match change {
        Change::To(scale) => scale,
        Change::By(patch) => patch.apply(target, Some(&of(&existing)), store.clock.now())?,
    };
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
    let mut object = Value::clone(&existing);
    let spec = object::map_mut(&mut object).entry("spec").or_insert(Value::Null);
    object::map_mut(spec).insert("replicas".to_owned(), replicas.into());
    if !object::version(&scale).is_empty() {
        object::set(&mut object, "resourceVersion", Some(object::version(&scale).into()));
    }
    match write::store_update(store, target, &existing, object)? {
        Done::Created(object) | Done::Object(object) => Ok(of(&object)),
        Done::Status(status) => Ok(status),
    }
}

fn existing(store: &Store, target: Target<'_>) -> Result<Arc<Value>> {
    let name = &target.info.name;
    let object = store.get(target.resource, target.namespace(), name).cloned();
    object.ok_or_else(|| Failure::not_found(target.resource, name))
}

fn of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let replicas = |part: &str| object.pointer(&format!("/{part}/replicas")).cloned().unwrap_or_else(|| 0.into());
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let selector: Vec<String> =
        labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": replicas("spec")},
        "status": {"replicas": replicas("status"), "selector": selector.join(",")},
    })
}
