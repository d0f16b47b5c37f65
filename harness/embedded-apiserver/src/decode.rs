//! From what a client sends to an object of the resource's type.

use serde_json::Value;

use super::{
    defaults,
    names::invalid,
    object,
    resources::Resource,
    status::{Failure, Result},
    target::Target,
    typed,
};

/// Decodes what was sent: `apiVersion` and `kind` must be those of the resource, built-in resources need not say them and
/// have types, and a strict client is told about fields that are unknown.
pub(super) fn decode(target: Target<'_>, object: &mut Value) -> Result<()> {
    let resource = target.resource;
    check_type(resource, object, false)?;
    let kind = object::kind(object).to_owned();
    decode_as(target, object).map_err(|why| {
        let version = &resource.version;
        let what = format!("{kind} in version {version:?} cannot be handled as a {}", resource.kind);
        Failure::bad_request(format!("{what}: {why}"))
    })
}

/// Decodes what a patch has made.
pub(super) fn decode_patched(target: Target<'_>, object: &mut Value) -> Result<()> {
    check_type(target.resource, object, true)?;
    decode_as(target, object).map_err(|why| Failure::bad_patch(object, &why))
}

/// Decodes an object of the right kind, or says why that is not possible.
fn decode_as(target: Target<'_>, object: &mut Value) -> std::result::Result<(), String> {
    let resource = target.resource;
    let sent = (target.query.get("fieldValidation") == "Strict").then(|| object.clone());
    if resource.custom {
        whole_numbers(object);
    } else {
        typed::decode(resource, object)?;
        defaults::apply(resource, object);
    }
    let Some(sent) = sent else { return Ok(()) };
    let mut kept = object.clone();
    if let Some(schema) = &resource.schema {
        schema.prune(&mut kept);
    }
    let mut unknown = Vec::new();
    unknown_fields(&sent, &kept, "", &mut unknown);
    if unknown.is_empty() { Ok(()) } else { Err(format!("strict decoding error: {}", unknown.join(", "))) }
}

/// 1.0 becomes 1: Go's encoder writes whole floats so.
fn whole_numbers(value: &mut Value) {
    /// Up to here a float holds every integer.
    const MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < MAX);
            if let Some(whole) = whole {
                *value = (whole as i64).into();
            }
        }
        _ => {}
    }
}

/// `apiVersion` and `kind`, filled in for built-in resources as their typed decoder does.
fn check_type(resource: &Resource, object: &mut Value, patched: bool) -> Result<()> {
    if !object.is_object() {
        return Err(Failure::bad_request("the object provided is unrecognized: not a JSON object"));
    }
    for (key, expected) in [("apiVersion", &resource.api_version), ("kind", &resource.kind)] {
        let sent = object.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        if sent.is_empty() && !resource.custom {
            object[key] = expected.as_str().into();
        } else if sent.is_empty() && key == "kind" {
            return Err(Failure::bad_request("Object 'Kind' is missing"));
        } else if sent != *expected {
            return Err(other_type(resource, object, key, patched));
        }
    }
    match object.get("metadata") {
        None | Some(Value::Object(_) | Value::Null) => Ok(()),
        Some(_) if !resource.custom => Ok(()),
        Some(_) => Err(Failure::bad_request("metadata is not an object")),
    }
}

/// An object of another type than the path's.
fn other_type(resource: &Resource, object: &Value, key: &str, patched: bool) -> Failure {
    let (kind, api_version) = (object::kind(object), object["apiVersion"].as_str().unwrap_or(""));
    if !resource.custom {
        let version = api_version.rsplit('/').next().unwrap_or("");
        return Failure::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {}: no kind {kind:?} is registered for version \
             {api_version:?} in scheme \"pkg/runtime/scheme.go:111\"",
            resource.kind
        ));
    }
    let (sent, expected) = if key == "kind" { (kind, &resource.kind) } else { (api_version, &resource.api_version) };
    if key == "apiVersion" && !patched {
        return Failure::bad_request(format!(
            "the API version in the data ({sent}) does not match the expected API version ({expected})"
        ));
    }
    let error = invalid(key, &sent.into(), &format!("must be {expected}"));
    Failure::invalid(&resource.group, kind, object::name(object), &[error])
}

/// What decoding took away, as kube-apiserver lists it.
fn unknown_fields(sent: &Value, kept: &Value, path: &str, unknown: &mut Vec<String>) {
    match (sent, kept) {
        (Value::Object(sent), Value::Object(kept)) => {
            for (key, value) in sent {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match kept.get(key) {
                    Some(kept) => unknown_fields(value, kept, &path, unknown),
                    None => unknown.push(format!("unknown field {path:?}")),
                }
            }
        }
        (Value::Array(sent), Value::Array(kept)) => {
            for (at, (sent, kept)) in sent.iter().zip(kept).enumerate() {
                unknown_fields(sent, kept, &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}
