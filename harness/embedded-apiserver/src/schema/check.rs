//! Validation of a value against a schema: types, limits, required and forbidden properties.
//!
//! The checks and texts of `k8s.io/kube-openapi/pkg/validation/validate` with the ratcheting of
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/validation`. Paths here are dotted throughout, also through maps.

use serde_json::{Number, Value};

use super::{
    error::{FieldError, go_float},
    format::Format,
    lists,
    node::{Additional, Bound, ListType, Node},
    path::Path,
};

/// Adds to `errors` what is wrong with `value` at `path`; nothing when it equals the `old` value at the same place.
pub(super) fn check(node: &Node, path: &Path<'_>, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if old == Some(value) {
        return;
    }
    check_type(node, path, value, errors);
    check_all_of(node, path, value, errors);
    match value {
        Value::Null => {}
        Value::String(text) => check_string(node, path, text, errors),
        Value::Number(number) => check_number(node, path, number, errors),
        Value::Array(items) => check_array(node, path, items, old, errors),
        Value::Bool(_) | Value::Object(_) => {}
    }
    if !is_enumerated(node, value) {
        errors.push(FieldError::not_supported(path, value, node.enumeration.as_deref().unwrap_or_default()));
    }
    if value.is_object() {
        check_object(node, path, value, old, errors);
    }
}

fn in_body(path: &Path<'_>, detail: &str) -> String {
    format!("{path} in body {detail}")
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The largest number up to which a float holds every integer.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

fn is_integral(value: &Value) -> bool {
    let is_safe = |number: f64| number.fract() == 0.0 && number.abs() <= MAX_SAFE_INTEGER;
    value.is_i64() || value.as_f64().is_some_and(is_safe)
}

fn check_type(node: &Node, path: &Path<'_>, value: &Value, errors: &mut Vec<FieldError>) {
    let kind = node.kind.as_deref();
    let expected = if node.int_or_string { &["integer", "string"] } else { kind.as_slice() };
    let actual = type_name(value);
    if expected.is_empty() || (value.is_null() && node.nullable) {
        return;
    }
    let matches = expected.iter().any(|kind| match *kind {
        "integer" => value.is_number() && is_integral(value),
        "number" => value.is_number(),
        kind => kind == actual,
    });
    // go-openapi lets an array pass for a formatted string.
    let is_formatted_string =
        node.format.is_some() && !expected.iter().any(|kind| matches!(*kind, "integer" | "number"));
    let matches = matches || (is_formatted_string && value.is_array());
    if !matches {
        // It names a format by Go's types, and knows none for what is neither number nor text.
        let (wanted, given) = match (node.format, value) {
            (None, _) | (_, Value::Null | Value::String(_) | Value::Array(_)) => (expected.join(","), actual),
            (Some(format), Value::Number(number)) => {
                (format.name().to_owned(), if number.is_f64() { "float64" } else { "int64" })
            }
            (Some(format), Value::Bool(_) | Value::Object(_)) => (format.name().to_owned(), ""),
        };
        let detail = format!("must be of type {wanted}: {given:?}");
        errors.push(FieldError::type_invalid(path, given, &in_body(path, &detail)));
    }
}

/// What is wrong by each of `allOf`, and then that not all of them hold.
fn check_all_of(node: &Node, path: &Path<'_>, value: &Value, errors: &mut Vec<FieldError>) {
    let mut failed = 0;
    for further in &node.all_of {
        let before = errors.len();
        check(further, path, value, None, errors);
        failed += usize::from(errors.len() > before);
    }
    if failed > 0 {
        let none = if failed == node.all_of.len() { ". None validated" } else { "" };
        let detail = format!("{:?} must validate all the schemas (allOf){none}", path.to_string());
        errors.push(FieldError::invalid("", &Value::String(String::new()), &detail));
    }
}

/// Only the first of the three string limits is reported.
fn check_string(node: &Node, path: &Path<'_>, text: &str, errors: &mut Vec<FieldError>) {
    let length = text.chars().count() as u64;
    let value = || Value::String(text.to_owned());
    if let Some(max) = node.max_length.filter(|max| length > *max) {
        errors.push(FieldError::too_long(path, max));
    } else if let Some(min) = node.min_length.filter(|min| length < *min) {
        let detail = format!("should be at least {min} chars long");
        errors.push(FieldError::invalid(path, &value(), &in_body(path, &detail)));
    } else if let Some(pattern) = node.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
        let detail = format!("should match '{}'", pattern.source);
        errors.push(FieldError::invalid(path, &value(), &in_body(path, &detail)));
    }
    if let Some(format) = node.format.filter(|format| !format.matches(text)) {
        let detail = format!("must be of type {}: {}", format.name(), super::error::quote(text));
        errors.push(FieldError::type_invalid(path, text, &in_body(path, &detail)));
    }
}

fn check_number(node: &Node, path: &Path<'_>, number: &Number, errors: &mut Vec<FieldError>) {
    if node.kind.as_deref() == Some("integer") {
        check_range(node.format, path, number, errors);
    }
    let value = Value::Number(number.clone());
    let limits = [(node.maximum, "less"), (node.minimum, "greater")];
    for (bound, word) in limits {
        let Some(bound) = bound.map(|bound| bound.as_compared_with(number)) else { continue };
        if is_beyond(number, bound, word) {
            let or_equal = if bound.exclusive { "" } else { " or equal to" };
            let detail = format!("should be {word} than{or_equal} {}", go_float(bound.limit));
            errors.push(FieldError::invalid(path, &value, &in_body(path, &detail)));
        }
    }
}

impl Bound {
    /// For an integer, kube-openapi cuts the fraction off the limit.
    fn as_compared_with(self, number: &Number) -> Self {
        if number.is_f64() { self } else { Self { limit: self.limit.trunc(), ..self } }
    }
}

fn is_beyond(number: &Number, bound: Bound, word: &str) -> bool {
    let Some(number) = number.as_f64() else { return false };
    let beyond = if word == "less" { number > bound.limit } else { number < bound.limit };
    beyond || (bound.exclusive && number == bound.limit)
}

/// An integer out of its format's range; the real error names no field.
fn check_range(format: Option<Format>, path: &Path<'_>, number: &Number, errors: &mut Vec<FieldError>) {
    let integer = number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9.2e18)?;
        Some(float as i64)
    });
    let fits = match (format, integer) {
        (_, None) => false,
        (Some(Format::Int32), Some(integer)) => i32::try_from(integer).is_ok(),
        (_, Some(_)) => true,
    };
    if !fits {
        let format = format.map_or_else(|| "(default format)".to_owned(), |f| format!("with format {}", f.name()));
        let detail = format!("Checked value must be of type integer {format} in {path}");
        errors.push(FieldError::invalid("", &Value::String(String::new()), &detail));
    }
}

fn is_enumerated(node: &Node, value: &Value) -> bool {
    // A number is converted to the type of the allowed one first: so 1.5 passes where 1 does.
    let as_allowed = |allowed: &Value| {
        let number = value.as_f64()?;
        Some(if allowed.is_f64() { number } else { number.trunc() })
    };
    let equal = |allowed: &Value| {
        allowed == value || (allowed.is_number() && as_allowed(allowed).is_some_and(|n| allowed.as_f64() == Some(n)))
    };
    node.enumeration.as_ref().is_none_or(|allowed| allowed.iter().any(equal))
}

fn check_array(node: &Node, path: &Path<'_>, items: &[Value], old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(schema) = &node.items {
        let old = old.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            // Only elements of a list-map have an identity by which an old one can be found.
            let counterpart = match &node.list_type {
                ListType::Map(keys) => old.iter().find(|old| lists::same_keys(keys, old, item)),
                ListType::Atomic | ListType::Set => None,
            };
            check(schema, &Path::Index(path, index), item, counterpart, errors);
        }
    }
    if let Some(min) = node.min_items.filter(|min| (items.len() as u64) < *min) {
        let detail = format!("should have at least {min} items");
        errors.push(FieldError::invalid(path, &items.len().into(), &in_body(path, &detail)));
    }
    if let Some(max) = node.max_items.filter(|max| items.len() as u64 > *max) {
        errors.push(FieldError::too_many(path, items.len(), max));
    }
}

fn check_object(node: &Node, path: &Path<'_>, value: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let Some(map) = value.as_object() else { return };
    if let Some(min) = node.min_properties.filter(|min| (map.len() as u64) < *min) {
        let detail = format!("should have at least {min} properties");
        errors.push(FieldError::invalid(path, &map.len().into(), &in_body(path, &detail)));
    }
    if let Some(max) = node.max_properties.filter(|max| map.len() as u64 > *max) {
        errors.push(FieldError::too_many(path, map.len(), max));
    }
    for (key, child) in map {
        match node.property(key) {
            Some(schema) => {
                let old = old.and_then(|old| old.get(key));
                check(schema, &Path::Field(path, key), child, old, errors);
            }
            None if matches!(node.additional, Additional::Forbidden) => {
                let detail = in_body(&Path::Field(path, key), "is a forbidden property");
                errors.push(FieldError::invalid(path, &Value::String(key.clone()), &detail));
            }
            None => {}
        }
    }
    for key in node.required.iter().filter(|key| !map.contains_key(*key)) {
        errors.push(FieldError::required(Path::Field(path, key), ""));
    }
}
