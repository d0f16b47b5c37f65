//! `x-kubernetes-validations`: where rules are evaluated, and what they report.
//!
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`.

use serde_json::Value;

use super::{
    cel::{Expr, Scope},
    cel_parse,
    error::FieldError,
    lists,
    node::{ListType, Node},
    path::Path,
};

/// One rule on a node.
#[derive(Debug)]
pub(super) struct Rule {
    source: String,
    expression: Expr,
    message: String,
    reason: String,
    field_path: String,
    is_transition: bool,
}

impl Rule {
    /// The rules on `schema`; one that is not supported is reported in `unsupported` instead.
    pub(super) fn parse_all(schema: &Value, path: &str, unsupported: &mut Vec<FieldError>) -> Vec<Self> {
        let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
        let mut parsed = Vec::new();
        for rule in rules.into_iter().flatten() {
            match Self::parse(rule) {
                Ok(rule) => parsed.push(rule),
                Err(error) => {
                    let source = rule.get("rule").and_then(Value::as_str).unwrap_or_default();
                    unsupported.push(FieldError::unsupported(path, &format!("the CEL rule {source:?}: {error}")));
                }
            }
        }
        parsed
    }

    fn parse(rule: &Value) -> Result<Self, String> {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        for key in ["messageExpression", "optionalOldSelf"] {
            if rule.get(key).is_some_and(|value| *value != Value::Bool(false)) {
                return Err(key.to_owned());
            }
        }
        let source = text("rule");
        let expression = cel_parse::parse(&source)?;
        let field_path = text("fieldPath");
        if field_path.contains('[') {
            return Err(format!("fieldPath {field_path}"));
        }
        let is_transition = mentions_old(&source);
        Ok(Self { expression, message: text("message"), reason: text("reason"), field_path, is_transition, source })
    }

    /// What the rule says of the value in `scope` at `path`: `None` if it holds or does not apply.
    fn error(&self, node: &Node, path: &Path<'_>, scope: Scope<'_>) -> Option<FieldError> {
        if self.is_transition && scope.old.is_none() {
            return None;
        }
        match self.expression.truth(scope) {
            Ok(true) => None,
            Ok(false) => Some(self.violation(node, path, scope.this)),
            Err(error) => {
                let shown = if self.message.is_empty() { &self.source } else { &self.message };
                let kind = Value::String(node.kind.clone().unwrap_or_default());
                Some(FieldError::invalid(path, &kind, &format!("{error} evaluating rule: {shown}")))
            }
        }
    }

    fn violation(&self, node: &Node, path: &Path<'_>, value: &Value) -> FieldError {
        let path = match self.field_path.trim_start_matches('.') {
            "" => path.to_string(),
            field => Path::Field(path, field).to_string(),
        };
        let detail =
            if self.message.is_empty() { format!("failed rule: {}", self.source) } else { self.message.clone() };
        let is_composite = matches!(node.kind.as_deref(), Some("object" | "array"));
        match self.reason.as_str() {
            "FieldValueForbidden" => FieldError::forbidden(&path, &detail),
            "FieldValueRequired" => FieldError::required(&path, &detail),
            "FieldValueDuplicate" if is_composite => FieldError::duplicate_omitted(&path),
            "FieldValueDuplicate" => FieldError::duplicate(&path, value),
            _ if is_composite => FieldError::invalid_omitted(&path, &detail),
            _ => FieldError::invalid(&path, value, &detail),
        }
    }
}

/// Whether a rule compares with the value before: outside of a string literal, the word can mean nothing else.
fn mentions_old(source: &str) -> bool {
    source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == "oldSelf")
}

/// Evaluates the rules on `new` and everything in it, with their counterparts in `old`.
pub(super) fn check(root: &Node, new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    walk(root, &Path::Root, Scope { this: new, old }, false, errors);
}

/// `is_unchanged`: an enclosing value equals its old one, which forgives all but transition rules.
fn walk(node: &Node, path: &Path<'_>, scope: Scope<'_>, is_unchanged: bool, errors: &mut Vec<FieldError>) {
    if scope.this.is_null() {
        return;
    }
    let is_unchanged = is_unchanged || scope.old == Some(scope.this);
    for rule in &node.rules {
        if rule.is_transition || !is_unchanged {
            errors.extend(rule.error(node, path, scope));
        }
    }
    match scope.this {
        Value::Object(map) => {
            for (key, this) in map {
                let Some(schema) = node.property(key) else { continue };
                let child = Scope { this, old: scope.old.and_then(|old| old.get(key)) };
                walk(schema, &node.child_path(path, key), child, is_unchanged, errors);
            }
        }
        Value::Array(items) => {
            let Some(schema) = &node.items else { return };
            let old = scope.old.and_then(Value::as_array);
            for (index, this) in items.iter().enumerate() {
                let counterpart = match &node.list_type {
                    ListType::Map(keys) => old.and_then(|old| old.iter().find(|old| lists::same_keys(keys, old, this))),
                    ListType::Atomic | ListType::Set => None,
                };
                let child = Scope { this, old: counterpart };
                walk(schema, &Path::Index(path, index), child, is_unchanged, errors);
            }
        }
        _ => {}
    }
}
