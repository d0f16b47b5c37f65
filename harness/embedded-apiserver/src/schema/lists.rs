//! Lists that are sets or maps hold nothing twice; embedded resources say what they are.
//!
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{listtype,objectmeta}`.

use serde_json::{Map, Value};

use super::{
    error::FieldError,
    node::{ListType, Node},
    path::Path,
};

/// The elements of sets and list-maps in `value` that occur a second time.
pub(super) fn duplicates(node: &Node, value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    collect(node, &Path::Root, value, &mut errors);
    errors
}

fn collect(node: &Node, path: &Path<'_>, value: &Value, errors: &mut Vec<FieldError>) {
    match value {
        Value::Array(items) => {
            match &node.list_type {
                ListType::Atomic => {}
                ListType::Set => report_second(path, items, errors),
                ListType::Map(keys) => check_map(path, keys, items, errors),
            }
            if let Some(schema) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    collect(schema, &Path::Index(path, index), item, errors);
                }
            }
        }
        Value::Object(map) => {
            for (key, child) in map {
                if let Some(schema) = node.property(key) {
                    collect(schema, &node.child_path(path, key), child, errors);
                }
            }
        }
        _ => {}
    }
}

fn check_map(path: &Path<'_>, keys: &[String], items: &[Value], errors: &mut Vec<FieldError>) {
    if let Some((index, item)) = items.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null()) {
        let detail = "must be an object for an array of list-type map";
        errors.push(FieldError::invalid(Path::Index(path, index), item, detail));
        return;
    }
    let identities: Vec<Value> = items.iter().map(|item| identity(keys, item)).collect();
    report_second(path, &identities, errors);
}

/// Reports the second occurrence of a value, not the third and later ones.
fn report_second(path: &Path<'_>, values: &[Value], errors: &mut Vec<FieldError>) {
    for (index, value) in values.iter().enumerate() {
        let earlier = values.iter().take(index).filter(|earlier| *earlier == value).count();
        if earlier == 1 {
            errors.push(FieldError::duplicate(Path::Index(path, index), value));
        }
    }
}

/// The key fields of a list-map's element that it has.
fn identity(keys: &[String], item: &Value) -> Value {
    let present = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
    Value::Object(present.collect::<Map<_, _>>())
}

/// Whether two elements of a list-map are the same one; without all keys, an element is like no other.
pub(super) fn same_keys(keys: &[String], one: &Value, other: &Value) -> bool {
    keys.iter().all(|key| one.get(key).is_some_and(|value| other.get(key) == Some(value)))
}

/// Embedded resources below the root need an apiVersion and a kind.
pub(super) fn check_embedded(node: &Node, path: &Path<'_>, value: &Value, is_root: bool, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            if node.embedded && !is_root {
                for key in ["apiVersion", "kind"] {
                    if map.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
                        errors.push(FieldError::required(Path::Field(path, key), "must not be empty"));
                    }
                }
            }
            for (key, child) in map {
                if let Some(schema) = node.property(key) {
                    check_embedded(schema, &node.child_path(path, key), child, false, errors);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = &node.items else { return };
            for (index, item) in items.iter().enumerate() {
                check_embedded(schema, &Path::Index(path, index), item, false, errors);
            }
        }
        _ => {}
    }
}
