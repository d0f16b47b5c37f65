//! Columns of custom resources: Name, then what the definition declares.

use serde_json::Value;

use super::{
    builtin::{CREATED, name_column},
    column::{Accessor, Column},
    jsonpath::JsonPath,
};

/// The columns of a resource that an element of a CustomResourceDefinition's `spec.versions` defines: Name, then its
/// additionalPrinterColumns, or Age if it declares none.
pub(crate) fn columns(version: &Value) -> Vec<Column> {
    let declared = version.get("additionalPrinterColumns").and_then(Value::as_array);
    let mut columns = vec![name_column()];
    match declared.filter(|declared| !declared.is_empty()) {
        Some(declared) => columns.extend(declared.iter().map(declared_column)),
        None => columns.push(Column {
            name: "Age".to_owned(),
            r#type: "date".to_owned(),
            format: String::new(),
            description: CREATED.to_owned(),
            priority: 0,
            accessor: Accessor::Path(JsonPath::parse(".metadata.creationTimestamp")),
        }),
    }
    columns
}

fn declared_column(declared: &Value) -> Column {
    let text = |key: &str| declared.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let path = text("jsonPath");
    let description = match text("description") {
        empty if empty.is_empty() => format!("Custom resource definition column (in JSONPath format): {path}"),
        description => description,
    };
    Column {
        name: text("name"),
        r#type: text("type"),
        format: text("format"),
        description,
        priority: declared.get("priority").and_then(Value::as_i64).unwrap_or(0),
        accessor: Accessor::Path(JsonPath::parse(&path)),
    }
}
