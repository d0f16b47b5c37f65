//! The keys that there are, their environment variables, and a value that each may have.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::settings::{Config, Tls};

/// Behind it, two underscores separate the levels of a key, and one its words.
pub(super) const PREFIX: &str = "GATEWAY__";

/// A key that has a value of its own.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) path: Vec<String>,
    /// Its default; null or empty where there is none.
    default: Value,
}

impl Key {
    /// Such as `server.listenAddr`.
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }

    /// The environment variable that overrides it.
    pub(super) fn variable(&self) -> String {
        let levels: Vec<String> = self.path.iter().map(|key| screaming(key)).collect();
        format!("{PREFIX}{}", levels.join("__"))
    }

    /// `text` in the type of this key; as text where it is not of that type, for the error to name the key.
    pub(super) fn value(&self, text: String) -> Value {
        let parsed = match &self.default {
            Value::Bool(_) => text.parse().ok().map(Value::Bool),
            Value::Number(_) => text.parse().ok().map(Value::Number),
            Value::Array(_) | Value::Object(_) => serde_json::from_str(&text).ok(),
            _ => None,
        };
        parsed.unwrap_or(Value::String(text))
    }

    /// What a value of it must be, if its type says so.
    pub(super) fn allowed(&self) -> Option<&'static str> {
        Some(match &self.default {
            Value::Bool(_) => "`true` or `false`",
            Value::Number(number) if number.is_f64() => "a number such as `0.1`",
            Value::Number(_) => "a whole number",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
            Value::String(text) if text.parse::<std::net::SocketAddr>().is_ok() => {
                "an IP address with a port, such as `0.0.0.0:8080`"
            }
            Value::String(text) if text.starts_with(|first: char| first.is_ascii_digit()) => {
                "a valid duration such as `500ms`, `30s` or `2m`"
            }
            Value::Null if ["datastorage.url", "tracing.endpoint"].contains(&self.name().as_str()) => {
                "an http or https address"
            }
            _ => return None,
        })
    }

    /// A value that it may have: its default, if it has one that tells something.
    pub(super) fn example(&self) -> Value {
        match self.name().as_str() {
            "server.tls.certFile" => json!("/etc/gateway-tls/tls.crt"),
            "server.tls.keyFile" => json!("/etc/gateway-tls/tls.key"),
            "server.tls.clientCaFile" => json!("/etc/gateway-tls/ca.crt"),
            "datastorage.url" => json!("http://datastorage:8080"),
            "tracing.endpoint" => json!("http://opentelemetry-collector:4318"),
            "tracing.caFile" => json!("/etc/gateway-tracing/ca.crt"),
            "tracing.headers" => json!({"authorization": "Bearer token"}),
            "signal.exporters" => json!(["snmp-exporter"]),
            "signal.cluster.name" => json!("prod-eu-1"),
            "signal.targets" => {
                let target = json!({"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachine", "plural": "virtualmachines"});
                json!({ "vm": target })
            }
            _ => self.default.clone(),
        }
    }
}

/// All keys, in the order of their variables.
pub(super) fn all() -> Vec<Key> {
    let mut all = BTreeMap::new();
    walk(&sections(), &mut Vec::new(), &mut all);
    all.into_values().collect()
}

/// The defaults, optional sections included.
pub(super) fn sections() -> Map<String, Value> {
    let mut config = Config::default();
    config.server.tls = Some(Tls::default());
    match serde_json::to_value(config) {
        Ok(Value::Object(root)) => root,
        _ => Map::new(),
    }
}

fn walk(section: &Map<String, Value>, path: &mut Vec<String>, all: &mut BTreeMap<String, Key>) {
    for (name, value) in section {
        path.push(name.clone());
        match value {
            // One that is empty by default is a mapping of the operator's own keys.
            Value::Object(section) if !section.is_empty() => walk(section, path, all),
            default => {
                let key = Key { path: path.clone(), default: default.clone() };
                all.insert(key.variable(), key);
            }
        }
        path.pop();
    }
}

/// `listenAddr` as `LISTEN_ADDR`.
fn screaming(key: &str) -> String {
    key.chars().fold(String::new(), |mut word, c| {
        if c.is_ascii_uppercase() {
            word.push('_');
        }
        word.push(c.to_ascii_uppercase());
        word
    })
}

/// The one of `known` that is most like `name`.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.min_by_key(|known| strsim::levenshtein(name, known))
}

pub(super) fn get<'a>(root: &'a Map<String, Value>, path: &[String]) -> Option<&'a Value> {
    let (key, sections) = path.split_last()?;
    sections.iter().try_fold(root, |section, name| section.get(name)?.as_object())?.get(key)
}
