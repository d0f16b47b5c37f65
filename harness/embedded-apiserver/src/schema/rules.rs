//! `x-kubernetes-validations`: where rules are evaluated, and what they report.
//!
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`.

use serde_json::Value;

use super::{
    cel::{Bindings, LIMIT_EXCEEDED, NO_OVERLOAD},
    error::FieldError,
    lists,
    node::{ListType, Node},
    path::Path,
    rule::Rule,
    value,
};

/// The longest text of a `messageExpression`, in bytes (`k8s.io/apiserver/pkg/apis/cel`).
const MAX_MESSAGE_BYTES: usize = 5_120;

/// A value under validation, and the one in its place before.
#[derive(Clone, Copy)]
struct Scope<'a> {
    this: &'a Value,
    old: Option<&'a Value>,
}

impl Scope<'_> {
    /// As expressions see them.
    fn values(&self, node: &Node) -> (kube_cel::cel::Value, Option<kube_cel::cel::Value>) {
        (value::of(self.this, Some(node)), self.old.map(|old| value::of(old, Some(node))))
    }
}

/// What the rule says of the value in `scope` at `path`: `None` if it holds or does not apply.
fn error(rule: &Rule, node: &Node, path: &Path<'_>, scope: Scope<'_>) -> Option<FieldError> {
    if rule.is_transition && scope.old.is_none() && !rule.has_optional_old {
        return None;
    }
    if rule.is_identity && scope.old == Some(scope.this) {
        return None;
    }
    let (this, old) = scope.values(node);
    let bindings = if rule.has_optional_old { Bindings::with_optional(this, old) } else { Bindings::new(this, old) };
    let shown = if rule.message.is_empty() { &rule.source } else { &rule.message };
    let detail = match rule.expression.truth(&bindings) {
        Ok(true) => return None,
        Ok(false) => return Some(violation(rule, node, path, scope)),
        Err(error) if error.starts_with(NO_OVERLOAD) => format!(
            "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {shown}"
        ),
        Err(error) if error.starts_with(LIMIT_EXCEEDED) => format!(
            "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}"
        ),
        Err(error) => format!("{error} evaluating rule: {shown}"),
    };
    let kind = Value::String(node.kind.clone().unwrap_or_default());
    Some(FieldError::invalid(path, &kind, &detail))
}

/// The text that a violation is reported with.
fn detail(rule: &Rule, node: &Node, scope: Scope<'_>) -> String {
    let evaluated = rule.message_expression.as_ref().and_then(|expression| {
        let (this, old) = scope.values(node);
        let text = expression.text(&Bindings::new(this, old))?.trim().to_owned();
        (!text.is_empty() && text.len() <= MAX_MESSAGE_BYTES && !text.contains('\n')).then_some(text)
    });
    match evaluated {
        Some(text) => text,
        None if rule.message.is_empty() => format!("failed rule: {}", rule.source),
        None => rule.message.clone(),
    }
}

fn violation(rule: &Rule, node: &Node, path: &Path<'_>, scope: Scope<'_>) -> FieldError {
    let path = match rule.field_path.trim_start_matches('.') {
        "" => path.to_string(),
        field => Path::Field(path, field).to_string(),
    };
    let detail = detail(rule, node, scope);
    let is_composite = matches!(node.kind.as_deref(), Some("object" | "array"));
    match rule.reason.as_str() {
        "FieldValueForbidden" => FieldError::forbidden(&path, &detail),
        "FieldValueRequired" => FieldError::required(&path, &detail),
        "FieldValueDuplicate" if is_composite => FieldError::duplicate_omitted(&path),
        "FieldValueDuplicate" => FieldError::duplicate(&path, scope.this),
        _ if is_composite => FieldError::invalid_omitted(&path, &detail),
        _ => FieldError::invalid(&path, scope.this, &detail),
    }
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
            errors.extend(error(rule, node, path, scope));
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
