//! Errors about one field, in kube-apiserver's words (`k8s.io/apimachinery/pkg/util/validation/field`).

use std::{fmt, fmt::Write as _};

use serde_json::Value;

/// One reason why an object is not valid: an element of a Status' `details.causes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The field's path, such as `spec.targetResource.name`; `<nil>` when the error belongs to no field.
    pub(crate) field: String,
    /// The cause's type, such as `FieldValueInvalid`.
    pub(crate) reason: &'static str,
    /// What is wrong, without the field.
    pub(crate) message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The errors as one text, as a Status' message shows them: several in brackets, each only once.
pub(crate) fn aggregate(errors: &[FieldError]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

impl FieldError {
    fn new(field: impl fmt::Display, reason: &'static str, message: String) -> Self {
        let mut field = field.to_string();
        if field.is_empty() {
            "<nil>".clone_into(&mut field);
        }
        Self { field, reason, message }
    }

    /// Its field is one of the field `parent`.
    pub(super) fn move_under(&mut self, parent: &str) {
        let field = std::mem::take(&mut self.field);
        self.field = if field == "<nil>" { parent.to_owned() } else { format!("{parent}.{field}") };
    }

    pub(super) fn required(field: impl fmt::Display, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self::new(field, "FieldValueRequired", message)
    }

    pub(super) fn invalid(field: impl fmt::Display, value: &Value, detail: &str) -> Self {
        Self::new(field, "FieldValueInvalid", format!("Invalid value: {}: {detail}", show(value)))
    }

    /// Like [`FieldError::invalid`] without showing the value: what a rule on an object or array reports since 1.36.
    pub(super) fn invalid_omitted(field: impl fmt::Display, detail: &str) -> Self {
        Self::new(field, "FieldValueInvalid", format!("Invalid value: {detail}"))
    }

    pub(super) fn type_invalid(field: impl fmt::Display, value: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueTypeInvalid", format!("Invalid value: {}: {detail}", quote(value)))
    }

    pub(super) fn not_supported(field: impl fmt::Display, value: &Value, supported: &[Value]) -> Self {
        let supported: Vec<String> =
            supported.iter().map(|value| value.as_str().map_or_else(|| quote(&json(value)), quote)).collect();
        let message = format!("Unsupported value: {}: supported values: {}", show(value), supported.join(", "));
        Self::new(field, "FieldValueNotSupported", message)
    }

    /// The real text says bytes although it counts characters.
    pub(super) fn too_long(field: impl fmt::Display, max: u64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::new(field, "FieldValueTooLong", format!("Too long: may not be more than {max} {unit}"))
    }

    pub(super) fn too_many(field: impl fmt::Display, actual: usize, max: u64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::new(field, "FieldValueTooMany", format!("Too many: {actual}: must have at most {max} {unit}"))
    }

    pub(super) fn duplicate(field: impl fmt::Display, value: &Value) -> Self {
        Self::new(field, "FieldValueDuplicate", format!("Duplicate value: {}", show(value)))
    }

    /// The same without showing the value.
    pub(super) fn duplicate_omitted(field: impl fmt::Display) -> Self {
        Self::new(field, "FieldValueDuplicate", "Duplicate value".to_owned())
    }

    pub(super) fn forbidden(field: impl fmt::Display, detail: &str) -> Self {
        Self::new(field, "FieldValueForbidden", format!("Forbidden: {detail}"))
    }

    pub(super) fn rules_not_checked() -> Self {
        let detail = "some validation rules were not checked because the object was invalid; \
                      correct the existing errors to complete validation";
        Self::invalid("", &Value::Null, detail)
    }

    /// A part of a schema that this module does not model; `field` is its place in the schema.
    pub(super) fn unsupported(field: &str, what: &str) -> Self {
        let field = if field.is_empty() { "openAPIV3Schema" } else { field };
        Self::new(field, "InternalError", format!("Internal error: the embedded API does not support {what}"))
    }

    /// Whether CEL rules are left out because of this error.
    pub(super) fn blocks_rules(&self) -> bool {
        matches!(
            self.reason,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | "FieldValueTypeInvalid"
        )
    }
}

/// A value as Go's `field.Error` prints it: strings quoted, floats as `%v`, everything else as JSON.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Number(number) if number.is_f64() => number.as_f64().map(go_float).unwrap_or_default(),
        other => json(other),
    }
}

/// A float as Go's `%v` prints it: with an exponent below 10⁻⁴ and from 10⁶ on, as short as exact.
pub(super) fn go_float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(-4..6) | Err(_) => number.to_string(),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

/// JSON as Go writes it: whole floats without a point, `<`, `>` and `&` escaped.
fn json(value: &Value) -> String {
    fn whole(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(whole).collect(),
            Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), whole(value))).collect()),
            Value::Number(number) if number.is_f64() => {
                let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15);
                float.map_or_else(|| value.clone(), |float| Value::from(float as i64))
            }
            other => other.clone(),
        }
    }
    whole(value).to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A string as Go's `%q` prints it.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            c if c.is_ascii_control() => {
                // Writing into a String cannot fail.
                let _ = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
