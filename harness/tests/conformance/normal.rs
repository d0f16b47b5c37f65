//! Answers without what no two servers share.
//!
//! | taken out | because |
//! |---|---|
//! | uids and resourceVersions | numbered by first appearance; the versions of collections just marked |
//! | times, continue tokens, the end of generated names | marked |
//! | tokens, addresses and ports that a server draws | marked |
//! | `managedFields` | the embedded API records what server-side apply owns, not what other writes do |
//! | empty `details`, the header `Warning` | no program reads them |
//! | the order of causes | a real server walks a schema's properties in any order |
//! | bookmarks, but for the one after initial events | they come when the server sees fit |

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::{Map, Value};

/// What one server has shown so far.
#[derive(Debug, Default)]
pub(crate) struct Normaliser {
    uids: BTreeMap<String, usize>,
    versions: BTreeMap<String, usize>,
    /// Whether versions are just marked, as those of collections are.
    without_versions: bool,
}

static VERSIONS_IN_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(ResourceVersion in (?:the )?(?:precondition|record) \(|too old resource version: |Too large resource version: |current: |ResourceVersion: )(\d+)(?: \(\d+\))?").unwrap()
});

impl Normaliser {
    /// For servers whose versions cannot be told apart.
    pub(crate) fn without_versions() -> Self {
        Self { without_versions: true, ..Self::default() }
    }

    /// An answer, or any JSON.
    pub(crate) fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(map) => self.object(map),
            Value::Array(items) => {
                items.iter().filter(|item| !is_plain_bookmark(item)).map(|item| self.value(item)).collect()
            }
            Value::String(text) => self.text(text).into(),
            other => other.clone(),
        }
    }

    fn object(&mut self, map: &Map<String, Value>) -> Value {
        let is_list = map.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
        let is_bookmark = map.get("type").is_some_and(|kind| kind == "BOOKMARK");
        let mut normal = Map::new();
        for (key, value) in map {
            let value = match (key.as_str(), value) {
                ("details", Value::Object(details)) if details.is_empty() => continue,
                ("warning", Value::Array(_)) => continue,
                ("causes", Value::Array(causes)) => {
                    let mut causes: Vec<Value> = causes.iter().map(|cause| self.value(cause)).collect();
                    causes.sort_by_key(Value::to_string);
                    causes.into()
                }
                ("message", Value::String(message)) => sorted(&self.text(message)).into(),
                ("metadata", Value::Object(metadata)) => self.metadata(metadata, is_list),
                ("token", Value::String(_)) => "<token>".into(),
                ("clusterIP", Value::String(text)) if is_address(text) => "<address>".into(),
                ("clusterIPs", Value::Array(texts))
                    if texts.iter().all(|text| is_address(text.as_str().unwrap_or(""))) =>
                {
                    "<addresses>".into()
                }
                ("nodePort", Value::Number(_)) => "<port>".into(),
                ("expirationTimestamp" | "lastUpdateTime" | "lastTransitionTime", Value::String(text))
                    if is_time(text) =>
                {
                    "<time>".into()
                }
                ("object", Value::Object(object)) if is_bookmark => {
                    let mut object = object.clone();
                    if let Some(version) = object.get_mut("metadata").and_then(|it| it.get_mut("resourceVersion")) {
                        *version = "<some>".into();
                    }
                    self.object(&object)
                }
                _ => self.value(value),
            };
            normal.insert(key.clone(), value);
        }
        Value::Object(normal)
    }

    fn metadata(&mut self, metadata: &Map<String, Value>, is_list: bool) -> Value {
        let mut normal = Map::new();
        // Labels may say it too.
        if let Some(uid) = metadata.get("uid").and_then(Value::as_str) {
            number(&mut self.uids, uid);
        }
        for (key, value) in metadata {
            let text = value.as_str().unwrap_or("");
            let value = match key.as_str() {
                "managedFields" => continue,
                "uid" => format!("uid-{}", number(&mut self.uids, text)).into(),
                "resourceVersion" if is_list || self.without_versions || text == "<some>" => "<some>".into(),
                "resourceVersion" => format!("version-{}", number(&mut self.versions, text)).into(),
                "creationTimestamp" | "deletionTimestamp" if is_time(text) => "<time>".into(),
                "continue" => "<token>".into(),
                "name"
                    if metadata.get("generateName").and_then(Value::as_str).is_some_and(|base| drawn(base, text)) =>
                {
                    "<drawn>".into()
                }
                _ => self.value(value),
            };
            normal.insert(key.clone(), value);
        }
        Value::Object(normal)
    }

    /// Uids that were seen, and versions where a message tells them.
    fn text(&self, text: &str) -> String {
        let mut normal = text.to_owned();
        for (uid, number) in &self.uids {
            if !uid.is_empty() {
                normal = normal.replace(uid, &format!("uid-{number}"));
            }
        }
        VERSIONS_IN_TEXT.replace_all(&normal, "$1<some>").into_owned()
    }
}

fn number(known: &mut BTreeMap<String, usize>, text: &str) -> usize {
    let next = known.len() + 1;
    *known.entry(text.to_owned()).or_insert(next)
}

/// A message that lists causes, with those in order.
fn sorted(message: &str) -> String {
    let Some((what, causes)) = message.split_once(" is invalid: [") else { return message.to_owned() };
    let mut causes: Vec<&str> = causes.trim_end_matches(']').split(", ").collect();
    causes.sort_unstable();
    format!("{what} is invalid: [{}]", causes.join(", "))
}

fn is_plain_bookmark(event: &Value) -> bool {
    event["type"] == "BOOKMARK" && event["object"]["metadata"].get("annotations").is_none()
}

/// Of the range that Services get theirs from.
fn is_address(text: &str) -> bool {
    text.starts_with("10.96.")
}

/// Whole seconds of UTC.
fn is_time(text: &str) -> bool {
    text.len() == "2026-01-01T00:00:00Z".len() && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

fn drawn(base: &str, name: &str) -> bool {
    const LONGEST: usize = 63 - 5;
    let base: String = base.chars().take(LONGEST).collect();
    let end = name.strip_prefix(&base);
    end.is_some_and(|end| end.len() == 5 && end.chars().all(|letter| letter.is_ascii_alphanumeric()))
}
