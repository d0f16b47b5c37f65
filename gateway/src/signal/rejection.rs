//! Why an alert, an event or a whole body cannot be used.

use std::fmt;

/// Characters of a sender's text that a message repeats: enough to recognise it, too few to flood a log.
const ECHO_CHARS: usize = 64;

/// Bytes of a message.
const MESSAGE_BYTES: usize = 256;

/// The values of [`Rejection::reason`].
pub mod reason {
    /// No JSON, or not UTF-8.
    pub const MALFORMED_JSON: &str = "malformed_json";
    /// A key appears twice in one object, so that two readers could read two different things.
    pub const DUPLICATE_KEY: &str = "duplicate_key";
    /// Objects and arrays inside each other beyond the limit.
    pub const TOO_DEEP: &str = "too_deep";
    /// A required field or label is absent.
    pub const MISSING_FIELD: &str = "missing_field";
    /// A field of another JSON type, or with a value that the format does not know.
    pub const INVALID_FIELD: &str = "invalid_field";
    /// A label or annotation with an unusable name or value.
    pub const INVALID_LABEL: &str = "invalid_label";
    /// A name or namespace that no Kubernetes object can have.
    pub const INVALID_NAME: &str = "invalid_name";
    /// A time that is none, or absurd.
    pub const INVALID_TIME: &str = "invalid_time";
    /// The Kubernetes API refuses to store its RemediationRequest.
    pub const REFUSED: &str = "refused";
    /// More bytes or entries than a RemediationRequest can hold.
    pub const TOO_LARGE: &str = "too_large";
}

/// An alert, an event or a body that cannot be used: sent again unchanged, it will be rejected again (400).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// One of [`reason`]: the label of `gateway_signals_parse_dropped_total`.
    pub reason: &'static str,
    /// What is wrong and where, for the sender: at most 256 bytes, without control characters.
    pub message: String,
    /// The name of the alert or event, as far as it could be read: for the log.
    pub name: Option<String>,
}

impl Rejection {
    /// A rejection for `reason`, told by `message`.
    pub(crate) fn new(reason: &'static str, message: impl fmt::Display) -> Self {
        let mut message = printable(&message.to_string());
        truncate(&mut message, MESSAGE_BYTES);
        Self { reason, message, name: None }
    }

    /// The same, of the alert or event called `name`.
    pub(crate) fn named(self, name: String) -> Self {
        Self { name: Some(name), ..self }
    }
}

/// What a message repeats of `text`: quoted, escaped, its first 64 characters.
pub(crate) fn echo(text: &str) -> String {
    let mut escaped = text.chars().flat_map(char::escape_debug);
    let shown: String = escaped.by_ref().take(ECHO_CHARS).collect();
    let more = if escaped.next().is_some() { "…" } else { "" };
    format!("\"{shown}{more}\"")
}

/// A message of serde's, which repeats whole strings in quotes: of each so much as [`echo`] would.
pub(crate) fn shorten(message: &str) -> String {
    let (mut shortened, mut quoted, mut is_escaped) = (String::new(), None, false);
    for c in message.chars() {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        quoted = match quoted {
            None => ends.then_some(0),
            Some(_) if ends => None,
            Some(length) => Some(length + 1),
        };
        match quoted {
            Some(length) if length > ECHO_CHARS + 1 => {}
            Some(length) if length == ECHO_CHARS + 1 => shortened.push('…'),
            _ => shortened.push(c),
        }
    }
    shortened
}

/// Cuts `text` to `limit` bytes at most, between characters.
pub(crate) fn truncate(text: &mut String, limit: usize) {
    let end = (0..=limit.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
