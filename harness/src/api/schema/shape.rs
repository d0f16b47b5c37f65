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
                // A null in a nullable field was meant; only its absence is defaulted.
                if map.get(key).is_none_or(|present| present.is_null() && !property.nullable) {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, child) in map.iter_mut() {
                if let Some(schema) = node.property(key) {
                    default(child, schema);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = node.items.as_deref() else { return };
            for item in items {
                if let (true, false, Some(value)) = (item.is_null(), schema.nullable, &schema.default) {
                    *item = value.clone();
                }
                default(item, schema);
            }
        }
        _ => {}
    }
}
