//! `metadata.managedFields`: who owns which fields.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{Element, FieldSet};

/// One entry of managedFields.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) manager: String,
    operation: String,
    api_version: String,
    pub(super) time: String,
    subresource: Option<String>,
    pub(super) fields: FieldSet,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Managed(Vec<Owner>);

/// A time as metadata carries it.
pub(super) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Owner {
    pub(super) fn applier(manager: &str, subresource: &str, api_version: &str, time: String, fields: FieldSet) -> Self {
        let operation = "Apply".to_owned();
        let (manager, api_version) = (manager.to_owned(), api_version.to_owned());
        let subresource = Some(subresource.to_owned()).filter(|subresource| !subresource.is_empty());
        Self { manager, operation, api_version, time, subresource, fields }
    }

    fn from_entry(entry: &Value) -> Self {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            manager: text("manager").unwrap_or_default(),
            operation: text("operation").unwrap_or_default(),
            api_version: text("apiVersion").unwrap_or_default(),
            time: text("time").unwrap_or_default(),
            subresource: text("subresource"),
            fields: entry.get("fieldsV1").map(FieldSet::from_fields_v1).unwrap_or_default(),
        }
    }

    fn to_entry(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_fields_v1(),
        });
        if let (Some(subresource), Some(map)) = (&self.subresource, entry.as_object_mut()) {
            map.insert("subresource".to_owned(), json!(subresource));
        }
        entry
    }
}

impl Managed {
    /// Takes managedFields out of `object`. All fields of an object that has none belong to `before-first-apply`,
    /// its status excepted, which other endpoints own.
    pub(super) fn take_from(object: &mut Value, now: Timestamp) -> Self {
        let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
        let entries = metadata.and_then(|metadata| metadata.remove("managedFields"));
        let owners: Vec<Owner> =
            entries.as_ref().and_then(Value::as_array).into_iter().flatten().map(Owner::from_entry).collect();
        let mut owned = object.clone();
        if let Some(map) = owned.as_object_mut() {
            map.remove("status");
        }
        let fields = FieldSet::of(&owned);
        if !owners.is_empty() || fields.is_empty() {
            return Self(owners);
        }
        let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let operation = "Update".to_owned();
        Self(vec![Owner { operation, ..Owner::applier("before-first-apply", "", api_version, seconds(now), fields) }])
    }

    /// Takes out what `manager` applied to `subresource` before.
    pub(super) fn take_applier(&mut self, manager: &str, subresource: &str) -> Option<Owner> {
        let is_applier = |owner: &Owner| {
            (&*owner.manager, &*owner.operation) == (manager, "Apply")
                && owner.subresource.as_deref().unwrap_or_default() == subresource
        };
        let at = self.0.iter().position(is_applier)?;
        Some(self.0.remove(at))
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.0.iter()
    }

    /// Takes `path` from everybody.
    pub(super) fn release(&mut self, path: &[Element]) {
        for owner in &mut self.0 {
            owner.fields.remove(path);
        }
    }

    pub(super) fn add(&mut self, owner: Owner) {
        self.0.push(owner);
    }

    /// Writes managedFields into `object`: appliers first, then by time, name and subresource; who owns nothing is left out.
    pub(super) fn write_into(mut self, object: &mut Value) {
        self.0.retain(|owner| !owner.fields.is_empty());
        self.0.sort_by(|one, other| {
            let Owner { operation, time, manager, subresource, .. } = one;
            let other = (&other.operation, &other.time, &other.manager, &other.subresource);
            (operation, time, manager, subresource).cmp(&other)
        });
        let entries: Vec<Value> = self.0.iter().map(Owner::to_entry).collect();
        if let (false, Some(map)) = (entries.is_empty(), object.as_object_mut()) {
            let metadata = map.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("managedFields".to_owned(), Value::Array(entries));
            }
        }
    }
}
