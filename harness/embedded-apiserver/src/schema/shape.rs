//! What changes an object before it is validated: pruning, dropping nulls, defaulting.
//!
//! The algorithms of `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting}`.

use serde_json::Value;

use super::node::{Additional, Node};

/// apiVersion, kind and metadata: what belongs to every embedded resource, declared or not.
fn is_meta(key: &str) -> bool {
    matches!(key, "apiVersion" | "kind" | "metadata")
}

/// Removes what `node` does not know; `None` knows nothing.
pub(super) fn prune(value: &mut Value, node: Option<&Node>, is_root: bool) {
    let preserves = node.is_some_and(|node| node.preserve_unknown);
    match value {
        Value::Object(_) => prune_object(value, node, is_root, preserves),
        Value::Array(items) => {
            let schema = node.and_then(|node| node.items.as_deref());
            for item in items {
                match (preserves, schema) {
                    (true, None) => {}
                    (true, Some(_)) => prune_object(item, schema, false, true),
                    (false, _) => prune(item, schema, false),
                }
            }
        }
        _ => {}
    }
}

fn prune_object(value: &mut Value, node: Option<&Node>, is_root: bool, preserves: bool) {
    let Some(map) = value.as_object_mut() else { return };
    let embedded = is_root || node.is_some_and(|node| node.embedded);
    map.retain(|key, child| {
        if embedded && is_meta(key) {
            return true;
        }
        match node.map(|node| (node.properties.get(key), &node.additional)) {
            Some((Some(property), _)) => prune(child, Some(property), false),
            Some((None, Additional::Schema(additional))) => prune(child, Some(additional), false),
            Some((None, Additional::Allowed)) => prune(child, None, false),
            Some((None, Additional::Absent | Additional::Forbidden)) | None => return preserves,
        }
        true
    });
}

/// Removes nulls whose schema is neither nullable nor defaulted.
pub(super) fn drop_nulls(value: &mut Value, node: Option<&Node>) {
    match value {
        Value::Object(map) => map.retain(|key, child| {
            let schema = node.and_then(|node| node.property(key));
            if child.is_null() && schema.is_some_and(|schema| !schema.nullable && schema.default.is_none()) {
                return false;
            }
            drop_nulls(child, schema);
            true
        }),
        Value::Array(items) => {
            let schema = node.and_then(|node| node.items.as_deref());
            for item in items {
                drop_nulls(item, schema);
            }
        }
        _ => {}
    }
}

/// Fills in the defaults of absent fields, and of nulls that are not nullable.
pub(super) fn default(value: &mut Value, node: &Node) {
    match value {
        Value::Object(map) => {
            for (key, property) in &node.properties {
                let Some(default) = &property.default else { continue };
                map.entry(key.clone()).or_insert_with(|| default.clone());
            }
            for (key, child) in map.iter_mut() {
                let Some(schema) = node.property(key) else { continue };
                replace_null(child, schema);
                default(child, schema);
            }
        }
        Value::Array(items) => {
            let Some(schema) = node.items.as_deref() else { return };
            for item in items {
                replace_null(item, schema);
                default(item, schema);
            }
        }
        _ => {}
    }
}

/// Puts the default in place of a null that is not nullable.
fn replace_null(value: &mut Value, node: &Node) {
    if let (true, false, Some(default)) = (value.is_null(), node.nullable, &node.default) {
        *value = default.clone();
    }
}
