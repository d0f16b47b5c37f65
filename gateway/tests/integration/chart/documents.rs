//! The chart's README has every value, with its default.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use super::{helm::chart, values::defaults};

/// What is too long for a table.
const SEE_FILE: &str = "see values.yaml";

/// Values by their path; maps and lists that have something in them are one, where their keys are Kubernetes' own.
fn leaves(prefix: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    let passed_on = ["resources", "podSecurityContext", "securityContext", "dashboard.labels"];
    let passed_on = |name: &str| passed_on.contains(&name) || name.ends_with("Probe");
    match value {
        Value::Object(map) if passed_on(prefix) && !map.is_empty() => {
            all.insert(prefix.to_owned(), SEE_FILE.to_owned());
        }
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                leaves(&path, inner, all);
            }
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            all.insert(prefix.to_owned(), SEE_FILE.to_owned());
        }
        leaf => {
            all.insert(prefix.to_owned(), format!("`{leaf}`"));
        }
    }
}

#[test]
fn the_readme_lists_every_value_with_its_default() {
    let mut expected = BTreeMap::new();
    leaves("", &defaults(), &mut expected);
    let readme = fs::read_to_string(chart().join("README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| `")).map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').splitn(3, '|').map(str::trim).collect();
        let [name, default, _] = cells[..] else { panic!("{row}") };
        (name.trim_matches('`').to_owned(), default.to_owned())
    });
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), expected);
}
