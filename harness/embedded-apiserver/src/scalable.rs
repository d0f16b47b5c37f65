//! Where the parts of a Scale are in an object.

use serde_json::{Value, json};

use super::object;

/// Where a resource keeps what its scale is about. JSON pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalable {
    pub(super) wanted: String,
    present: String,
    /// The selector, as an object or as a text.
    selector: Option<String>,
}

impl Scalable {
    /// As all scalable built-in resources keep it.
    pub(super) fn built_in() -> Self {
        let selector = Some("/spec/selector".to_owned());
        Self { wanted: "/spec/replicas".to_owned(), present: "/status/replicas".to_owned(), selector }
    }

    /// `subresources.scale` of a CustomResourceDefinition's version.
    pub(super) fn custom(paths: &Value) -> Self {
        let pointer = |key: &str| paths.get(key).and_then(Value::as_str).map(|path| path.replace('.', "/"));
        Self {
            wanted: pointer("specReplicasPath").unwrap_or_default(),
            present: pointer("statusReplicasPath").unwrap_or_default(),
            selector: pointer("labelSelectorPath"),
        }
    }

    /// The Scale of `object`.
    pub(super) fn read(&self, object: &Value) -> Value {
        let metadata = &object["metadata"];
        let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
        let selector = self.selector.as_deref().and_then(|pointer| object.pointer(pointer)).map_or("".into(), written);
        let mut spec = json!({});
        if count(&self.wanted) != 0 {
            spec["replicas"] = count(&self.wanted).into();
        }
        let mut status = json!({"replicas": count(&self.present)});
        if !selector.is_empty() {
            status["selector"] = selector.into();
        }
        json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
            },
            "spec": spec,
            "status": status,
        })
    }

    pub(super) fn write(&self, object: &mut Value, replicas: i64) {
        let mut at = object;
        for step in self.wanted.split('/').filter(|step| !step.is_empty()) {
            at = object::map_mut(at).entry(step).or_insert(Value::Null);
        }
        *at = replicas.into();
    }
}

/// A label selector in the form of a query: a text as it is, a map of labels, or `matchLabels` with `matchExpressions`.
fn written(selector: &Value) -> String {
    let Some(map) = selector.as_object() else { return selector.as_str().unwrap_or("").to_owned() };
    let is_plain = !map.contains_key("matchLabels") && !map.contains_key("matchExpressions");
    let labels = if is_plain { Some(map) } else { map.get("matchLabels").and_then(Value::as_object) };
    let labels = labels.into_iter().flatten();
    let mut terms: Vec<(&str, String)> =
        labels.filter_map(|(key, value)| Some((key.as_str(), format!("{key}={}", value.as_str()?)))).collect();
    for expression in map.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or("");
        let mut values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        };
        terms.push((key, term));
    }
    terms.sort_by_key(|(key, _)| *key);
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}
