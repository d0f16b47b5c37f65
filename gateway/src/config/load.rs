//! From a file and the environment to a [`Config`].

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{
    error::Error,
    settings::{Config, Tls},
};

/// Behind it, two underscores separate the levels of a key, and one its words.
pub(super) const PREFIX: &str = "GATEWAY__";
/// Bytes of a file: a hundred times the documented example, and what a ConfigMap holds at most.
const BYTES_MAX: u64 = 1 << 20;

impl Config {
    /// Reads `file`, lets `env` override its keys, and validates the result.
    ///
    /// # Errors
    /// The first thing that cannot be read or is unknown, or all values that are no good; see [`Error`].
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, Error> {
        let mut root = file.map_or_else(|| Ok(Map::new()), read)?;
        let leaves = leaves();
        let mut origins = BTreeMap::new();
        for (variable, value) in env.filter(|(variable, _)| variable.starts_with(PREFIX)) {
            let Some(leaf) = leaves.get(&variable) else {
                let nearest = nearest(&variable, leaves.keys());
                return Err(Error::UnknownVariable { variable, nearest });
            };
            set(&mut root, &leaf.path, leaf.value(value))?;
            origins.insert(leaf.path.join("."), variable);
        }
        let config = deserialize(Value::Object(root), &origins)?;
        config.validate()?;
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, Error> {
    let shown = || path.display().to_string();
    let text = text(path).map_err(|source| Error::Read { path: shown(), source })?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Map::new());
    }
    match serde_saphyr::from_str(&text) {
        Ok(Value::Object(root)) => Ok(root),
        Ok(_) => Err(Error::Yaml { path: shown(), message: "it is no mapping of keys to values".to_owned() }),
        Err(error) => Err(Error::Yaml { path: shown(), message: error.to_string() }),
    }
}

/// The text of a file that may be none: a device or a pipe can have no end.
fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn deserialize(root: Value, origins: &BTreeMap<String, String>) -> Result<Config, Error> {
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(root, &mut track);
    Config::deserialize(tracked).map_err(|error| {
        let key = track.path().to_string();
        let origin = origins.get(&key).map_or_else(String::new, |variable| format!(" (set by {variable})"));
        Error::Key { key, message: error.to_string(), origin }
    })
}

/// A key that has a value of its own.
struct Leaf {
    path: Vec<String>,
    example: Value,
}

impl Leaf {
    /// `text` in the type of this key; as text where it has none of that, for the error to name the key.
    fn value(&self, text: String) -> Value {
        let parsed = match &self.example {
            Value::Bool(_) => text.parse().ok().map(Value::Bool),
            Value::Number(_) => text.parse().ok().map(Value::Number),
            Value::Array(_) | Value::Object(_) => serde_json::from_str(&text).ok(),
            _ => None,
        };
        parsed.unwrap_or(Value::String(text))
    }
}

/// All keys by the name of their variable.
fn leaves() -> BTreeMap<String, Leaf> {
    let mut all = BTreeMap::new();
    // Optional sections are absent by default; here all of their keys must appear.
    let mut config = Config::default();
    config.server.tls = Some(Tls::default());
    if let Ok(Value::Object(root)) = serde_json::to_value(config) {
        walk(&root, &mut Vec::new(), &mut all);
    }
    all
}

fn walk(section: &Map<String, Value>, path: &mut Vec<String>, all: &mut BTreeMap<String, Leaf>) {
    for (key, value) in section {
        path.push(key.clone());
        match value {
            // One that is empty by default is a mapping of the operator's own keys.
            Value::Object(section) if !section.is_empty() => walk(section, path, all),
            example => {
                let levels: Vec<String> = path.iter().map(|key| screaming(key)).collect();
                let leaf = Leaf { path: path.clone(), example: example.clone() };
                all.insert(format!("{PREFIX}{}", levels.join("__")), leaf);
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

/// Sets the key at `path`; sections that the file left out or empty are added.
fn set(root: &mut Map<String, Value>, path: &[String], value: Value) -> Result<(), Error> {
    let Some((key, sections)) = path.split_last() else { return Ok(()) };
    let mut section = root;
    for (depth, name) in sections.iter().enumerate() {
        let entry = section.entry(name).or_insert(Value::Null);
        if entry.is_null() {
            *entry = Value::Object(Map::new());
        }
        let Value::Object(inner) = entry else {
            let key = sections[..=depth].join(".");
            return Err(Error::Key { key, message: "it must be a mapping".to_owned(), origin: String::new() });
        };
        section = inner;
    }
    section.insert(key.clone(), value);
    Ok(())
}

fn nearest<'a>(variable: &str, known: impl Iterator<Item = &'a String>) -> String {
    known.min_by_key(|name| strsim::levenshtein(variable, name)).cloned().unwrap_or_default()
}
