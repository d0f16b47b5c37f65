//! The scale subresource of workloads and custom resources: how many replicas are wanted, by itself.

use std::sync::Arc;

use serde_json::Value;

use super::{
    names::invalid,
    object,
    patching::Patch,
    scalable::Scalable,
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
pub(super) fn get(store: &Store, target: Target<'_>, scalable: &Scalable) -> Result<Value> {
    let object = existing(store, target)?;
    if target.resource.custom && object.pointer(&scalable.wanted).is_none() {
        let path = scalable.wanted.replace('/', ".");
        let message = format!("Internal error occurred: the spec replicas field {path:?} does not exist");
        return Err(Failure::new(500, "InternalError", message));
    }
    Ok(scalable.read(&object))
}

/// PUT or PATCH.
pub(super) fn change(store: &mut Store, target: Target<'_>, scalable: &Scalable, change: Change) -> Result<Value> {
    let existing = existing(store, target)?;
    let scale = match change {
        Change::To(scale) => scale,
        Change::By(patch) => patch.apply(target, Some(&scalable.read(&existing)), store.clock.now())?,
    };
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
    refuse_negative(&target.info.name, replicas)?;
    let mut object = Value::clone(&existing);
    scalable.write(&mut object, replicas);
    if !object::version(&scale).is_empty() {
        object::set(&mut object, "resourceVersion", Some(object::version(&scale).into()));
    }
    match write::store_update(store, target, &existing, object)? {
        Done::Created(object) | Done::Object(object) => Ok(scalable.read(&object)),
        Done::Status(status) => Ok(status),
    }
}

fn refuse_negative(name: &str, replicas: i64) -> Result<()> {
    if replicas >= 0 {
        return Ok(());
    }
    let error = invalid("spec.replicas", &replicas.into(), "must be greater than or equal to 0");
    Err(Failure::invalid("autoscaling", "Scale", name, &[error]))
}

fn existing(store: &Store, target: Target<'_>) -> Result<Arc<Value>> {
    let name = &target.info.name;
    let object = store.get(target.resource, target.namespace(), name).cloned();
    object.ok_or_else(|| Failure::not_found(target.resource, name))
}
