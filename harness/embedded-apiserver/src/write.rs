//! Create, update and patch: what the server makes of the object that a client sends.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    admission, crd,
    decode::{decode, decode_patched},
    delete, names, object,
    patching::Patch,
    resources::Resource,
    rules::{
        admit, check_namespace, check_uid, check_version, content_changed, drop_empty, isolate, keep_system_fields,
        refuse_invalid, shape, validate,
    },
    status::{Failure, Result},
    store::Store,
    strategy,
    target::{Done, Target},
};

/// POST.
pub(super) fn create(store: &mut Store, target: Target<'_>, mut object: Value) -> Result<Done> {
    decode(target, &mut object)?;
    if !object::version(&object).is_empty() {
        // kube-apiserver does not turn this error into a proper Status either.
        return Err(Failure::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    insert(store, target, object)
}

/// Stores a new object, from a POST, or a PUT or apply that may create.
fn insert(store: &mut Store, target: Target<'_>, mut object: Value) -> Result<Done> {
    let resource = target.resource;
    check_namespace(target, &mut object)?;
    admit(store, target, object::name(&object))?;
    if object::name(&object).is_empty() && !object::generate_name(&object).is_empty() {
        let base = object::generate_name(&object).to_owned();
        let mut name = store.draws.name(&base);
        while store.get(resource, target.namespace(), &name).is_some() {
            name = store.draws.name(&base);
        }
        object::set(&mut object, "name", Some(name.into()));
    }
    for key in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"] {
        object::set(&mut object, key, None);
    }
    if resource.generation {
        object::set(&mut object, "generation", None);
    }
    for key in ["uid", "creationTimestamp"] {
        object::set(&mut object, key, None);
    }
    drop_empty(object::metadata_mut(&mut object));
    if resource.status {
        object::map_mut(&mut object).remove("status");
    }
    strategy::prepare_create(store, target, &mut object);
    complete(store, resource, &mut object);
    strategy::identify(resource, &mut object);
    shape(resource, &mut object);
    let mut errors = validate(target, &object, None);
    let base = object::generate_name(&object);
    errors.splice(..0, names::generated(resource.names, base));
    refuse_invalid(resource, &object, errors)?;
    admission::create(store, target, &object)?;
    if let Some(existing) = store.get(resource, target.namespace(), object::name(&object)) {
        let taken = if object::is_terminating(existing) { Failure::going } else { Failure::already_exists };
        return Err(taken(resource, object::name(&object)));
    }
    if target.dry_run() {
        return Ok(Done::Created(Arc::new(object)));
    }
    let object = store.put(resource, object, target.origin());
    crd::written(store, resource, &object);
    Ok(Done::Created(object))
}

/// Fills in what the server itself adds on creation, as far as it is missing.
pub(super) fn complete(store: &mut Store, resource: &Resource, object: &mut Value) {
    if object::uid(object).is_empty() {
        let uid = store.draws.uid();
        object::set(object, "uid", Some(uid.into()));
    }
    let metadata = object::metadata_mut(object);
    metadata.entry("creationTimestamp").or_insert_with(|| store.clock.seconds().into());
    if resource.generation {
        metadata.entry("generation").or_insert_with(|| 1.into());
    }
    let fields = object::map_mut(object);
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => {
            object::map_mut(fields.entry("spec").or_insert(Value::Null))
                .insert("finalizers".to_owned(), json!(["kubernetes"]));
            fields.entry("status").or_insert_with(|| json!({"phase": "Active"}));
            let name = object::name(object).to_owned();
            let labels = object::metadata_mut(object).entry("labels").or_insert(Value::Null);
            object::map_mut(labels).insert("kubernetes.io/metadata.name".to_owned(), name.into());
        }
        ("", "pods") => {
            let quality = strategy::quality(object);
            object::map_mut(object).entry("status").or_insert_with(|| json!({"phase": "Pending", "qosClass": quality}));
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => crd::establish(store, object),
        _ => {}
    }
}

/// PUT.
pub(super) fn replace(store: &mut Store, target: Target<'_>, mut object: Value) -> Result<Done> {
    let (resource, name) = (target.resource, target.info.name.as_str());
    decode(target, &mut object)?;
    let sent = object::name(&object);
    if sent.is_empty() {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )));
    }
    if sent != name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({sent}) does not match the name on the URL ({name})"
        )));
    }
    object::set(&mut object, "name", Some(name.into()));
    let existing = store.get(resource, target.namespace(), name).cloned();
    let creates = resource.create_on_update && target.info.subresource.is_empty();
    if existing.is_none() && !creates {
        return Err(Failure::not_found(resource, name));
    }
    check_uid(target, object::uid(&object), existing.as_deref())?;
    match existing {
        Some(existing) => store_update(store, target, &existing, object),
        None => insert(store, target, object),
    }
}

/// PATCH.
pub(super) fn patch(store: &mut Store, target: Target<'_>, patch: &Patch) -> Result<Done> {
    let (resource, name) = (target.resource, target.info.name.as_str());
    let now = store.clock.now();
    let Some(existing) = store.get(resource, target.namespace(), name).cloned() else {
        if !patch.creates() || !target.info.subresource.is_empty() {
            return Err(Failure::not_found(resource, name));
        }
        let mut object = patch.apply(target, None, now)?;
        decode_patched(target, &mut object)?;
        object::set(&mut object, "name", Some(name.into()));
        return insert(store, target, object);
    };
    let mut object = patch.apply(target, Some(&existing), now)?;
    decode_patched(target, &mut object)?;
    if object::name(&object) != name {
        let sent = object::name(&object);
        return Err(Failure::bad_request(format!(
            "the name of the object ({sent}) does not match the name on the URL ({name})"
        )));
    }
    store_update(store, target, &existing, object)
}

/// Stores `object` in the place of `existing`, if the rules for updates allow it.
pub(super) fn store_update(
    store: &mut Store,
    target: Target<'_>,
    existing: &Arc<Value>,
    mut object: Value,
) -> Result<Done> {
    let (resource, name) = (target.resource, target.info.name.as_str());
    check_namespace(target, &mut object)?;
    check_version(target, existing, &object)?;
    keep_system_fields(existing, &mut object);
    isolate(target, existing, &mut object);
    strategy::prepare_update(store, target, existing, &mut object);
    shape(resource, &mut object);
    refuse_invalid(resource, &object, validate(target, &object, Some(existing)))?;
    admission::update(target)?;
    if resource.generation && content_changed(target, existing, &object) {
        object::set(&mut object, "generation", Some((object::generation(existing) + 1).into()));
    }
    if object == **existing && !store.is_pruned(resource, target.namespace(), name) {
        return Ok(Done::Object(Arc::clone(existing)));
    }
    let released = object::is_terminating(&object) && object::finalizers(&object).next().is_none();
    if released && !delete::is_held(resource, &object) {
        if !target.dry_run() {
            delete::remove(store, resource, target.namespace(), name, target.origin());
        }
        return Ok(Done::Object(Arc::new(object)));
    }
    if target.dry_run() {
        return Ok(Done::Object(Arc::new(object)));
    }
    let object = store.put(resource, object, target.origin());
    crd::written(store, resource, &object);
    Ok(Done::Object(object))
}
