//! The API description and the code say the same.

use std::{collections::BTreeSet, path::Path};

use gateway::http::{ProblemKind, routes};
use serde_json::Value;

fn description() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api/openapi.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_route_and_status_is_described_and_no_other() {
    let description = description();
    assert_eq!(description["openapi"], "3.1.0");
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    let described: BTreeSet<(String, String, String)> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |method| (path, method)))
        .flat_map(|(path, (method, operation))| {
            let statuses = operation["responses"].as_object().unwrap().keys();
            statuses.map(move |status| (path.clone(), method.clone(), status.clone()))
        })
        .collect();
    let actual: BTreeSet<(String, String, String)> = routes()
        .into_iter()
        .flat_map(|(path, method, statuses)| {
            statuses.into_iter().map(move |status| (path.to_owned(), method.to_owned(), status.to_string()))
        })
        .collect();
    assert_eq!(described, actual);
}

#[test]
fn every_type_of_problem_is_described_and_no_other() {
    let types = &description()["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
    let described: Vec<&str> = types.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(described, ProblemKind::ALL.map(ProblemKind::type_uri));
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(root: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect("references are local");
                    assert!(root.pointer(pointer).is_some(), "{reference}");
                }
                members.values().for_each(|member| check(root, member));
            }
            Value::Array(items) => items.iter().for_each(|item| check(root, item)),
            _ => {}
        }
    }
    let description = description();
    check(&description, &description);
}
