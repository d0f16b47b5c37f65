//! Server-side apply: each manager states the fields it wants, and owns them.
//!
//! Follows the Kubernetes documentation of server-side apply and `sigs.k8s.io/structured-merge-diff`, without
//! schemas: objects are granular, and a list is atomic unless `fields` knows its keys by name. Ownership comes only
//! from earlier applies; an object without any is owned by `before-first-apply`, as in a real server.

mod fields;
mod managed;
#[cfg(test)]
mod tests;

use std::fmt;

use fields::{Element, FieldSet, ListKind};
use jiff::Timestamp;
use managed::{Managed, Owner};
use serde_json::{Map, Value, json};

/// A field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Conflict {
    /// The other manager's name.
    pub(super) manager: String,
    /// The field's path, such as `.spec.replicas` or `.spec.containers[name="a"].image`.
    pub(super) field: String,
}

impl fmt::Display for Conflict {
    /// The message of a cause with the reason `FieldManagerConflict`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conflict with {:?}", self.manager)
    }
}

/// The message of the 409 Status that answers `conflicts`.
pub(super) fn conflict_message(conflicts: &[Conflict]) -> String {
    let mut managers: Vec<&str> = conflicts.iter().map(|conflict| conflict.manager.as_str()).collect();
    managers.sort_unstable();
    managers.dedup();
    let of = |manager: &str| -> String {
        let mut fields: Vec<&str> =
            conflicts.iter().filter(|c| c.manager == manager).map(|c| c.field.as_str()).collect();
        fields.sort_unstable();
        match fields.as_slice() {
            [only] => format!("conflict with {manager:?}: {only}"),
            several => format!("conflicts with {manager:?}:\n- {}", several.join("\n- ")),
        }
    };
    let texts: Vec<String> = managers.into_iter().map(of).collect();
    let unit = if conflicts.len() == 1 { "conflict" } else { "conflicts" };
    format!("Apply failed with {} {unit}: {}", conflicts.len(), texts.join("\n"))
}

/// Applies the configuration `patch` in the name of `manager`, at the endpoint of `subresource` (empty for the object's own),
/// to `existing` (`None` creates) and returns the object to store, managedFields included. At another endpoint the same
/// manager is another owner.
///
/// Fields that the manager applied before and no longer states are removed unless somebody else owns them. Applying
/// the same again changes nothing, managedFields' times included.
///
/// # Errors
/// Without `force`, every stated field that another manager owns with another value; with it, they change hands.
pub(super) fn server_side_apply(
    existing: Option<&Value>,
    patch: &Value,
    (manager, subresource): (&str, &str),
    force: bool,
    now: Timestamp,
) -> Result<Value, Vec<Conflict>> {
    let config = fields::configuration(patch);
    let stated = FieldSet::of(&config);
    let mut live = existing.cloned().unwrap_or_else(|| json!({}));
    let mut managed = Managed::take_from(&mut live, now);
    let mine = managed.take_applier(manager, subresource);

    let mut merged = live.clone();
    merge(&mut merged, &config, "");
    let contested = contested(&managed, &stated, &live, &merged);
    if !force && !contested.is_empty() {
        return Err(contested.into_iter().map(|(conflict, _)| conflict).collect());
    }
    for (_, path) in &contested {
        managed.release(path);
    }
    if let Some(mine) = &mine {
        remove_dropped(&mut merged, &mine.fields, &stated, &managed);
    }
    let is_same = merged == live && mine.as_ref().is_some_and(|mine| mine.fields == stated);
    let time = mine.filter(|_| is_same).map_or_else(|| managed::seconds(now), |mine| mine.time);
    let api_version = config.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    managed.add(Owner::applier(manager, subresource, api_version, time, stated));
    managed.write_into(&mut merged);
    Ok(merged)
}

type Path = Vec<Element>;

/// The stated fields whose value would change although another manager owns them.
fn contested(managed: &Managed, stated: &FieldSet, live: &Value, merged: &Value) -> Vec<(Conflict, Path)> {
    let mut contested = Vec::new();
    for path in stated.paths() {
        let (before, after) = (fields::find(live, path), fields::find(merged, path));
        let is_item = matches!(path.last(), Some(Element::Key(_) | Element::Value(_)));
        if is_item || before == after {
            continue;
        }
        for owner in managed.owners().filter(|owner| owner.fields.contains(path)) {
            let conflict = Conflict { manager: owner.manager.clone(), field: fields::display(path) };
            contested.push((conflict, path.clone()));
        }
    }
    contested
}

/// Merges a configuration: granular objects and keyed lists merge, the rest is replaced.
fn merge(target: &mut Value, config: &Value, field: &str) {
    match (target, config) {
        (Value::Object(target), Value::Object(config)) if !fields::is_atomic_map(field) => {
            merge_object(target, config);
        }
        (Value::Array(target), Value::Array(config)) => match ListKind::of(field, config) {
            ListKind::Atomic => target.clone_from(config),
            ListKind::Set => {
                let missing: Vec<Value> = config.iter().filter(|item| !target.contains(item)).cloned().collect();
                target.extend(missing);
            }
            ListKind::Map(keys) => {
                for item in config {
                    let key = fields::key_of(keys, item);
                    match target.iter_mut().find(|existing| fields::key_of(keys, existing) == key) {
                        Some(existing) => merge(existing, item, ""),
                        None => target.push(item.clone()),
                    }
                }
            }
        },
        (target, config) => *target = config.clone(),
    }
}

fn merge_object(target: &mut Map<String, Value>, config: &Map<String, Value>) {
    for (key, value) in config {
        match target.get_mut(key) {
            Some(existing) => merge(existing, value, key),
            None => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Removes what the manager stated before, states no longer, and nobody else owns.
fn remove_dropped(object: &mut Value, before: &FieldSet, stated: &FieldSet, managed: &Managed) {
    for path in before.paths().filter(|path| !stated.covers(path)) {
        let is_owned = managed.owners().any(|owner| owner.fields.covers(path));
        if !is_owned && !fields::is_key_field(path) {
            fields::remove(object, path);
        }
    }
    // Typed metadata drops its empty maps when it is encoded.
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
        metadata.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    }
}
