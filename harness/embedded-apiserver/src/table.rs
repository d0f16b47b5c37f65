//! Tables, which kubectl asks for instead of objects (meta.k8s.io/v1 Table).

mod builtin;
mod column;
mod custom;
mod duration;
mod jsonpath;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use column::Column;

/// What of the object goes into its row (the query parameter `includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata, as a meta.k8s.io/v1 PartialObjectMetadata: the default.
    Metadata,
    /// All of it.
    Object,
}

/// The columns of a resource; `crd_version` is the element of a CustomResourceDefinition's `spec.versions`, if one
/// defines it.
pub(super) fn columns_for(group: &str, plural: &str, crd_version: Option<&Value>) -> Vec<Column> {
    match crd_version {
        Some(version) => custom::columns(version),
        None => builtin::columns(group, plural),
    }
}

/// The table of `objects`: for one object, for a list, or for an event of a watch.
///
/// `now` decides ages; `resource_version` is the list's, or the object's.
pub(super) fn render(
    columns: &[Column],
    objects: &[Value],
    now: Timestamp,
    resource_version: &str,
    include_object: IncludeObject,
) -> Value {
    let definitions: Vec<Value> = columns.iter().map(definition).collect();
    let rows: Vec<Value> = objects.iter().map(|object| row(columns, object, now, include_object)).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": resource_version},
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn definition(column: &Column) -> Value {
    let Column { name, r#type, format, description, priority, accessor: _ } = column;
    json!({"name": name, "type": r#type, "format": format, "description": description, "priority": priority})
}

fn row(columns: &[Column], object: &Value, now: Timestamp, include_object: IncludeObject) -> Value {
    let cells: Vec<Value> = columns.iter().map(|column| column.cell(object, now)).collect();
    let included = match include_object {
        IncludeObject::None => Value::Null,
        IncludeObject::Object => object.clone(),
        IncludeObject::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
        }),
    };
    json!({"cells": cells, "object": included})
}
