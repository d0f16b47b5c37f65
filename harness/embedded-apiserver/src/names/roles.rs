//! Roles and Bindings: `k8s.io/kubernetes/pkg/apis/rbac/validation`.

use serde_json::{Value, json};

use super::errors::{invalid, not_supported, required};
use crate::schema::FieldError;

const GROUP: &str = "rbac.authorization.k8s.io";

/// What is wrong with an object of the group's resource `plural`.
pub(super) fn validate(plural: &str, object: &Value, errors: &mut Vec<FieldError>) {
    let of_cluster = plural.starts_with("cluster");
    if plural.ends_with("bindings") {
        return binding(object, of_cluster, errors);
    }
    for (number, rule) in list(object, "rules").iter().enumerate() {
        self::rule(rule, &format!("rules[{number}]"), of_cluster, errors);
    }
}

/// The error of a Binding that is to bind another role.
pub(crate) fn moved(existing: &Value, object: &Value) -> Option<FieldError> {
    let (old, new) = (existing.get("roleRef")?, object.get("roleRef")?);
    // As Go shows a struct that has no names of its own.
    let shown = json!({"APIGroup": text(new, "apiGroup"), "Kind": text(new, "kind"), "Name": text(new, "name")});
    (old != new).then(|| invalid("roleRef", &shown, "cannot change roleRef"))
}

fn rule(rule: &Value, at: &str, of_cluster: bool, errors: &mut Vec<FieldError>) {
    let is_empty = |key| list(rule, key).is_empty();
    if is_empty("verbs") {
        errors.push(required(format!("{at}.verbs"), "verbs must contain at least one value"));
    }
    if !is_empty("nonResourceURLs") {
        let (field, value) = (format!("{at}.nonResourceURLs"), &rule["nonResourceURLs"]);
        if !of_cluster {
            errors.push(invalid(field.clone(), value, "namespaced rules cannot apply to non-resource URLs"));
        }
        if !(is_empty("apiGroups") && is_empty("resources") && is_empty("resourceNames")) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(invalid(field, value, detail));
        }
        return;
    }
    for (key, what) in [("apiGroups", "api group"), ("resources", "resource")] {
        if is_empty(key) {
            errors.push(required(format!("{at}.{key}"), &format!("resource rules must supply at least one {what}")));
        }
    }
}

fn binding(binding: &Value, of_cluster: bool, errors: &mut Vec<FieldError>) {
    let role = &binding["roleRef"];
    if text(role, "apiGroup") != GROUP {
        errors.push(not_supported("roleRef.apiGroup", text(role, "apiGroup"), &[GROUP]));
    }
    let kinds: &[&str] = if of_cluster { &["ClusterRole"] } else { &["Role", "ClusterRole"] };
    if !kinds.contains(&text(role, "kind")) {
        errors.push(not_supported("roleRef.kind", text(role, "kind"), kinds));
    }
    if text(role, "name").is_empty() {
        errors.push(required("roleRef.name", ""));
    }
    for (number, subject) in list(binding, "subjects").iter().enumerate() {
        let (at, group) = (format!("subjects[{number}]"), text(subject, "apiGroup"));
        if text(subject, "name").is_empty() {
            errors.push(required(format!("{at}.name"), ""));
        }
        match text(subject, "kind") {
            "ServiceAccount" => {
                if !group.is_empty() {
                    errors.push(not_supported(format!("{at}.apiGroup"), group, &[""]));
                }
                if of_cluster && text(subject, "namespace").is_empty() {
                    errors.push(required(format!("{at}.namespace"), ""));
                }
            }
            "User" | "Group" if group != GROUP => {
                errors.push(not_supported(format!("{at}.apiGroup"), group, &[GROUP]));
            }
            "User" | "Group" => {}
            other => {
                errors.push(not_supported(format!("{at}.kind"), other, &["ServiceAccount", "User", "Group"]));
            }
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
