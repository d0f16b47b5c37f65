//! From a file and the environment to a [`Config`].

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::{
    error::{Error, Problem},
    hints,
    keys::{self, Key, PREFIX},
    origin::{Files, Origin},
    read,
    settings::Config,
    typed,
};

/// A configuration and where its values come from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values in effect.
    pub config: Config,
    /// Of the keys that are not at their default, by name.
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Config {
    /// As [`Config::load`], of a `file` that has been read already.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: Option<&Path>, text: &str, env: impl Iterator<Item = (String, String)>) -> Result<Self, Error> {
        let root = file.map_or_else(|| Ok(Map::new()), |path| read::mapping(path, text))?;
        Ok(Loaded::of(root, env, Files::Required)?.config)
    }

    /// Reads `file`, lets `env` override its keys, and validates the result.
    ///
    /// # Errors
    /// If the file cannot be read; else all that is wrong with keys and values, see [`Error::Invalid`].
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, Error> {
        Ok(Loaded::load(file, env, Files::Required)?.config)
    }
}

impl Loaded {
    /// As [`Config::load`].
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>, files: Files) -> Result<Self, Error> {
        let root = file.map_or_else(|| Ok(Map::new()), |path| read::mapping(path, &read::text(path)?))?;
        Self::of(root, env, files)
    }

    /// Lets `env` override the keys of `root`, and validates the result.
    fn of(
        mut root: Map<String, Value>,
        env: impl Iterator<Item = (String, String)>,
        files: Files,
    ) -> Result<Self, Error> {
        let all = keys::all();
        let mut origins: BTreeMap<String, Origin> = all
            .iter()
            .filter(|key| keys::get(&root, &key.path).is_some())
            .map(|key| (key.name(), Origin::File))
            .collect();
        let by_variable: BTreeMap<String, &Key> = all.iter().map(|key| (key.variable(), key)).collect();
        let mut problems = Vec::new();
        for (variable, value) in env.filter(|(variable, _)| variable.starts_with(PREFIX)) {
            match by_variable.get(&variable) {
                None => problems.push(unknown_variable(variable, &by_variable)),
                // If there is no such section, something else has its name, which is reported.
                Some(key) if set(&mut root, &key.path, key.value(value)) => {
                    origins.insert(key.name(), Origin::Environment(variable));
                }
                Some(_) => {}
            }
        }
        let (config, mistyped) = typed::config(Value::Object(root), &all);
        let invalid = config.problems(files);
        // What rests on a value that could not be read may be wrong for that reason alone.
        let follows = |problem: &Problem| mistyped.iter().any(|other| problem.mentions(&other.key));
        problems.extend(hints::tried(&config, &all, invalid).into_iter().filter(|problem| !follows(problem)));
        problems.splice(0..0, mistyped);
        for problem in &mut problems {
            // Of `signal.ignore[1]`, the list has an origin.
            let key = problem.key.split('[').next().unwrap_or_default();
            if let Some(Origin::Environment(variable)) = origins.get(key) {
                problem.variable = Some(variable.clone());
            }
        }
        if problems.is_empty() { Ok(Self { config, origins }) } else { Err(Error::Invalid(problems)) }
    }

    /// Where the value of the key `name` comes from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or(Origin::Default)
    }

    /// How many keys the file and the environment set.
    pub fn counts(&self) -> (usize, usize) {
        let from_file = self.origins.values().filter(|origin| **origin == Origin::File).count();
        (from_file, self.origins.len() - from_file)
    }
}

fn unknown_variable(variable: String, known: &BTreeMap<String, &Key>) -> Problem {
    let nearest = keys::nearest(&variable, known.keys().map(String::as_str)).unwrap_or_default();
    Problem {
        hint: Some(format!("did you mean {nearest}?")),
        message: "unknown configuration variable".to_owned(),
        key: variable,
        variable: None,
    }
}

/// Sets the key at `path`, and tells whether that could be done; sections that the file left out or empty are added.
fn set(root: &mut Map<String, Value>, path: &[String], value: Value) -> bool {
    let Some((key, sections)) = path.split_last() else { return false };
    let mut section = root;
    for name in sections {
        let entry = section.entry(name).or_insert(Value::Null);
        if entry.is_null() {
            *entry = Value::Object(Map::new());
        }
        let Value::Object(inner) = entry else { return false };
        section = inner;
    }
    section.insert(key.clone(), value);
    true
}
