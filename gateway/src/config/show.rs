//! A configuration for people: YAML, with where each value comes from.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{keys, load::Loaded, origin::Origin, secret, yaml};

impl Loaded {
    /// The values in effect as YAML that can be loaded again, each with its origin; secrets are masked.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        if let Ok(Value::Object(root)) = serde_json::to_value(&self.config) {
            self.section(&root, &mut Vec::new(), &mut out);
        }
        out
    }

    fn section(&self, section: &Map<String, Value>, path: &mut Vec<String>, out: &mut String) {
        let sections = keys::sections();
        for (key, value) in section {
            path.push(key.clone());
            let default = keys::get(&sections, path);
            let indent = "  ".repeat(path.len() - 1);
            // A mapping of the operator's own keys is empty by default, and is one value.
            let nested = default.and_then(Value::as_object).is_some_and(|default| !default.is_empty());
            match value {
                Value::Object(section) if nested => {
                    let _ = writeln!(out, "{indent}{key}:");
                    self.section(section, path, out);
                }
                value => {
                    let name = path.join(".");
                    let origin = match self.origin(&name) {
                        Origin::Default => "default".to_owned(),
                        Origin::File => "file".to_owned(),
                        Origin::Environment(variable) => format!("environment: {variable}"),
                    };
                    let value = yaml::scalar(&secret::masked(&name, value));
                    let _ = writeln!(out, "{indent}{key}: {value}  # {origin}");
                }
            }
            path.pop();
        }
    }
}
