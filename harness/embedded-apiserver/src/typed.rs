//! Built-in objects as kube-apiserver's Go types decode them: what they do not know is dropped, what is of another type is
//! refused, and what they always have is there.
//!
//! Known to the last field for Leases; for the others, `metadata` only. Texts are those of Go's `encoding/json`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::resources::Resource;

/// The Go type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Int32,
    Int64,
    MicroTime,
    /// `map[string]string`.
    Texts,
    /// A list of texts.
    List,
    /// Something that is not looked at.
    Any,
}

const METADATA: &[(&str, Type)] = &[
    ("name", Type::Text),
    ("generateName", Type::Text),
    ("namespace", Type::Text),
    ("selfLink", Type::Text),
    ("uid", Type::Text),
    ("resourceVersion", Type::Text),
    ("generation", Type::Int64),
    ("creationTimestamp", Type::Any),
    ("deletionTimestamp", Type::Any),
    ("deletionGracePeriodSeconds", Type::Int64),
    ("labels", Type::Texts),
    ("annotations", Type::Texts),
    ("ownerReferences", Type::Any),
    ("finalizers", Type::List),
    ("managedFields", Type::Any),
];

const LEASE_SPEC: &[(&str, Type)] = &[
    ("holderIdentity", Type::Text),
    ("leaseDurationSeconds", Type::Int32),
    ("acquireTime", Type::MicroTime),
    ("renewTime", Type::MicroTime),
    ("leaseTransitions", Type::Int32),
    ("strategy", Type::Text),
    ("preferredHolder", Type::Text),
];

/// Decodes `object`, which is one of `resource`.
///
/// # Errors
/// What the decoder says.
pub(super) fn decode(resource: &Resource, object: &mut Value) -> Result<(), String> {
    let Some(fields) = object.as_object_mut() else { return Ok(()) };
    part(&resource.kind, "metadata", "ObjectMeta", METADATA, fields)?;
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("coordination.k8s.io", "leases") => {
            part("Lease", "spec", "LeaseSpec", LEASE_SPEC, fields)?;
            let spec = fields.entry("spec").or_insert_with(|| json!({}));
            // Both belong to a feature that is off: CoordinatedLeaderElection.
            if let Some(spec) = spec.as_object_mut() {
                spec.remove("strategy");
                spec.remove("preferredHolder");
            }
            fields.retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "spec"));
        }
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => {
            fields.entry("rules").or_insert(Value::Null);
        }
        ("rbac.authorization.k8s.io", _) => default_binding(fields),
        _ => {}
    }
    Ok(())
}

/// Fills in the API groups that a Binding may leave out.
fn default_binding(fields: &mut Map<String, Value>) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let set = |value: &mut Value| {
        if let Some(map) = value.as_object_mut() {
            let group = map.entry("apiGroup").or_insert(Value::Null);
            if group.as_str().unwrap_or("").is_empty() {
                *group = GROUP.into();
            }
        }
    };
    if let Some(role) = fields.get_mut("roleRef") {
        set(role);
    }
    let subjects = fields.get_mut("subjects").and_then(Value::as_array_mut);
    subjects.into_iter().flatten().filter(|subject| subject["kind"] != "ServiceAccount").for_each(set);
}

/// One part of an object, with the Go type `of` that has these `fields`.
fn part(
    kind: &str,
    key: &str,
    of: &str,
    fields: &[(&str, Type)],
    object: &mut Map<String, Value>,
) -> Result<(), String> {
    let map = match object.get_mut(key) {
        None => return Ok(()),
        Some(Value::Null) => {
            object.remove(key);
            return Ok(());
        }
        Some(Value::Object(map)) => map,
        Some(other) => {
            let given = name_of(other);
            return Err(format!("json: cannot unmarshal {given} into Go struct field {kind}.{key} of type v1.{of}"));
        }
    };
    map.retain(|name, value| !value.is_null() && fields.iter().any(|(known, _)| known == name));
    for (name, value) in map {
        let Some((_, expected)) = fields.iter().find(|(known, _)| known == name) else { continue };
        check(*expected, value).map_err(|error| match error {
            Mismatch::Type(given, wanted) => {
                format!("json: cannot unmarshal {given} into Go struct field {of}.{key}.{name} of type {wanted}")
            }
            Mismatch::Time(text) => text,
        })?;
    }
    Ok(())
}

enum Mismatch {
    Type(String, &'static str),
    Time(String),
}

fn check(expected: Type, value: &mut Value) -> Result<(), Mismatch> {
    let mismatch = |value: &Value, wanted| Err(Mismatch::Type(name_of(value).to_owned(), wanted));
    match expected {
        Type::Any => Ok(()),
        Type::Text if value.is_string() => Ok(()),
        Type::Text => mismatch(value, "string"),
        Type::Int32 => integer(value, "int32", |number| i32::try_from(number).is_ok()),
        Type::Int64 => integer(value, "int64", |_| true),
        Type::Texts => match value.as_object_mut() {
            Some(map) => map.values_mut().try_for_each(element),
            None => mismatch(value, "map[string]string"),
        },
        Type::List => match value.as_array_mut() {
            Some(items) => items.iter_mut().try_for_each(element),
            None => mismatch(value, "[]string"),
        },
        Type::MicroTime => match value.as_str() {
            Some(text) => micro_time(text).map(|time| *value = time.into()).map_err(Mismatch::Time),
            None => mismatch(value, "string"),
        },
    }
}

/// A text in a map or list; Go leaves it empty where it finds null.
fn element(value: &mut Value) -> Result<(), Mismatch> {
    if value.is_null() {
        *value = "".into();
    }
    check(Type::Text, value)
}

fn integer(value: &Value, wanted: &'static str, fits: impl Fn(i64) -> bool) -> Result<(), Mismatch> {
    match value.as_i64() {
        Some(number) if fits(number) => Ok(()),
        _ if value.is_number() => Err(Mismatch::Type(format!("number {value}"), wanted)),
        _ => Err(Mismatch::Type(name_of(value).to_owned(), wanted)),
    }
}

/// A time of exactly six digits after the point, as `metav1.MicroTime` reads and writes it.
fn micro_time(text: &str) -> Result<String, String> {
    const LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";
    const SECONDS: usize = "2006-01-02T15:04:05".len();
    let refused = |rest: &str, wanted: &str| {
        Err(format!("parsing time {text:?} as {LAYOUT:?}: cannot parse {rest:?} as {wanted:?}"))
    };
    let Some((seconds, rest)) = text.split_at_checked(SECONDS) else { return refused(text, "2006") };
    if format!("{seconds}Z").parse::<Timestamp>().is_err() {
        return refused(text, "2006");
    }
    let is_fraction =
        |text: &str| text.strip_prefix('.').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match rest.split_at_checked(".000000".len()) {
        Some((fraction, zone)) if is_fraction(fraction) => match text.parse::<Timestamp>() {
            Ok(time) => Ok(time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()),
            Err(_) => refused(zone, "Z07:00"),
        },
        _ => refused(rest, ".000000"),
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
