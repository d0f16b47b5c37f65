//! One node of a structural schema, read from its JSON form (apiextensions.k8s.io/v1 JSONSchemaProps).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    error::FieldError,
    format::{Format, Pattern},
    path::Path,
    rule::Rule,
};

/// What a schema says about properties that it does not name.
#[derive(Debug, Default)]
pub(super) enum Additional {
    /// Nothing: pruned before anything else looks at them.
    #[default]
    Absent,
    /// `true`.
    Allowed,
    /// `false`.
    Forbidden,
    /// Each follows this schema.
    Schema(Box<Node>),
}

/// How a list's elements are told apart (`x-kubernetes-list-type`).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum ListType {
    /// By position: the list is one value.
    #[default]
    Atomic,
    /// By their value.
    Set,
    /// By the values of these fields.
    Map(Vec<String>),
}

/// A lower or upper limit of a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) limit: f64,
    pub(super) exclusive: bool,
}

/// One node; absent keywords are `None` or empty.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) kind: Option<String>,
    pub(super) nullable: bool,
    pub(super) format: Option<Format>,
    pub(super) default: Option<Value>,
    pub(super) enumeration: Option<Vec<Value>>,
    pub(super) pattern: Option<Pattern>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) minimum: Option<Bound>,
    pub(super) maximum: Option<Bound>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) min_properties: Option<u64>,
    pub(super) max_properties: Option<u64>,
    pub(super) required: Vec<String>,
    pub(super) properties: BTreeMap<String, Node>,
    pub(super) additional: Additional,
    pub(super) items: Option<Box<Node>>,
    pub(super) preserve_unknown: bool,
    pub(super) int_or_string: bool,
    pub(super) embedded: bool,
    pub(super) list_type: ListType,
    pub(super) rules: Vec<Rule>,
    /// Further limits on the same value, each of which must hold.
    pub(super) all_of: Vec<Node>,
}

/// Keywords that [`Node::parse`] reads, and those that do not bear on a stored object.
const KNOWN: [&str; 35] = [
    "type",
    "nullable",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "uniqueItems",
    "anyOf",
    "allOf",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
    "description",
    "title",
    "example",
    "externalDocs",
    "id",
];

impl Node {
    /// Reads `schema`, which stands at `path`; what is not supported is added to `unsupported`.
    pub(super) fn parse(schema: &Value, path: &str, unsupported: &mut Vec<FieldError>) -> Self {
        for key in schema.as_object().into_iter().flat_map(|map| map.keys()) {
            if !KNOWN.contains(&key.as_str()) {
                unsupported.push(FieldError::unsupported(path, &format!("the schema keyword {key}")));
            }
        }
        let kind = schema.get("type").and_then(Value::as_str).map(str::to_owned);
        let node = Self {
            nullable: flag(schema, "nullable"),
            format: Format::parse(schema, kind.as_deref(), path, unsupported),
            default: schema.get("default").filter(|default| !default.is_null()).cloned(),
            enumeration: schema.get("enum").and_then(Value::as_array).cloned(),
            pattern: Pattern::parse(schema, path, unsupported),
            min_length: size(schema, "minLength"),
            max_length: size(schema, "maxLength"),
            minimum: bound(schema, "minimum", "exclusiveMinimum"),
            maximum: bound(schema, "maximum", "exclusiveMaximum"),
            min_items: size(schema, "minItems"),
            max_items: size(schema, "maxItems"),
            min_properties: size(schema, "minProperties"),
            max_properties: size(schema, "maxProperties"),
            required: strings(schema, "required"),
            properties: properties(schema, path, unsupported),
            additional: additional(schema, path, unsupported),
            items: schema.get("items").map(|items| Box::new(Self::parse(items, &format!("{path}[]"), unsupported))),
            preserve_unknown: flag(schema, "x-kubernetes-preserve-unknown-fields"),
            int_or_string: flag(schema, "x-kubernetes-int-or-string"),
            embedded: flag(schema, "x-kubernetes-embedded-resource"),
            list_type: list_type(schema),
            rules: Rule::parse_all(schema, path, unsupported),
            all_of: schema.get("allOf").and_then(Value::as_array).map_or_else(Vec::new, |all| {
                all.iter().map(|further| Self::parse(further, path, unsupported)).collect()
            }),
            kind,
        };
        node.refuse_special_cases(schema, path, unsupported);
        node
    }

    /// `anyOf` is fine where it only repeats int-or-string; `uniqueItems: true` is forbidden in a CRD.
    fn refuse_special_cases(&self, schema: &Value, path: &str, unsupported: &mut Vec<FieldError>) {
        let spelled_out = serde_json::json!([{"type": "integer"}, {"type": "string"}]);
        if schema.get("anyOf").is_some_and(|any_of| !self.int_or_string || *any_of != spelled_out) {
            unsupported.push(FieldError::unsupported(path, "the schema keyword anyOf"));
        }
        if flag(schema, "uniqueItems") {
            unsupported.push(FieldError::unsupported(path, "uniqueItems, which a CRD must not set"));
        }
    }

    /// The schema of the property `key`, declared by name or as an additional property.
    pub(super) fn property(&self, key: &str) -> Option<&Self> {
        match (self.properties.get(key), &self.additional) {
            (Some(property), _) => Some(property),
            (None, Additional::Schema(additional)) => Some(additional),
            (None, Additional::Absent | Additional::Allowed | Additional::Forbidden) => None,
        }
    }

    /// The path of the property `key` of the object at `path`, as list and CEL errors write it: a map's key in brackets.
    pub(super) fn child_path<'a>(&self, path: &'a Path<'a>, key: &'a str) -> Path<'a> {
        if self.properties.contains_key(key) { Path::Field(path, key) } else { Path::Key(path, key) }
    }
}

fn properties(schema: &Value, path: &str, unsupported: &mut Vec<FieldError>) -> BTreeMap<String, Node> {
    let Some(map) = schema.get("properties").and_then(Value::as_object) else { return BTreeMap::new() };
    map.iter()
        .map(|(key, property)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            (key.clone(), Node::parse(property, &path, unsupported))
        })
        .collect()
}

fn additional(schema: &Value, path: &str, unsupported: &mut Vec<FieldError>) -> Additional {
    match schema.get("additionalProperties") {
        None | Some(Value::Null) => Additional::Absent,
        Some(Value::Bool(true)) => Additional::Allowed,
        Some(Value::Bool(false)) => Additional::Forbidden,
        Some(schema) => Additional::Schema(Box::new(Node::parse(schema, &format!("{path}[*]"), unsupported))),
    }
}

fn list_type(schema: &Value) -> ListType {
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(strings(schema, "x-kubernetes-list-map-keys")),
        _ => ListType::Atomic,
    }
}

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn size(schema: &Value, key: &str) -> Option<u64> {
    schema.get(key).and_then(Value::as_u64)
}

fn bound(schema: &Value, key: &str, exclusive: &str) -> Option<Bound> {
    let limit = schema.get(key).and_then(Value::as_f64)?;
    Some(Bound { limit, exclusive: flag(schema, exclusive) })
}

fn strings(schema: &Value, key: &str) -> Vec<String> {
    let values = schema.get(key).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
