//! Validation of `metadata` and of built-in objects, as far as clients can meet it.

use serde_json::Value;

use super::{
    object,
    resources::{NameRule, Resource},
    schema::FieldError,
};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// `field: Invalid value: …: detail`.
pub(super) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> FieldError {
    FieldError {
        field: field.into(),
        reason: "FieldValueInvalid",
        message: format!("Invalid value: {value}: {detail}"),
    }
}

/// `field: Required value[: detail]`.
pub(super) fn required(field: impl Into<String>, detail: &str) -> FieldError {
    let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
    FieldError { field: field.into(), reason: "FieldValueRequired", message }
}

/// `field: Forbidden: detail`.
pub(super) fn forbidden(field: impl Into<String>, detail: &str) -> FieldError {
    FieldError { field: field.into(), reason: "FieldValueForbidden", message: format!("Forbidden: {detail}") }
}

/// What is wrong with the object, beyond a CustomResourceDefinition's schema.
pub(super) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    name(resource.names, object::name(object), &mut errors);
    labels(object, &mut errors);
    owner_references(object, &mut errors);
    if resource.plural == "leases" && resource.group == "coordination.k8s.io" {
        lease(object, &mut errors);
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
        errors.push(invalid(FIELD, &name.into(), &format!("must be no more than {limit} bytes")));
    }
}

/// Whether `text` is an RFC 1123 label, of whatever length.
fn is_label(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn labels(object: &Value, errors: &mut Vec<FieldError>) {
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
    let mut controllers = 0;
    for reference in object::owner_references(object) {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if reference.get(key).and_then(Value::as_str).unwrap_or("").is_empty() {
                let field = format!("metadata.ownerReferences.{key}");
                errors.push(invalid(field, &"".into(), &format!("{key} must not be empty")));
            }
        }
        controllers += usize::from(reference.get("controller").and_then(Value::as_bool) == Some(true));
    }
    if controllers > 1 {
        let references = object::owner_references(object).to_vec();
        let detail = "Only one reference can have Controller set to true";
        errors.push(invalid("metadata.ownerReferences", &references.into(), detail));
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
    let text = |key| spec.get(key).and_then(Value::as_str).unwrap_or("");
    if !text("preferredHolder").is_empty() && text("strategy").is_empty() {
        errors.push(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"));
    }
}
