//! JSON that every reader reads the same way: no duplicate keys, bounded nesting.
//!
//! serde keeps the last of two equal keys in a map and refuses them in a struct; other readers keep the first. A signal
//! that means two things to two readers is refused instead.

use std::{borrow::Cow, cell::Cell, collections::BTreeSet, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::rejection::{Rejection, echo, reason, shorten, truncate};

/// Objects and arrays inside each other, the outermost included. Alertmanager's own bodies have four levels and
/// Kubernetes Events about six; serde_json itself would stop at 128.
pub(crate) const MAX_DEPTH: usize = 32;

/// Bytes of a path into a body that a message repeats.
const PATH_BYTES_MAX: usize = 96;

/// Keys of one object: an alert may have a few thousand labels, of which most are cut, but each key takes ten times its own
/// memory while it is read.
pub(crate) const MAX_KEYS: usize = 4096;

/// Checks that `text` is one JSON object without duplicate keys at any level, not deeper than
/// [`MAX_DEPTH`] and without an object of more than [`MAX_KEYS`] keys.
///
/// What the outermost object holds under the key `opaque` is not looked into.
///
/// # Errors
/// The first violation, or the first syntax error.
pub(crate) fn check(text: &str, opaque: Option<&'static str>) -> Result<(), Rejection> {
    let violation = Cell::new(None);
    let walk = Walk { depth: 0, opaque, violation: &violation };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let walked = walk.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if let Err(error) = walked {
        let reason = violation.get().unwrap_or(reason::MALFORMED_JSON);
        return Err(Rejection::new(reason, error));
    }
    // A struct would also be read from an array of its fields.
    if text.trim_start().starts_with('{') {
        Ok(())
    } else {
        Err(Rejection::new(reason::INVALID_FIELD, "not a JSON object"))
    }
}

/// Reads a `T` from `text`, which [`check`] has accepted.
///
/// # Errors
/// The path to the first field that is missing or of another type.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Rejection> {
    // Keeping track of the path costs as much as reading.
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        let reason = match error.classify() {
            serde_json::error::Category::Data if error.to_string().starts_with("missing field") => {
                reason::MISSING_FIELD
            }
            serde_json::error::Category::Data => reason::INVALID_FIELD,
            _ => reason::MALFORMED_JSON,
        };
        let error = shorten(&error.to_string());
        if path == "." {
            return Rejection::new(reason, error);
        }
        // The sender's own names are a part of it.
        let mut shown = path.clone();
        truncate(&mut shown, PATH_BYTES_MAX);
        let more = if shown.len() < path.len() { "…" } else { "" };
        Rejection::new(reason, format!("{shown}{more}: {error}"))
    })
}

/// One value of the walk: consumed, remembered nowhere.
#[derive(Clone, Copy)]
struct Walk<'a> {
    depth: usize,
    opaque: Option<&'static str>,
    violation: &'a Cell<Option<&'static str>>,
}

impl Walk<'_> {
    /// The walk one level further in.
    fn enter<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            self.violation.set(Some(reason::TOO_DEEP));
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, opaque: None, ..self })
    }
}

/// A key, copied only if it has escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.enter()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.enter()?;
        let mut seen = BTreeSet::new();
        while let Some(Key(key)) = entries.next_key()? {
            let opaque = self.opaque == Some(&*key);
            if let Some(key) = seen.replace(key) {
                self.violation.set(Some(reason::DUPLICATE_KEY));
                return Err(A::Error::custom(format_args!("the key {} appears twice in one object", echo(&key))));
            }
            if seen.len() > MAX_KEYS {
                self.violation.set(Some(reason::TOO_LARGE));
                return Err(A::Error::custom(format_args!("an object of more than {MAX_KEYS} keys")));
            }
            if opaque {
                entries.next_value::<IgnoredAny>()?;
            } else {
                entries.next_value_seed(inner)?;
            }
        }
        Ok(())
    }
}

/// `body` as text.
///
/// # Errors
/// If it is not UTF-8, which RFC 8259 asks of JSON.
pub(crate) fn text(body: &[u8]) -> Result<&str, Rejection> {
    std::str::from_utf8(body).map_err(|error| Rejection::new(reason::MALFORMED_JSON, format!("not UTF-8: {error}")))
}
