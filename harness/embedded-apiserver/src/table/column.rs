//! Columns: their definitions, and how they get their cells.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{duration, jsonpath::JsonPath};

/// One column of a table: its definition, and how it gets its cells.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The heading, such as `Age`; kubectl shows it in capitals.
    pub(crate) name: String,
    /// An OpenAPI type, such as `string` or `integer`; in a CRD also `date`.
    pub(crate) r#type: String,
    /// An OpenAPI format; `name` marks the column that identifies the row.
    pub(crate) format: String,
    /// What the column shows, for humans.
    pub(crate) description: String,
    /// 0 for a column that is always shown, more for one that only `-o wide` shows.
    pub(crate) priority: i64,
    /// Where the cells come from.
    pub(crate) accessor: Accessor,
}

/// How a column gets a cell from an object.
#[derive(Clone, Debug)]
pub(crate) enum Accessor {
    /// A printer of a built-in resource: object and current time to cell.
    Builtin(fn(&Value, Timestamp) -> Value),
    /// A CRD's JSONPath, converted by the column's type.
    Path(JsonPath),
}

impl Column {
    /// The cell of `object`; null where it has nothing to show or a value of another type.
    pub(crate) fn cell(&self, object: &Value, now: Timestamp) -> Value {
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
