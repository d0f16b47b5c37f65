//! Validation of pods, of what makes pods, and of what stands in front of them, as far as clients meet it
//! (`k8s.io/kubernetes/pkg/apis/{core,apps}/validation`).

use serde_json::Value;

use super::errors::{LABEL, forbidden, invalid, is_label, required};

use crate::{defaults, object, resources::Resource, schema::FieldError};

const IMMUTABLE: &str = "field is immutable";

/// What is wrong with a new object or, if there is one `existing`, with a change to it.
pub(crate) fn validate(resource: &Resource, object: &Value, existing: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (group, plural) = (resource.group.as_str(), resource.plural.as_str());
    if let Some(pointer) = defaults::pod_spec(group, plural) {
        pod_spec(&pointer[1..].replace('/', "."), object.pointer(pointer).unwrap_or(&Value::Null), &mut errors);
    }
    match (group, plural) {
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => {
            selector(object, &mut errors);
            if let Some(existing) = existing {
                immutable("spec.selector", existing, object, &mut errors);
            }
        }
        ("", "pods") => {
            if let Some(existing) = existing {
                pod_update(existing, object, &mut errors);
            }
        }
        ("", "services") => service(object, existing, &mut errors),
        ("", "configmaps" | "secrets") => {
            if let Some(existing) = existing {
                kept(plural, object, existing, &mut errors);
            }
        }
        _ => {}
    }
    errors
}

fn pod_spec(field: &str, spec: &Value, errors: &mut Vec<FieldError>) {
    let list = |key: &str| spec.get(key).and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    if list("containers").is_empty() {
        errors.push(required(format!("{field}.containers"), ""));
    }
    for key in ["containers", "initContainers", "ephemeralContainers"] {
        for (at, container) in list(key).iter().enumerate() {
            let text = |key: &str| container.get(key).and_then(Value::as_str).unwrap_or("");
            let path = format!("{field}.{key}[{at}]");
            let name = text("name");
            if name.is_empty() {
                errors.push(required(format!("{path}.name"), ""));
            } else if !is_label(name) {
                errors.push(invalid(format!("{path}.name"), &name.into(), LABEL));
            } else if list(key)[..at].iter().any(|other| other["name"] == name) {
                let message = format!("Duplicate value: {name:?}");
                errors.push(FieldError { field: format!("{path}.name"), reason: "FieldValueDuplicate", message });
            }
            if text("image").is_empty() {
                errors.push(required(format!("{path}.image"), ""));
            }
        }
    }
}

/// A workload selects the pods that it makes.
fn selector(object: &Value, errors: &mut Vec<FieldError>) {
    let selector = object.pointer("/spec/selector").filter(|selector| selector.is_object());
    if selector.is_none() {
        errors.push(required("spec.selector", ""));
    }
    let labels = object.pointer("/spec/template/metadata/labels");
    let wanted = selector.and_then(|selector| selector.get("matchLabels")).and_then(Value::as_object);
    let mut wanted = wanted.into_iter().flatten();
    if selector.is_none() || !wanted.all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value)) {
        let shown = labels.cloned().unwrap_or(Value::Null);
        errors.push(invalid("spec.template.metadata.labels", &shown, "`selector` does not match template `labels`"));
    }
}

fn service(object: &Value, existing: Option<&Value>, errors: &mut Vec<FieldError>) {
    let text = |service: &Value, key: &str| service["spec"][key].as_str().unwrap_or("").to_owned();
    let is_headless = text(object, "clusterIP") == "None";
    let ports = object.pointer("/spec/ports").and_then(Value::as_array).map_or(0, Vec::len);
    if ports == 0 && !is_headless && text(object, "type") != "ExternalName" {
        errors.push(required("spec.ports", ""));
    }
    let Some(existing) = existing.filter(|existing| text(existing, "type") != "ExternalName") else { return };
    let (old, new) = (text(existing, "clusterIP"), text(object, "clusterIP"));
    if text(object, "type") != "ExternalName" && !old.is_empty() && old != new {
        let shown = serde_json::json!([new]);
        errors.push(invalid("spec.clusterIPs[0]", &shown, "may not change once set"));
    }
}

/// Data that was declared immutable, and the type of a Secret.
fn kept(plural: &str, object: &Value, existing: &Value, errors: &mut Vec<FieldError>) {
    if plural == "secrets" {
        immutable("type", existing, object, errors);
    }
    if existing.get("immutable") != Some(&true.into()) {
        return;
    }
    if object.get("immutable") != Some(&true.into()) {
        errors.push(forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for key in ["data", "binaryData"] {
        if object.get(key) != existing.get(key) {
            errors.push(forbidden(key, "field is immutable when `immutable` is set"));
        }
    }
}

fn immutable(field: &str, existing: &Value, object: &Value, errors: &mut Vec<FieldError>) {
    let pointer = format!("/{}", field.replace('.', "/"));
    let (old, new) = (existing.pointer(&pointer), object.pointer(&pointer));
    if old.is_some() && old != new {
        errors.push(invalid(field, new.unwrap_or(&Value::Null), IMMUTABLE));
    }
}

/// What may not become of the containers that were added to a pod (`ValidatePodEphemeralContainersUpdate`).
pub(crate) fn added_containers(existing: &Value, object: &Value) -> Vec<FieldError> {
    const FIELD: &str = "spec.ephemeralContainers";
    let of = |pod: &Value, key: &str| pod["spec"].get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (old, new) = (of(existing, "ephemeralContainers"), of(object, "ephemeralContainers"));
    let mut errors = Vec::new();
    let mut taken: Vec<Value> =
        ["containers", "initContainers"].iter().flat_map(|key| of(object, key)).map(|it| it["name"].clone()).collect();
    for (at, container) in new.iter().enumerate() {
        let name = &container["name"];
        if taken.contains(name) {
            let message = format!("Duplicate value: {name}");
            errors.push(FieldError { field: format!("{FIELD}[{at}].name"), reason: "FieldValueDuplicate", message });
        }
        taken.push(name.clone());
        for key in ["name", "image"] {
            if container[key].as_str().unwrap_or("").is_empty() {
                errors.push(required(format!("{FIELD}[{at}].{key}"), ""));
            }
        }
    }
    for container in &old {
        let name = &container["name"];
        match new.iter().find(|other| other["name"] == *name) {
            None => {
                errors.push(forbidden(FIELD, &format!("existing ephemeral containers {name} may not be removed\n")))
            }
            Some(other) if other != container => {
                errors.push(forbidden(FIELD, &format!("existing ephemeral containers {name} may not be changed\n")));
            }
            Some(_) => {}
        }
    }
    errors
}

/// What a pod may not become: only images, tolerations, deadlines and metadata are changed by an update
/// (`ValidatePodUpdate`).
fn pod_update(existing: &Value, object: &Value, errors: &mut Vec<FieldError>) {
    const DETAIL: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
        `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
        tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    let spec = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        let map = object::map_mut(&mut spec);
        for key in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"] {
            map.remove(key);
        }
        for list in ["containers", "initContainers"] {
            for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                object::map_mut(container).remove("image");
            }
        }
        spec
    };
    if spec(existing) != spec(object) {
        errors.push(forbidden("spec", DETAIL));
    }
}
