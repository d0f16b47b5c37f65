//! The two patch types that merge: JSON merge patch and strategic merge patch.

mod keys;
#[cfg(test)]
mod tests;

use keys::ListStrategy;
use serde_json::{Map, Value};

/// Applies a JSON merge patch (RFC 7396): objects merge, null removes, everything else replaces.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    json_patch::merge(target, patch);
}

/// Applies a strategic merge patch, which knows by which key the lists of built-in resources merge.
///
/// Follows `k8s.io/apimachinery/pkg/util/strategicpatch` with the `patchStrategy` tags of `k8s.io/api`: the
/// directives `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/<list>` and `$setElementOrder/<list>`. A list that
/// is not known to merge is replaced.
pub(super) fn strategic_merge(target: &mut Value, patch: &Value) {
    merge_value(target, patch, "");
}

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";

/// Merges `patch` into `target`; `parent` is the field that holds them, empty at the root.
fn merge_value(target: &mut Value, patch: &Value, parent: &str) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    let map = match target {
        Value::Object(map) => map,
        other => {
            *other = Value::Object(Map::new());
            match other.as_object_mut() {
                Some(map) => map,
                None => return,
            }
        }
    };
    merge_object(map, patch, parent);
}

fn merge_object(target: &mut Map<String, Value>, patch: &Map<String, Value>, parent: &str) {
    match patch.get(PATCH).and_then(Value::as_str) {
        Some("delete") => return target.clear(),
        Some("replace") => {
            *target = without_directives(patch);
            return;
        }
        _ => {}
    }
    if let Some(kept) = patch.get(RETAIN_KEYS).and_then(Value::as_array) {
        target.retain(|key, _| kept.iter().any(|kept| kept == key.as_str()));
    }
    let orders_before = element_orders(target, patch);
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        merge_field(target, key, value, parent);
    }
    // What is to be deleted goes, even if the same patch names it among the values to be there.
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE_FROM) {
            remove_primitives(target, list, value);
        }
    }
    for (list, before) in orders_before {
        let order = patch.get(&format!("{ELEMENT_ORDER}{list}")).and_then(Value::as_array);
        if let (Some(order), Some(Value::Array(items))) = (order, target.get_mut(&list)) {
            let strategy = ListStrategy::of(parent, &list, order, items);
            reorder(items, order, &before, strategy);
        }
    }
}

fn merge_field(target: &mut Map<String, Value>, key: &str, value: &Value, parent: &str) {
    match (target.get_mut(key), value) {
        (_, Value::Null) => {
            target.remove(key);
        }
        (Some(existing @ Value::Object(_)), Value::Object(_)) => merge_value(existing, value, key),
        (Some(Value::Array(items)), Value::Array(patch)) => merge_list(items, patch, parent, key),
        (_, value) => {
            target.insert(key.to_owned(), cleaned(value));
        }
    }
}

fn merge_list(items: &mut Vec<Value>, patch: &[Value], parent: &str, list: &str) {
    let has_directive = |item: &Value, directive: &str| item.get(PATCH).is_some_and(|found| found == directive);
    if patch.iter().any(|item| has_directive(item, "replace")) {
        *items = patch.iter().filter(|item| item.get(PATCH).is_none()).map(cleaned).collect();
        return;
    }
    let before = items.clone();
    let strategy = ListStrategy::of(parent, list, patch, items);
    match strategy {
        ListStrategy::Replace => *items = patch.iter().map(cleaned).collect(),
        ListStrategy::Primitives => {
            for item in patch {
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
        }
        ListStrategy::Key(key) => {
            for item in patch {
                let existing = items.iter_mut().find(|existing| same(existing, item, key));
                match (existing, has_directive(item, "delete")) {
                    (_, true) => items.retain(|existing| !same(existing, item, key)),
                    (Some(existing), false) => merge_value(existing, item, list),
                    (None, false) => items.push(cleaned(item)),
                }
            }
        }
    }
    if strategy != ListStrategy::Replace {
        reorder(items, patch, &before, strategy);
    }
}

/// Whether two elements are the same one, by their merge key.
fn same(one: &Value, other: &Value, key: &str) -> bool {
    one.get(key).is_some_and(|value| other.get(key) == Some(value))
}

fn remove_primitives(target: &mut Map<String, Value>, list: &str, removed: &Value) {
    if let (Some(Value::Array(items)), Some(removed)) = (target.get_mut(list), removed.as_array()) {
        items.retain(|item| !removed.contains(item));
    }
}

/// The lists that `patch` orders, each with what stood in it before.
fn element_orders(target: &Map<String, Value>, patch: &Map<String, Value>) -> Vec<(String, Vec<Value>)> {
    let lists = patch.keys().filter_map(|key| key.strip_prefix(ELEMENT_ORDER));
    lists
        .map(|list| {
            let before = target.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
            (list.to_owned(), before)
        })
        .collect()
}

/// Puts the elements that `order` names into that order; the others keep their place relative to what stood there
/// `before`.
fn reorder(items: &mut Vec<Value>, order: &[Value], before: &[Value], strategy: ListStrategy) {
    let is_same = |one: &Value, other: &Value| match strategy {
        ListStrategy::Key(key) => same(one, other, key),
        ListStrategy::Primitives | ListStrategy::Replace => one == other,
    };
    let place = |list: &[Value], item: &Value| list.iter().position(|other| is_same(other, item));
    let (mut ordered, others): (Vec<Value>, Vec<Value>) =
        items.drain(..).partition(|item| place(order, item).is_some());
    ordered.sort_by_key(|item| place(order, item));
    let mut ordered = ordered.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    // Ordered ones go first, unless both stood in the list before and the other one was ahead.
    while let (Some(next), Some(other)) = (ordered.peek(), others.peek()) {
        let other_is_ahead = place(before, other).zip(place(before, next)).is_some_and(|(other, next)| other < next);
        let taken = if other_is_ahead { others.next() } else { ordered.next() };
        items.extend(taken);
    }
    items.extend(ordered);
    items.extend(others);
}

/// A value that has no counterpart in the target: its directives and nulls mean nothing there.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_directives(map)),
        Value::Array(items) => {
            let is_marker = |item: &Value| item.get(PATCH).is_some_and(|found| found == "delete" || found == "replace");
            let kept = items.iter().filter(|item| !is_marker(item));
            Value::Array(kept.map(cleaned).collect())
        }
        other => other.clone(),
    }
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    let is_directive = |key: &str| {
        key == PATCH || key == RETAIN_KEYS || key.starts_with(DELETE_FROM) || key.starts_with(ELEMENT_ORDER)
    };
    map.iter()
        .filter(|(key, value)| !is_directive(key) && !value.is_null())
        .map(|(key, value)| (key.clone(), cleaned(value)))
        .collect()
}
