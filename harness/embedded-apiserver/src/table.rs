//! Tables, which kubectl asks for instead of objects (meta.k8s.io/v1 Table).

mod builtin;
mod duration;
mod jsonpath;
mod pod;
mod selector;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jsonpath::JsonPath;
use serde_json::{Map, Value, json};

/// One column of a table: its definition, and how it gets its cells.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading, such as `Age`; kubectl shows it in capitals.
    pub name: String,
    /// An OpenAPI type, such as `string` or `integer`; in a CRD also `date`.
    pub r#type: String,
    /// An OpenAPI format; `name` marks the column that identifies the row.
    pub format: String,
    /// What the column shows, for humans.
    pub description: String,
    /// 0 for a column that is always shown, more for one that only `-o wide` shows.
    pub priority: i64,
    /// Where the cells come from.
    pub accessor: Accessor,
}

/// How a column gets a cell from an object.
#[derive(Clone, Debug)]
pub enum Accessor {
    /// A printer of a built-in resource: object and current time to cell.
    Builtin(fn(&Value, Timestamp) -> Value),
    /// A CRD's JSONPath, converted by the column's type.
    Path(JsonPath),
}

/// What of the object goes into its row (the query parameter `includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// Its metadata, as a meta.k8s.io/v1 PartialObjectMetadata: the default.
    Metadata,
    /// All of it.
    Object,
}

/// The columns of a resource.
///
/// `crd_version` is the element of a CustomResourceDefinition's `spec.versions`, if one defines the resource: Name,
/// then its additionalPrinterColumns, or Age if it declares none. Columns of built-in resources are those of
/// `k8s.io/kubernetes/pkg/printers/internalversion` where gateways meet them, else Name and Age.
pub fn columns_for(group: &str, plural: &str, crd_version: Option<&Value>) -> Vec<Column> {
    match crd_version {
        Some(version) => crd_columns(version),
        None => builtin::columns(group, plural),
    }
}

fn crd_columns(version: &Value) -> Vec<Column> {
    let declared = version.get("additionalPrinterColumns").and_then(Value::as_array);
    let mut columns = vec![builtin::name_column()];
    match declared.filter(|declared| !declared.is_empty()) {
        Some(declared) => columns.extend(declared.iter().map(crd_column)),
        None => columns.push(Column {
            name: "Age".to_owned(),
            r#type: "date".to_owned(),
            format: String::new(),
            description: builtin::CREATED.to_owned(),
            priority: 0,
            accessor: Accessor::Path(JsonPath::parse(".metadata.creationTimestamp")),
        }),
    }
    columns
}

fn crd_column(declared: &Value) -> Column {
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

/// The table of `objects`: for one object, for a list, or for an event of a watch.
///
/// `now` decides ages; `resource_version` is the list's, or the object's.
pub fn render(
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
    let mut row = Map::from_iter([("cells".to_owned(), Value::Array(cells))]);
    if object.get("kind").is_some_and(|kind| kind == "Pod") {
        row.extend(pod::row_conditions(object).map(|conditions| ("conditions".to_owned(), conditions)));
    }
    let included = match include_object {
        IncludeObject::None => Value::Null,
        IncludeObject::Object => object.clone(),
        IncludeObject::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
        }),
    };
    row.insert("object".to_owned(), included);
    Value::Object(row)
}

impl Column {
    /// The cell of `object`; null where it has nothing to show or a value of another type.
    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let path = match &self.accessor {
            Accessor::Builtin(print) => return print(object, now),
            Accessor::Path(path) => path,
        };
        let Some(found) = path.first(object) else { return Value::Null };
        match (self.r#type.as_str(), found) {
            ("string", Value::String(text)) => json!(text),
            ("string", Value::Null) => json!("<nil>"),
            ("string", other) => json!(other.to_string()),
            ("integer", Value::Number(number)) => {
                number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)).map_or(Value::Null, Value::from)
            }
            ("number", number @ Value::Number(_)) => number.clone(),
            ("boolean", boolean @ Value::Bool(_)) => boolean.clone(),
            ("date", Value::String(time)) => {
                json!(time.parse().map_or_else(|_| "<invalid>".to_owned(), |time| duration::since(time, now)))
            }
            _ => Value::Null,
        }
    }
}
