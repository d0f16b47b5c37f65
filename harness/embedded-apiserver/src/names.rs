//! Validation of `metadata` and of built-in objects, as far as clients can meet it.

mod errors;
pub(super) mod roles;
pub(super) mod workloads;

use serde_json::Value;

use errors::{LABEL, is_label};
pub(super) use errors::{forbidden, invalid, not_supported, required};

use super::{
    object,
    resources::{NameRule, Resource},
    schema::FieldError,
};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SERVICE_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const QUALIFIED_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// What is wrong with the object, beyond a CustomResourceDefinition's schema.
pub(super) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    name(resource.names, object::name(object), &mut errors);
    labels(object, &mut errors);
    keys(object, "annotations", &mut errors);
    owner_references(object, &mut errors);
    for finalizer in object::finalizers(object) {
        qualified("metadata.finalizers", finalizer, &mut errors);
    }
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("coordination.k8s.io", "leases") => lease(object, &mut errors),
        ("rbac.authorization.k8s.io", plural) => roles::validate(plural, object, &mut errors),
        _ => {}
    }
    errors
}

/// What is wrong with `metadata.generateName`; empty if there is none.
pub(super) fn generated(rule: NameRule, base: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    // What is drawn follows a dash that the base may end in.
    let stem = base.strip_suffix('-').map_or_else(|| base.to_owned(), |stem| format!("{stem}a"));
    if !base.is_empty() {
        name(rule, &stem, &mut errors);
    }
    for error in &mut errors {
        error.field = "metadata.generateName".to_owned();
    }
    errors
}

fn name(rule: NameRule, name: &str, errors: &mut Vec<FieldError>) {
    const FIELD: &str = "metadata.name";
    if name.is_empty() {
        errors.push(required(FIELD, "name or generateName is required"));
        return;
    }
    let (limit, text, valid) = match rule {
        NameRule::Subdomain => (253, SUBDOMAIN, name.split('.').all(is_label)),
        NameRule::Label if name.contains('.') => (63, "must not contain dots", false),
        NameRule::Label => (63, LABEL, is_label(name)),
        NameRule::ServiceLabel => {
            (63, SERVICE_LABEL, is_label(name) && name.starts_with(|first: char| first.is_ascii_lowercase()))
        }
        NameRule::PathSegment => (
            usize::MAX,
            "may not be '.' or '..', nor contain '/' or '%'",
            !matches!(name, "." | "..") && !name.contains(['/', '%']),
        ),
    };
    if !valid {
        errors.push(invalid(FIELD, &name.into(), text));
    }
    if name.len() > limit {
        let unit = if rule == NameRule::Subdomain { "bytes" } else { "characters" };
        errors.push(invalid(FIELD, &name.into(), &format!("must be no more than {limit} {unit}")));
    }
}

/// The keys of labels or annotations.
fn keys(object: &Value, map: &str, errors: &mut Vec<FieldError>) {
    let map_keys = object.pointer(&format!("/metadata/{map}")).and_then(Value::as_object).into_iter().flatten();
    for (key, _) in map_keys {
        qualified(&format!("metadata.{map}"), key, errors);
    }
}

/// A name with, perhaps, the domain of who gave it.
fn qualified(field: &str, key: &str, errors: &mut Vec<FieldError>) {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if prefix.is_some_and(|prefix| !prefix.split('.').all(is_label)) {
        errors.push(invalid(field, &key.into(), &format!("prefix part {SUBDOMAIN}")));
    }
    if name.len() > 63 {
        errors.push(invalid(field, &key.into(), "name part must be no more than 63 bytes"));
    }
    if !name.chars().all(inner) || !edge(name.chars().next()) || !edge(name.chars().last()) {
        errors.push(invalid(field, &key.into(), QUALIFIED_NAME));
    }
}

fn labels(object: &Value, errors: &mut Vec<FieldError>) {
    keys(object, "labels", errors);
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    for value in labels.into_iter().flat_map(serde_json::Map::values) {
        let text = value.as_str().unwrap_or("");
        let edge = |letter: Option<char>| letter.is_none_or(|letter| letter.is_ascii_alphanumeric());
        let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if text.len() > 63 {
            errors.push(invalid("metadata.labels", value, "must be no more than 63 bytes"));
        }
        if !text.chars().all(inner) || !edge(text.chars().next()) || !edge(text.chars().last()) {
            errors.push(invalid("metadata.labels", value, LABEL_VALUE));
        }
    }
}

fn owner_references(object: &Value, errors: &mut Vec<FieldError>) {
    let mut controllers = Vec::new();
    for reference in object::owner_references(object) {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if reference.get(key).and_then(Value::as_str).unwrap_or("").is_empty() {
                let field = format!("metadata.ownerReferences.{key}");
                let what = if key == "apiVersion" { "version " } else { "" };
                errors.push(invalid(field, &"".into(), &format!("{what}must not be empty")));
            }
        }
        if reference.get("controller").and_then(Value::as_bool) == Some(true) {
            let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or("");
            controllers.push(format!("{}/{}", text("kind"), text("name")));
        }
    }
    if let [one, .., other] = controllers.as_slice() {
        let references = object::owner_references(object).to_vec();
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {one} and {other}"
        );
        errors.push(invalid("metadata.ownerReferences", &references.into(), &detail));
    }
}

/// `ValidateLeaseSpec` of `k8s.io/kubernetes/pkg/apis/coordination/validation`.
fn lease(object: &Value, errors: &mut Vec<FieldError>) {
    let Some(spec) = object.get("spec") else { return };
    for (key, least, detail) in [
        ("leaseDurationSeconds", 1, "must be greater than 0"),
        ("leaseTransitions", 0, "must be greater than or equal to 0"),
    ] {
        if let Some(value) = spec.get(key).filter(|value| value.as_i64().is_some_and(|number| number < least)) {
            errors.push(invalid(format!("spec.{key}"), value, detail));
        }
    }
}
