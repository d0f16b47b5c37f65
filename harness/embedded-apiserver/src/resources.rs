//! What the server knows about each resource it serves, and the registry that finds it by path.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    discovery::ResourceDescription,
    scalable::Scalable,
    schema::Schema,
    table::{Column, columns_for},
};

/// The rule that names of a resource must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameRule {
    /// RFC 1123 subdomain: most resources.
    Subdomain,
    /// RFC 1123 label: namespaces.
    Label,
    /// RFC 1035 label: services.
    ServiceLabel,
    /// Anything that fits into a path segment: RBAC.
    PathSegment,
}

/// A field that a field selector may name.
#[derive(Clone, Debug)]
pub(super) struct SelectableField {
    /// As written in the selector, such as `spec.nodeName`.
    pub(super) label: String,
    /// The steps from the object's root.
    pub(super) path: Vec<String>,
    /// The value of an object without the field: a Go type's zero value.
    pub(super) absent: String,
}

impl SelectableField {
    pub(super) fn new(label: &str) -> Self {
        let path = label.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect();
        Self { label: label.trim_start_matches('.').to_owned(), path, absent: String::new() }
    }

    /// A field whose value is `absent` in an object without it.
    pub(super) fn or(label: &str, absent: &str) -> Self {
        Self { absent: absent.to_owned(), ..Self::new(label) }
    }
}

/// How far the server goes for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Objects are stored.
    Stored,
    /// Create-only: the answer is computed (reviews).
    Computed,
    /// Objects are there, and only read.
    ReadOnly,
}

/// One served version of one resource.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) list_kind: String,
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
    pub(super) namespaced: bool,
    pub(super) kept: Kept,
    /// Comes from a CustomResourceDefinition.
    pub(super) custom: bool,
    /// Has the status subresource.
    pub(super) status: bool,
    /// Has the scale subresource.
    pub(super) scale: Option<Scalable>,
    /// Further subresources, see [`super::subresource`].
    pub(super) subresources: &'static [&'static str],
    /// The server counts `metadata.generation`.
    pub(super) generation: bool,
    /// PUT without resourceVersion overwrites (`AllowUnconditionalUpdate`).
    pub(super) unconditional_update: bool,
    /// PUT of a name that does not exist creates it (`AllowCreateOnUpdate`).
    pub(super) create_on_update: bool,
    /// DELETE answers with the object, not with a Status (`ReturnDeletedObject`).
    pub(super) returns_deleted: bool,
    pub(super) names: NameRule,
    /// Beside `metadata.name` and `metadata.namespace`.
    pub(super) fields: Vec<SelectableField>,
    pub(super) schema: Option<Arc<Schema>>,
    pub(super) columns: Vec<Column>,
    /// Where the objects are, shared by all versions of the resource.
    pub(super) collection: usize,
}

impl Resource {
    /// A custom-resource-like description; the caller overrides what differs.
    pub(super) fn new(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            categories: Vec::new(),
            namespaced: true,
            kept: Kept::Stored,
            custom: false,
            status: false,
            scale: None,
            subresources: &[],
            generation: false,
            unconditional_update: true,
            create_on_update: false,
            returns_deleted: false,
            names: NameRule::Subdomain,
            fields: Vec::new(),
            schema: None,
            columns: columns_for(group, plural, None),
            collection: 0,
        }
    }

    /// One served version of a CustomResourceDefinition.
    pub(super) fn from_crd(crd: &Value, version: &Value) -> Option<Self> {
        let spec = crd.get("spec")?;
        let names = spec.get("names")?;
        let (group, kind, plural) = (text(spec, "group")?, text(names, "kind")?, text(names, "plural")?);
        let mut resource = Self::new(group, text(version, "name")?, kind, plural);
        if let Some(list_kind) = text(names, "listKind") {
            resource.list_kind = list_kind.to_owned();
        }
        if let Some(singular) = text(names, "singular") {
            resource.singular = singular.to_owned();
        }
        resource.short_names = texts(names, "shortNames");
        resource.categories = texts(names, "categories");
        resource.namespaced = text(spec, "scope") != Some("Cluster");
        resource.custom = true;
        resource.status = version.pointer("/subresources/status").is_some();
        resource.scale = version.pointer("/subresources/scale").map(Scalable::custom);
        resource.generation = true;
        resource.unconditional_update = false;
        resource.fields = version
            .get("selectableFields")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|field| text(field, "jsonPath"))
            .map(SelectableField::new)
            .collect();
        resource.schema = Some(Schema::shared(version));
        resource.columns = columns_for(group, plural, Some(version));
        Some(resource)
    }

    /// Whether it has the subresource at this path, beside status and scale.
    pub(super) fn has_subresource(&self, path: &str) -> bool {
        path.split('/').next().is_some_and(|name| self.subresources.contains(&name))
    }

    /// `plural.group`, as error messages name the resource.
    pub(super) fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    /// For discovery.
    pub(super) fn describe(&self) -> ResourceDescription {
        let verbs: &[&'static str] = match self.kept {
            Kept::Stored => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            Kept::Computed => &["create"],
            Kept::ReadOnly => &["get", "list"],
        };
        let mut subresources: Vec<&str> = self.subresources.to_vec();
        subresources.extend(self.scale.is_some().then_some("scale"));
        subresources.extend(self.status.then_some("status"));
        subresources.sort_unstable();
        ResourceDescription {
            group: self.group.clone(),
            version: self.version.clone(),
            plural: self.plural.clone(),
            singular: self.singular.clone(),
            kind: self.kind.clone(),
            short_names: self.short_names.clone(),
            namespaced: self.namespaced,
            verbs: verbs.to_vec(),
            subresources: subresources.into_iter().map(str::to_owned).collect(),
            categories: self.categories.clone(),
        }
    }
}

/// `plural.group`, or just `plural` for the core group.
pub(super) fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let items = value.get(key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// All resources served, by `group/version/plural`.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    resources: BTreeMap<String, Arc<Resource>>,
    collections: BTreeMap<String, usize>,
}

impl Registry {
    /// Serves `resource`, in the place of an older definition of the same version. Returns its collection.
    pub(super) fn add(&mut self, mut resource: Resource) -> usize {
        let next = self.collections.len();
        let collection = *self.collections.entry(resource.qualified()).or_insert(next);
        resource.collection = collection;
        let key = format!("{}/{}/{}", resource.group, resource.version, resource.plural);
        self.resources.insert(key, Arc::new(resource));
        collection
    }

    /// How many collections there are.
    pub(super) fn collections(&self) -> usize {
        self.collections.len()
    }

    /// Serves `group`'s `plural` no longer, in no version.
    pub(super) fn remove(&mut self, group: &str, plural: &str) {
        self.resources.retain(|_, resource| resource.group != group || resource.plural != plural);
    }

    /// The resource behind a path.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.get(&format!("{group}/{version}/{plural}"))
    }

    /// The resource of an object.
    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources.values().find(|resource| resource.kind == kind && resource.api_version == api_version)
    }

    /// Some version of the resource called `plural`, or `plural.group` where the plural is not unique.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Resource>> {
        let mut resources = self.resources.values();
        resources.find(|resource| {
            let rest = name.strip_prefix(resource.plural.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.') == Some(&resource.group))
        })
    }

    /// Some version of the resource whose objects are in `collection`.
    pub(super) fn of_collection(&self, collection: usize) -> Option<&Arc<Resource>> {
        self.resources.values().find(|resource| resource.collection == collection)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }
}

/// The status of a CustomResourceDefinition whose resource is served.
pub(super) fn established(crd: &Value, now: &str) -> Value {
    let versions: Vec<&Value> = crd.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten().collect();
    let stored: Vec<&Value> = versions
        .iter()
        .filter(|version| version.get("storage").and_then(Value::as_bool) == Some(true))
        .filter_map(|version| version.get("name"))
        .collect();
    json!({
        "acceptedNames": crd.pointer("/spec/names"),
        "storedVersions": stored,
        "conditions": [
            {"type": "NamesAccepted", "status": "True", "lastTransitionTime": now, "reason": "NoConflicts", "message": "no conflicts found"},
            {"type": "Established", "status": "True", "lastTransitionTime": now, "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"},
        ],
    })
}
