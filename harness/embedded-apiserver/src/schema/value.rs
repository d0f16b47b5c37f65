//! JSON as values of the Common Expression Language, by its schema.

use std::sync::Arc;

use kube_cel::cel::{
    Value,
    functions::timestamp,
    objects::{Key, Map},
};
use serde_json::Number;

use super::{
    format::Format,
    node::{Additional, Node},
};

/// Names that a rule cannot spell (`k8s.io/apiserver/pkg/cel`, escaping of property names).
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The value of `json`, which follows `node`: dates are timestamps, numbers are what their type says.
pub(super) fn of(json: &serde_json::Value, node: Option<&Node>) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => of_number(number, node),
        serde_json::Value::String(text) => of_text(text, node),
        serde_json::Value::Array(items) => {
            let schema = node.and_then(|node| node.items.as_deref());
            Value::List(Arc::new(items.iter().map(|item| of(item, schema)).collect()))
        }
        serde_json::Value::Object(fields) => {
            let is_map =
                node.is_some_and(|node| matches!(node.additional, Additional::Schema(_) | Additional::Allowed));
            let entries = fields.iter().map(|(name, field)| {
                let name = if is_map { name.clone() } else { escape(name) };
                let schema = node.and_then(|node| node.property(name.as_str()));
                (Key::String(Arc::new(name)), of(field, schema))
            });
            Value::Map(Map { map: Arc::new(entries.collect()) })
        }
    }
}

fn of_number(number: &Number, node: Option<&Node>) -> Value {
    let float = number.as_f64().unwrap_or(f64::NAN);
    let whole = number.as_i64();
    match (node.and_then(|node| node.kind.as_deref()), whole) {
        (Some("number"), _) => Value::Float(float),
        (_, Some(whole)) => Value::Int(whole),
        (Some("integer"), None) => Value::Int(float as i64),
        (_, None) => Value::Float(float),
    }
}

fn of_text(text: &str, node: Option<&Node>) -> Value {
    let text = Arc::new(text.to_owned());
    match node.and_then(|node| node.format) {
        Some(Format::DateTime(_)) => timestamp(Arc::clone(&text)),
        Some(Format::Date) => timestamp(Arc::new(format!("{text}T00:00:00Z"))),
        _ => return Value::String(text),
    }
    .unwrap_or(Value::String(text))
}

/// The name by which a rule selects the field `name`.
fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    let name = name.replace("__", "__underscores__");
    name.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}
