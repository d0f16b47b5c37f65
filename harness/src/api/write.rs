//! Create, update and patch: what the server makes of the object that a client sends.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    crd, delete,
    names::{self, invalid},
    object,
    patching::Patch,
    request::{Query, RequestInfo},
    resources::Resource,
    schema::FieldError,
    status::{Failure, Result},
    store::{Origin, Store},
};

/// A write request on a resource.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) resource: &'a Resource,
    pub(super) info: &'a RequestInfo,
    pub(super) query: &'a Query,
}

/// What a write came to.
#[derive(Debug)]
pub(super) enum Done {
    /// 201 with the object.
    Created(Arc<Value>),
    /// 200 with the object.
    Object(Arc<Value>),
    /// 200 with a `Status`.
    Status(Value),
}

impl<'a> Target<'a> {
    /// Whether nothing may be stored.
    pub(super) fn dry_run(self) -> bool {
        self.query.get("dryRun") == "All"
    }

    pub(super) fn origin(self) -> Origin<'a> {
        Origin { verb: self.info.verb, subresource: &self.info.subresource, caller: &self.info.caller.user }
    }

    /// The namespace that objects of this request are in.
    pub(super) fn namespace(self) -> &'a str {
        if self.resource.namespaced { &self.info.namespace } else { "" }
    }

    fn is_status(self) -> bool {
        self.info.subresource == "status"
    }
}

/// POST.
pub(super) fn create(store: &mut Store, target: Target<'_>, mut object: Value) -> Result<Done> {
    check_type(target.resource, &mut object)?;
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
        let mut name = store.draw_name(&base);
        while store.get(resource, target.namespace(), &name).is_some() {
            name = store.draw_name(&base);
        }
        object::set(&mut object, "name", Some(name.into()));
    }
    for key in ["selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "generation"] {
        object::set(&mut object, key, None);
    }
    for key in ["uid", "creationTimestamp"] {
        object::set(&mut object, key, None);
    }
    if resource.status {
        object::map_mut(&mut object).remove("status");
    }
    complete(store, resource, &mut object);
    shape(resource, &mut object);
    refuse_invalid(resource, &object, validate(resource, &object, None))?;
    if store.get(resource, target.namespace(), object::name(&object)).is_some() {
        return Err(Failure::already_exists(resource, object::name(&object)));
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
        let uid = store.draw_uid();
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
            fields.entry("status").or_insert_with(|| json!({"phase": "Pending", "qosClass": "BestEffort"}));
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => crd::establish(store, object),
        _ => {}
    }
}

/// PUT.
pub(super) fn replace(store: &mut Store, target: Target<'_>, mut object: Value) -> Result<Done> {
    let (resource, name) = (target.resource, target.info.name.as_str());
    check_type(resource, &mut object)?;
    let sent = object::name(&object);
    if !sent.is_empty() && sent != name {
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
        check_type(resource, &mut object)?;
        object::set(&mut object, "name", Some(name.into()));
        return insert(store, target, object);
    };
    let mut object = patch.apply(target, Some(&existing), now)?;
    check_type(resource, &mut object)?;
    if object::name(&object) != name {
        let sent = object::name(&object);
        return Err(Failure::bad_request(format!(
            "the name of the object ({sent}) does not match the name on the URL ({name})"
        )));
    }
    store_update(store, target, &existing, object)
}

/// Stores `object` in the place of `existing`, if the rules for updates allow it.
fn store_update(store: &mut Store, target: Target<'_>, existing: &Arc<Value>, mut object: Value) -> Result<Done> {
    let (resource, name) = (target.resource, target.info.name.as_str());
    check_version(target, existing, &object)?;
    check_namespace(target, &mut object)?;
    keep_system_fields(existing, &mut object);
    isolate(target, existing, &mut object);
    shape(resource, &mut object);
    refuse_invalid(resource, &object, validate(resource, &object, Some(existing)))?;
    if resource.generation && content_changed(resource, existing, &object) {
        object::set(&mut object, "generation", Some((object::generation(existing) + 1).into()));
    }
    if object == **existing {
        return Ok(Done::Object(Arc::clone(existing)));
    }
    let released = object::is_terminating(&object) && object::finalizers(&object).next().is_none();
    if released && !delete::is_held_namespace(resource, &object) {
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

/// `apiVersion` and `kind`, filled in for built-in resources as their typed decoder does.
fn check_type(resource: &Resource, object: &mut Value) -> Result<()> {
    if !object.is_object() {
        return Err(Failure::bad_request("the object provided is unrecognized: not a JSON object"));
    }
    for (key, expected) in [("apiVersion", &resource.api_version), ("kind", &resource.kind)] {
        let sent = object.get(key).and_then(Value::as_str).unwrap_or("");
        if sent.is_empty() && !resource.custom {
            object[key] = expected.as_str().into();
        } else if sent.is_empty() {
            return Err(Failure::bad_request(format!("Object '{key}' is missing")));
        } else if sent != expected {
            let what = if key == "kind" { "kind" } else { "API version" };
            return Err(Failure::bad_request(format!(
                "the {what} in the data ({sent}) does not match the expected {what} ({expected})"
            )));
        }
    }
    match object.get("metadata") {
        None | Some(Value::Object(_) | Value::Null) => Ok(()),
        Some(_) => Err(Failure::bad_request("metadata is not an object")),
    }
}

fn check_namespace(target: Target<'_>, object: &mut Value) -> Result<()> {
    let (expected, sent) = (target.namespace(), object::namespace(object));
    if !sent.is_empty() && sent != expected {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(message));
    }
    object::set(object, "namespace", (!expected.is_empty()).then(|| expected.into()));
    Ok(())
}

/// The NamespaceLifecycle admission plugin.
fn admit(store: &Store, target: Target<'_>, name: &str) -> Result<()> {
    let (resource, namespace) = (target.resource, target.namespace());
    let Some(namespaces) = store.registry.find("", "v1", "namespaces").filter(|_| resource.namespaced) else {
        return Ok(());
    };
    let Some(existing) = store.get(namespaces, "", namespace) else {
        return Err(Failure::not_found(namespaces, namespace));
    };
    if !object::is_terminating(existing) {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    Err(Failure::forbidden(&resource.group, &resource.plural, name, &why).because(
        "NamespaceTerminating",
        format!("namespace {namespace} is being terminated"),
        "metadata.namespace",
    ))
}

/// The precondition that a PUT states with `metadata.uid`.
fn check_uid(target: Target<'_>, sent: &str, existing: Option<&Value>) -> Result<()> {
    let found = existing.map_or("", object::uid);
    if sent.is_empty() || sent == found {
        return Ok(());
    }
    let Target { resource, info, .. } = target;
    let path =
        if resource.custom { format!("{}/{}", resource.group, resource.plural) } else { resource.plural.clone() };
    let namespace = if resource.namespaced { format!("{}/", info.namespace) } else { String::new() };
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{path}/{namespace}{}, ResourceVersion: 0, \
         AdditionalErrorMsg: Precondition failed: UID in precondition: {sent}, UID in object meta: {found}",
        info.name,
    );
    Err(Failure::conflict(&resource.group, &resource.plural, &info.name, &why))
}

fn check_version(target: Target<'_>, existing: &Value, object: &Value) -> Result<()> {
    let (resource, sent) = (target.resource, object::version(object));
    if sent == object::version(existing) {
        return Ok(());
    }
    if !matches!(sent, "" | "0") {
        return Err(Failure::outdated(resource, &target.info.name));
    }
    if resource.unconditional_update {
        return Ok(());
    }
    let error = FieldError {
        field: "metadata.resourceVersion".to_owned(),
        reason: "FieldValueInvalid",
        message: "Invalid value: 0x0: must be specified for an update".to_owned(),
    };
    Err(Failure::invalid(&resource.group, &resource.plural, &target.info.name, &[error]))
}

/// What no update changes.
fn keep_system_fields(existing: &Value, object: &mut Value) {
    let old = existing.get("metadata");
    let kept = |key| old.and_then(|metadata| metadata.get(key)).cloned();
    let metadata = object::metadata_mut(object);
    for key in ["resourceVersion", "generation", "creationTimestamp"] {
        restore(metadata, key, kept(key));
    }
    for key in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields"] {
        if metadata.get(key).is_none_or(|value| value.is_null() || *value == "") {
            restore(metadata, key, kept(key));
        }
    }
    // An empty list and no list are the same to a typed server.
    metadata.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty) && !value.is_null());
}

fn restore(fields: &mut serde_json::Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => fields.insert(key.to_owned(), value),
        None => fields.remove(key),
    };
}

/// Keeps main writes off the status, and status writes off everything else.
fn isolate(target: Target<'_>, existing: &Value, object: &mut Value) {
    if target.is_status() {
        let status = object::map_mut(object).remove("status");
        let managed = object.pointer("/metadata/managedFields").cloned();
        let metadata = object::metadata_mut(object).clone();
        *object = existing.clone();
        restore(object::map_mut(object), "status", status);
        if target.resource.custom {
            object::set(object, "managedFields", managed);
        } else {
            object::map_mut(object).insert("metadata".to_owned(), metadata.into());
        }
    } else if target.resource.status {
        restore(object::map_mut(object), "status", existing.get("status").cloned());
    }
    if target.resource.plural == "namespaces" && target.resource.group.is_empty() {
        restore(object::map_mut(object), "spec", existing.get("spec").cloned());
    }
}

/// Prunes and defaults by the schema.
fn shape(resource: &Resource, object: &mut Value) {
    if let Some(schema) = &resource.schema {
        schema.prune(object);
        schema.default(object);
    }
}

fn validate(resource: &Resource, object: &Value, existing: Option<&Value>) -> Vec<FieldError> {
    let mut errors = match existing {
        Some(existing) => validate_update(existing, object),
        None => Vec::new(),
    };
    errors.extend(names::validate(resource, object));
    if let Some(schema) = &resource.schema {
        errors.extend(schema.validate(object, existing));
    }
    errors
}

/// `ValidateObjectMetaAccessorUpdate` of `k8s.io/apimachinery/pkg/api/validation`.
fn validate_update(existing: &Value, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if object::is_terminating(existing) {
        let mut added: Vec<&str> =
            object::finalizers(object).filter(|new| !object::finalizers(existing).any(|old| old == *new)).collect();
        added.sort_unstable();
        if !added.is_empty() {
            let list = added.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"
            );
            errors.push(names::forbidden("metadata.finalizers", &detail));
        }
    }
    for key in ["name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let of = |object: &Value| object.pointer(&format!("/metadata/{key}")).cloned();
        let (old, new) = (of(existing), of(object));
        if old != new {
            errors.push(invalid(format!("metadata.{key}"), &new.unwrap_or_default(), "field is immutable"));
        }
    }
    errors
}

fn refuse_invalid(resource: &Resource, object: &Value, errors: Vec<FieldError>) -> Result<()> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&resource.group, &resource.kind, object::name(object), &errors))
}

/// Whether the desired state differs: the spec, or for custom resources all but metadata and (with its subresource)
/// status.
fn content_changed(resource: &Resource, old: &Value, new: &Value) -> bool {
    if !resource.custom {
        return old.get("spec") != new.get("spec");
    }
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return true };
    let counted = |key: &str| !(key == "metadata" || (key == "status" && resource.status));
    old.keys().chain(new.keys()).any(|key| counted(key) && old.get(key) != new.get(key))
}
