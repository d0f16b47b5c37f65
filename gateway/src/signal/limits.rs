//! How much a signal may say, and in which characters.
//!
//! All of it is stored in one RemediationRequest, and etcd takes 1.5 MiB per object. An alert of 256 KiB appears there
//! twice: as `originalPayload`, where each quote and backslash gets a backslash (at most 512 KiB), and again as labels and
//! annotations (at most 256 KiB). With `providerData` (five texts of 4 KiB, escaped twice) that stays below 1 MiB, and the
//! rest is left to the status of other controllers and to managedFields.

use std::collections::BTreeMap;

use super::rejection::{Rejection, echo, reason, truncate};

/// Bytes of one alert's or event's JSON text.
pub(crate) const MAX_SIGNAL_BYTES: usize = 256 * 1024;
/// Alerts per webhook. A body of 1 MiB holds about 2,000 small ones; each costs several requests to the Kubernetes API.
pub(crate) const MAX_ALERTS: usize = 1000;
/// Labels per alert, and annotations per alert: ten times what kube-prometheus uses.
pub(crate) const MAX_ENTRIES: usize = 128;
/// Bytes of a label's or annotation's name (Kubernetes' own limit for a qualified name's prefix).
pub(crate) const MAX_NAME_BYTES: usize = 253;
/// Bytes of a label's value: Prometheus sets no limit, real ones are names and paths.
pub(crate) const MAX_LABEL_BYTES: usize = 4 * 1024;
/// Bytes of an annotation's value: a description with some log lines.
pub(crate) const MAX_ANNOTATION_BYTES: usize = 32 * 1024;
/// Bytes of `spec.severity` (contract).
pub(crate) const MAX_SEVERITY_BYTES: usize = 50;
/// Bytes of a text that is only passed on for people to read; the rest is cut off, never a reason to lose a signal.
const MAX_PROVIDER_BYTES: usize = 4 * 1024;

/// Checks the size of one alert or event.
pub(crate) fn check_size(text: &str) -> Result<(), Rejection> {
    if text.len() > MAX_SIGNAL_BYTES {
        let message = format!("{} bytes; at most {MAX_SIGNAL_BYTES} fit into a RemediationRequest", text.len());
        return Err(Rejection::new(reason::TOO_LARGE, message));
    }
    Ok(())
}

/// Checks the labels or annotations (`what`) of an alert.
pub(crate) fn check_entries(
    what: &str,
    entries: &BTreeMap<String, String>,
    max_value_bytes: usize,
) -> Result<(), Rejection> {
    if entries.len() > MAX_ENTRIES {
        let message = format!("{} {what}s; at most {MAX_ENTRIES} are allowed", entries.len());
        return Err(Rejection::new(reason::TOO_LARGE, message));
    }
    for (name, value) in entries {
        let shown = || echo(name);
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            let message = format!("{what} {}: its name has {} bytes, not 1 to {MAX_NAME_BYTES}", shown(), name.len());
            return Err(Rejection::new(reason::INVALID_LABEL, message));
        }
        if value.len() > max_value_bytes {
            let message = format!("{what} {}: {} bytes; at most {max_value_bytes} are allowed", shown(), value.len());
            return Err(Rejection::new(reason::TOO_LARGE, message));
        }
        if name.chars().any(char::is_control) || value.chars().any(is_unprintable) {
            let message = format!("{what} {} holds a control character: {}", shown(), echo(value));
            return Err(Rejection::new(reason::INVALID_LABEL, message));
        }
    }
    Ok(())
}

/// Checks a text that is shown on one line: 1 to `max_bytes` bytes, no control characters at all.
pub(crate) fn check_line(what: &str, text: &str, max_bytes: usize) -> Result<(), Rejection> {
    let problem = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > max_bytes {
        format!("has {} bytes, at most {max_bytes} are allowed: {}", text.len(), echo(text))
    } else if text.chars().any(char::is_control) {
        format!("holds a control character: {}", echo(text))
    } else {
        return Ok(());
    };
    Err(Rejection::new(reason::INVALID_LABEL, format!("{what} {problem}")))
}

/// `text` as it is passed on in `providerData`.
pub(crate) fn provider_text(mut text: String) -> serde_json::Value {
    truncate(&mut text, MAX_PROVIDER_BYTES);
    serde_json::Value::String(text)
}

/// The C0 controls and DEL, except those that lay out a text of several lines.
fn is_unprintable(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t')
}

/// The rejection of `value`, which `what` holds and no Kubernetes object can have as its name.
pub(crate) fn invalid_name(what: &str, value: &str) -> Rejection {
    let rule = "lower-case letters, digits, `-` and `.`, as RFC 1123 asks of Kubernetes names";
    Rejection::new(reason::INVALID_NAME, format!("{what} is {}, which is not made of {rule}", echo(value)))
}
