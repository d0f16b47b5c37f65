//! What a refused field is told, and the rules that several kinds of objects share.

use serde_json::Value;

use crate::schema::FieldError;

pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// `field: Invalid value: …: detail`.
pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> FieldError {
    FieldError {
        field: field.into(),
        reason: "FieldValueInvalid",
        message: format!("Invalid value: {value}: {detail}"),
    }
}

/// `field: Required value[: detail]`.
pub(crate) fn required(field: impl Into<String>, detail: &str) -> FieldError {
    let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
    FieldError { field: field.into(), reason: "FieldValueRequired", message }
}

/// `field: Forbidden: detail`.
pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> FieldError {
    FieldError { field: field.into(), reason: "FieldValueForbidden", message: format!("Forbidden: {detail}") }
}

/// `field: Unsupported value: …: supported values: …`.
pub(crate) fn not_supported(field: impl Into<String>, value: &str, supported: &[&str]) -> FieldError {
    let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
    let message = format!("Unsupported value: {value:?}: supported values: {}", supported.join(", "));
    FieldError { field: field.into(), reason: "FieldValueNotSupported", message }
}

/// Whether `text` is an RFC 1123 label, of whatever length.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}
