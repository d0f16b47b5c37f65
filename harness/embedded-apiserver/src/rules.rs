//! What is checked and kept when objects are created and updated, once they are decoded.

use serde_json::Value;

use super::{
    names::{self, invalid},
    object,
    part::Part,
    resources::Resource,
    schema::FieldError,
    status::{Failure, Result},
    store::Store,
    target::Target,
};

pub(super) fn check_namespace(target: Target<'_>, object: &mut Value) -> Result<()> {
    let (expected, sent) = (target.namespace(), object::namespace(object));
    if !sent.is_empty() && sent != expected {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(message));
    }
    object::set(object, "namespace", (!expected.is_empty()).then(|| expected.into()));
    Ok(())
}

/// The NamespaceLifecycle admission plugin.
pub(super) fn admit(store: &Store, target: Target<'_>, name: &str) -> Result<()> {
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
pub(super) fn check_uid(target: Target<'_>, sent: &str, existing: Option<&Value>) -> Result<()> {
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

pub(super) fn check_version(target: Target<'_>, existing: &Value, object: &Value) -> Result<()> {
    let (resource, sent) = (target.resource, object::version(object));
    if sent == object::version(existing) {
        return Ok(());
    }
    if !sent.is_empty() && sent.parse::<u64>().is_err() {
        let message = format!("strconv.ParseUint: parsing {sent:?}: invalid syntax");
        return Err(Failure::new(500, "", message));
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
        message: "Invalid value: 0: must be specified for an update".to_owned(),
    };
    Err(Failure::invalid(&resource.group, &resource.plural, &target.info.name, &[error]))
}

/// What no update changes.
pub(super) fn keep_system_fields(existing: &Value, object: &mut Value) {
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
    drop_empty(metadata);
}

/// An empty list or map and none are the same to a typed server, and `metadata` is typed for all resources.
pub(super) fn drop_empty(metadata: &mut serde_json::Map<String, Value>) {
    metadata.retain(|_, value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    });
}

fn restore(fields: &mut serde_json::Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => fields.insert(key.to_owned(), value),
        None => fields.remove(key),
    };
}

/// Keeps main writes off the status, and status writes off everything else.
pub(super) fn isolate(target: Target<'_>, existing: &Value, object: &mut Value) {
    if let Some(part) = Part::written(target) {
        part.isolate(existing, object);
        return;
    }
    if target.is_status() {
        let managed = object.pointer("/metadata/managedFields").cloned();
        let kept = |key: &str| key != "status" && (key != "metadata" || target.resource.custom);
        let fields = object::map_mut(object);
        fields.retain(|key, _| !kept(key) || existing.get(key).is_some());
        for (key, value) in existing.as_object().into_iter().flatten().filter(|(key, _)| kept(key)) {
            // Comparing costs less than cloning: a status write usually says the rest as it is.
            if fields.get(key) != Some(value) {
                fields.insert(key.clone(), value.clone());
            }
        }
        if target.resource.custom {
            object::set(object, "managedFields", managed);
        }
    } else if target.resource.status {
        restore(object::map_mut(object), "status", existing.get("status").cloned());
    }
}

/// Prunes and defaults by the schema.
pub(super) fn shape(resource: &Resource, object: &mut Value) {
    if let Some(schema) = &resource.schema {
        schema.prune(object);
        schema.default(object);
    }
}

pub(super) fn validate(target: Target<'_>, object: &Value, existing: Option<&Value>) -> Vec<FieldError> {
    let resource = target.resource;
    let mut errors = match existing {
        // kube-apiserver says it twice.
        Some(existing) => {
            let errors = validate_update(existing, object);
            [errors.clone(), errors].concat()
        }
        None => Vec::new(),
    };
    errors.extend(names::validate(resource, object));
    match (target.info.subresource.as_str(), existing) {
        ("", _) if !resource.custom => errors.extend(names::workloads::validate(resource, object, existing)),
        ("ephemeralcontainers", Some(existing)) if !resource.custom => {
            errors.extend(names::workloads::added_containers(existing, object));
        }
        _ => {}
    }
    errors.extend(existing.and_then(|existing| names::roles::moved(existing, object)));
    if let Some(schema) = &resource.schema {
        errors.extend(schema.validate(object, existing, target.is_status()));
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
        let (old, new) = (existing["metadata"].get(key), object["metadata"].get(key));
        if old != new {
            errors.push(invalid(format!("metadata.{key}"), new.unwrap_or(&Value::Null), "field is immutable"));
        }
    }
    errors
}

pub(super) fn refuse_invalid(resource: &Resource, object: &Value, errors: Vec<FieldError>) -> Result<()> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&resource.group, &resource.kind, object::name(object), &errors))
}

/// Whether the desired state differs: the spec (of a Deployment the annotations too, but for a write of the status), or for
/// custom resources all but metadata and (with its subresource) status.
pub(super) fn content_changed(target: Target<'_>, old: &Value, new: &Value) -> bool {
    let resource = target.resource;
    if !resource.custom {
        let annotations = |object| Value::pointer(object, "/metadata/annotations");
        let are_counted = (&*resource.group, &*resource.plural) == ("apps", "deployments") && !target.is_status();
        return old.get("spec") != new.get("spec") || are_counted && annotations(old) != annotations(new);
    }
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return true };
    let counted = |key: &str| !(key == "metadata" || (key == "status" && resource.status));
    old.keys().chain(new.keys()).any(|key| counted(key) && old.get(key) != new.get(key))
}
