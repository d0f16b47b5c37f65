//! How much a signal may say, and in which characters.
//!
//! All of it is stored in one RemediationRequest, and etcd takes 1.5 MiB per object. What is for people to read is cut, and
//! marked as such, and never a reason to lose a signal: labels (at most 32 KiB), annotations (32 KiB) and the payload
//! (`signal.maxPayloadBytes`, at most 256 KiB), and twice as much each as they are stored, where a quote has a backslash and a
//! `<` six bytes ([`fitting`]), make less than 1 MiB, and a tenth of that by default, since every write and every watch event of
//! the object carries them; the rest is left to the status of other controllers and to managedFields. What would become part
//! of a name is checked instead.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::rejection::{Rejection, echo, reason, truncate};
use crate::remediation::{always_fits, fitting, stored_len};

/// Alerts per webhook. A body of 1 MiB holds about 2,000 small ones; each costs several requests to the Kubernetes API.
pub(crate) const MAX_ALERTS: usize = 1000;
/// Labels per alert, and annotations per alert: ten times what kube-prometheus uses.
pub(crate) const MAX_ENTRIES: usize = 128;
/// Bytes of a label's or annotation's name (Kubernetes' own limit for a qualified name's prefix).
pub(crate) const MAX_NAME_BYTES: usize = 253;
/// Bytes of `spec.severity` (contract).
pub(crate) const MAX_SEVERITY_BYTES: usize = 50;
/// Bytes of a text that is only passed on for people to read.
const MAX_PROVIDER_BYTES: usize = 4 * 1024;
/// At the end of a text that was cut.
const CUT: &str = "… (cut)";

/// Texts by name that a signal carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entries {
    Labels,
    Annotations,
}

impl Entries {
    const fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Annotations => "annotations",
        }
    }

    /// Bytes of one value: Prometheus sets no limit; real labels are names and paths, and an annotation holds a description
    /// with some log lines.
    pub(crate) const fn max_value_bytes(self) -> usize {
        match self {
            Self::Labels => 4 * 1024,
            Self::Annotations => 16 * 1024,
        }
    }

    /// Bytes of all names and values.
    pub(crate) const fn max_bytes(self) -> usize {
        match self {
            Self::Labels | Self::Annotations => 32 * 1024,
        }
    }

    /// What of `entries` a RemediationRequest can hold, in the order of names; `marks` tells what was cut.
    pub(crate) fn fit(
        self,
        entries: BTreeMap<String, String>,
        marks: &mut Map<String, Value>,
    ) -> BTreeMap<String, String> {
        let bytes: usize = entries.iter().map(|(name, value)| name.len() + value.len()).sum();
        let stored = |(name, value): (&String, &String)| stored_len(name) + stored_len(value);
        let fits = entries.len() <= MAX_ENTRIES
            && bytes <= self.max_bytes()
            && (always_fits(bytes, self.max_bytes())
                || entries.iter().map(stored).sum::<usize>() <= 2 * self.max_bytes())
            && entries.iter().all(|(name, value)| is_name(name) && self.is_value(value));
        if fits {
            return entries;
        }
        let (mut kept, mut shortened, mut left_out) = (BTreeMap::new(), 0_usize, 0_usize);
        let (mut left, mut left_stored) = (self.max_bytes(), 2 * self.max_bytes());
        for (name, value) in entries {
            let name_stored = stored_len(&name);
            if !is_name(&name) || kept.len() == MAX_ENTRIES || name.len() >= left || name_stored >= left_stored {
                left_out += 1;
                continue;
            }
            left -= name.len();
            left_stored -= name_stored;
            let limit = self.max_value_bytes().min(left).min(left_stored / 2);
            let short = cut(printable(&value), limit);
            if short.len() < value.len() {
                shortened += 1;
            }
            left -= short.len();
            left_stored -= stored_len(&short);
            kept.insert(name, short);
        }
        let text = format!("{shortened} of them shortened, {left_out} left out: too long, too many or not printable");
        marks.insert(format!("{}Cut", self.name()), Value::String(text));
        kept
    }

    fn is_value(self, value: &str) -> bool {
        fitting(value, self.max_value_bytes()) == value.len() && !value.chars().any(is_unprintable)
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !is_unprintable(*c)).collect()
}

/// `text` in `limit` bytes at most, twice that as it is stored, and marked if it is not all of it.
fn cut(mut text: String, limit: usize) -> String {
    if fitting(&text, limit) == text.len() {
        return text;
    }
    text.truncate(fitting(&text, limit.saturating_sub(CUT.len())));
    text.push_str(CUT);
    truncate(&mut text, limit);
    text
}

/// `text` for one line: without control characters, at most `max_bytes`; `absent` if nothing is left.
pub(crate) fn line(text: Option<&str>, max_bytes: usize, absent: &str) -> String {
    let mut line: String = text.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    truncate(&mut line, max_bytes);
    if line.is_empty() { absent.to_owned() } else { line }
}

/// Checks a text that becomes part of an incident's identity: 1 to `max_bytes` bytes, no control characters at all.
pub(crate) fn check_line(what: &str, text: &str, max_bytes: usize) -> Result<(), Rejection> {
    let problem = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > max_bytes {
        format!("has {} bytes, at most {max_bytes} are allowed: {}", text.len(), echo(text))
    } else if text.chars().any(char::is_control) {
        format!("contains a control character: {}", echo(text))
    } else {
        return Ok(());
    };
    Err(Rejection::new(reason::INVALID_LABEL, format!("{what} {problem}")))
}

/// What is kept of the JSON text that was received: all of it, or its beginning with a mark of how much there was.
pub(crate) fn payload(text: &str, max_bytes: usize) -> String {
    if fitting(text, max_bytes) == text.len() {
        return text.to_owned();
    }
    let mark = format!("… (cut by the gateway: {} bytes in all)", text.len());
    let end = fitting(text, max_bytes.saturating_sub(mark.len()));
    format!("{}{mark}", text.get(..end).unwrap_or_default())
}

/// `text` as it is passed on in `providerData`.
pub(crate) fn provider_text(mut text: String) -> Value {
    text.truncate(fitting(&text, MAX_PROVIDER_BYTES));
    Value::String(text)
}

/// The C0 controls and DEL, except those that lay out a text of several lines.
fn is_unprintable(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t')
}

/// The rejection of `value`, which `what` holds and no Kubernetes object can have as its name.
pub(crate) fn invalid_name(what: &str, value: &str) -> Rejection {
    let rule = "lower-case letters, digits, `-` and `.` (RFC 1123)";
    Rejection::new(reason::INVALID_NAME, format!("{what} is {}, but Kubernetes names consist of {rule}", echo(value)))
}
