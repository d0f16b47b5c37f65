//! Paths into an object, and sets of them in the notation of fieldsV1 (`f:` field, `k:` key, `v:` value).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// A field of an object.
    Field(String),
    /// An element of a list-map, by the JSON of its key fields.
    Key(String),
    /// An element of a set, by its JSON.
    Value(String),
}

/// How the elements of a list are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    /// Not at all: the list has one owner.
    Atomic,
    /// By their value.
    Set,
    /// By these fields.
    Map(&'static [&'static str]),
}

impl ListKind {
    /// The kind of the list in `field`, by the `listType` markers of `k8s.io/api`; elements without all their keys
    /// make it atomic, so that a list of the same name elsewhere is not mistaken.
    pub(super) fn of(field: &str, items: &[Value]) -> Self {
        let keys: &'static [&'static str] = match field {
            "finalizers" => return Self::Set,
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "env"
            | "volumes"
            | "imagePullSecrets"
            | "schedulingGates"
            | "resourceClaims" => &["name"],
            "ports" if items.iter().any(|port| port.get("containerPort").is_some()) => &["containerPort", "protocol"],
            "ports" => &["port", "protocol"],
            "conditions" => &["type"],
            "ownerReferences" => &["uid"],
            "volumeMounts" => &["mountPath"],
            "volumeDevices" => &["devicePath"],
            "hostAliases" | "podIPs" | "hostIPs" => &["ip"],
            "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
            _ => return Self::Atomic,
        };
        let is_keyed = |item: &Value| keys.iter().all(|key| key_value(item, key).is_some());
        if items.iter().all(is_keyed) { Self::Map(keys) } else { Self::Atomic }
    }
}

/// Objects that have one owner (`x-kubernetes-map-type: atomic`).
pub(super) fn is_atomic_map(field: &str) -> bool {
    matches!(field, "selector" | "nodeSelector" | "secretKeyRef" | "configMapKeyRef" | "fieldRef" | "scaleTargetRef")
}

/// A port's protocol is part of its key even where it is left to its default.
fn key_value(item: &Value, key: &str) -> Option<Value> {
    item.get(key).cloned().or_else(|| (key == "protocol" && item.is_object()).then(|| json!("TCP")))
}

/// The JSON of an element's key fields.
pub(super) fn key_of(keys: &[&str], item: &Value) -> String {
    let pairs = keys.iter().filter_map(|key| Some(((*key).to_owned(), key_value(item, key)?)));
    Value::Object(pairs.collect()).to_string()
}

/// What of an applied object can be owned: no nulls, no status of a server's own making.
pub(super) fn configuration(patch: &Value) -> Value {
    let mut config = without_nulls(patch);
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in ["managedFields", "creationTimestamp", "generation", "selfLink"] {
            metadata.remove(key);
        }
    }
    config
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet(BTreeSet<Vec<Element>>);

impl FieldSet {
    /// The fields of `object` that have owners: all but its identity.
    pub(super) fn of(object: &Value) -> Self {
        let mut set = Self::default();
        for (key, value) in object.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("apiVersion" | "kind", _) => {}
                ("metadata", Value::Object(metadata)) => {
                    for (name, value) in metadata.iter().filter(|(name, _)| !is_identity(name)) {
                        set.collect(vec![Element::Field(key.clone()), Element::Field(name.clone())], value, name);
                    }
                }
                _ => set.collect(vec![Element::Field(key.clone())], value, key),
            }
        }
        set
    }

    fn collect(&mut self, path: Vec<Element>, value: &Value, field: &str) {
        let child = |element: Element| path.iter().cloned().chain([element]).collect::<Vec<_>>();
        match value {
            Value::Object(map) if !map.is_empty() && !is_atomic_map(field) => {
                for (key, value) in map {
                    self.collect(child(Element::Field(key.clone())), value, key);
                }
            }
            Value::Array(items) if !items.is_empty() => match ListKind::of(field, items) {
                ListKind::Atomic => {
                    self.0.insert(path);
                }
                ListKind::Set => self.0.extend(items.iter().map(|item| child(Element::Value(item.to_string())))),
                ListKind::Map(keys) => {
                    for item in items {
                        let path = child(Element::Key(key_of(keys, item)));
                        self.0.insert(path.clone());
                        self.collect(path, item, "");
                    }
                }
            },
            _ => {
                self.0.insert(path);
            }
        }
    }

    /// The paths, parents before children.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Vec<Element>> {
        self.0.iter()
    }

    pub(super) fn contains(&self, path: &[Element]) -> bool {
        self.0.contains(path)
    }

    /// Whether the set holds `path` or something inside it.
    pub(super) fn covers(&self, path: &[Element]) -> bool {
        self.0.range(path.to_vec()..).next().is_some_and(|next| next.starts_with(path))
    }

    pub(super) fn remove(&mut self, path: &[Element]) {
        self.0.remove(path);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads fieldsV1.
    pub(super) fn from_fields_v1(fields: &Value) -> Self {
        let mut set = Self::default();
        set.read(&[], fields);
        set
    }

    fn read(&mut self, path: &[Element], fields: &Value) {
        let Some(map) = fields.as_object() else { return };
        if !path.is_empty() && (map.is_empty() || map.contains_key(".")) {
            self.0.insert(path.to_vec());
        }
        for (key, inner) in map {
            let element = match key.split_at_checked(2) {
                Some(("f:", name)) => Element::Field(name.to_owned()),
                Some(("k:", keys)) => Element::Key(keys.to_owned()),
                Some(("v:", value)) => Element::Value(value.to_owned()),
                _ => continue,
            };
            let path: Vec<Element> = path.iter().cloned().chain([element]).collect();
            self.read(&path, inner);
        }
    }

    /// Writes fieldsV1.
    pub(super) fn to_fields_v1(&self) -> Value {
        let mut root = json!({});
        for path in &self.0 {
            let mut at = &mut root;
            for element in path {
                let key = match element {
                    Element::Field(name) => format!("f:{name}"),
                    Element::Key(keys) => format!("k:{keys}"),
                    Element::Value(value) => format!("v:{value}"),
                };
                // A path comes before those inside it: an empty object met on the way stands for one.
                at = &mut at[key];
            }
            *at = json!({".": {}});
        }
        collapse(&mut root);
        root
    }
}

/// `{".": {}}` with nothing beside it is written `{}`.
fn collapse(fields: &mut Value) {
    let Some(map) = fields.as_object_mut() else { return };
    if map.len() == 1 && map.contains_key(".") {
        map.clear();
    }
    for (_, inner) in map.iter_mut() {
        collapse(inner);
    }
}

/// Metadata that nobody owns.
fn is_identity(name: &str) -> bool {
    matches!(
        name,
        "name"
            | "namespace"
            | "generateName"
            | "uid"
            | "resourceVersion"
            | "generation"
            | "creationTimestamp"
            | "deletionTimestamp"
            | "deletionGracePeriodSeconds"
            | "selfLink"
            | "managedFields"
    )
}

/// Whether `path` is a key field of a list-map's element: as long as the element stays, so does its key.
pub(super) fn is_key_field(path: &[Element]) -> bool {
    match path {
        [.., Element::Key(keys), Element::Field(name)] => {
            serde_json::from_str::<Map<String, Value>>(keys).is_ok_and(|keys| keys.contains_key(name))
        }
        _ => false,
    }
}

/// The value at `path`.
pub(super) fn find<'a>(object: &'a Value, path: &[Element]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, element| match element {
        Element::Field(name) => value.get(name),
        Element::Key(_) | Element::Value(_) => value.as_array()?.iter().find(|item| is_element(item, element)),
    })
}

/// Removes the value at `path`, if it is there.
pub(super) fn remove(object: &mut Value, path: &[Element]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = object;
    for element in parents {
        let next = match element {
            Element::Field(name) => at.get_mut(name),
            Element::Key(_) | Element::Value(_) => {
                at.as_array_mut().and_then(|items| items.iter_mut().find(|item| is_element(item, element)))
            }
        };
        let Some(next) = next else { return };
        at = next;
    }
    match (last, at) {
        (Element::Field(name), Value::Object(map)) => {
            map.remove(name);
        }
        (element, Value::Array(items)) => items.retain(|item| !is_element(item, element)),
        _ => {}
    }
}

fn is_element(item: &Value, element: &Element) -> bool {
    match element {
        Element::Field(_) => false,
        Element::Value(value) => serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item),
        Element::Key(keys) => serde_json::from_str::<Map<String, Value>>(keys)
            .is_ok_and(|keys| keys.iter().all(|(key, value)| key_value(item, key).as_ref() == Some(value))),
    }
}

/// A path as conflicts show it.
pub(super) fn display(path: &[Element]) -> String {
    let mut text = String::new();
    for element in path {
        match element {
            Element::Field(name) => text.extend([".", name]),
            Element::Value(value) => text.extend(["[=", value, "]"]),
            Element::Key(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                text.extend(["[", &pairs.join(","), "]"]);
            }
        }
    }
    text
}
