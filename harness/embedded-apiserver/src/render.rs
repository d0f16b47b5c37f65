//! Objects and lists in the form that a client asked for.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::{
    clock::Clock,
    request::Form,
    resources::Resource,
    table::{self, IncludeObject},
};

/// As JSON.
pub(super) fn to_bytes(value: &impl Serialize) -> Bytes {
    // Values have string keys only, so that this cannot fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Turns objects of one resource into what the client asked for.
#[derive(Clone, Debug)]
pub(super) struct Renderer {
    pub(super) resource: Arc<Resource>,
    pub(super) form: Form,
    pub(super) clock: Clock,
}

/// Some objects of a collection.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) objects: Vec<Arc<Value>>,
    pub(super) version: u64,
    pub(super) next: Option<String>,
    pub(super) remaining: Option<usize>,
}

impl Renderer {
    /// One object.
    pub(super) fn object(&self, object: &Value) -> Bytes {
        if self.shows_as_stored(object) { self.encode(object) } else { to_bytes(&self.value(object)) }
    }

    /// One object as JSON; `stored` keeps it where it is what is stored, for all who want it so.
    pub(super) fn text(&self, object: &Value, stored: &OnceLock<Bytes>) -> Bytes {
        if self.shows_as_stored(object) {
            return stored.get_or_init(|| self.encode(object)).clone();
        }
        to_bytes(&self.value(object))
    }

    fn encode(&self, object: &Value) -> Bytes {
        if self.resource.custom { to_bytes(object) } else { to_bytes(&Typed(object)) }
    }

    fn shows_as_stored(&self, object: &Value) -> bool {
        self.form == Form::Object && object["apiVersion"] == self.resource.api_version.as_str()
    }

    /// One object, as part of a watch event for instance.
    pub(super) fn value(&self, object: &Value) -> Value {
        match self.form {
            Form::Object => {
                let mut object = object.clone();
                object["apiVersion"] = self.resource.api_version.as_str().into();
                object
            }
            Form::Metadata => partial(object),
            Form::Table(include) => {
                let version = super::object::version(object);
                self.table(std::slice::from_ref(object), version, include)
            }
        }
    }

    fn table(&self, objects: &[Value], version: &str, include: IncludeObject) -> Value {
        table::render(&self.resource.columns, objects, self.clock.now(), version, include)
    }

    /// A list.
    pub(super) fn list(&self, listing: &Listing) -> Bytes {
        let mut metadata = json!({"resourceVersion": listing.version.to_string()});
        if let Some(next) = &listing.next {
            metadata["continue"] = next.as_str().into();
        } else if self.resource.custom && self.form == Form::Object {
            // Their lists have no type that would leave it out.
            metadata["continue"] = "".into();
        }
        if let Some(remaining) = listing.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        match self.form {
            Form::Object => {
                let items = Items { resource: &self.resource, objects: &listing.objects };
                let (kind, api_version) = (&self.resource.list_kind, &self.resource.api_version);
                to_bytes(&List { kind, api_version, metadata, items })
            }
            Form::Metadata => {
                let items: Vec<Value> = listing.objects.iter().map(|object| partial(object)).collect();
                let kind = "PartialObjectMetadataList";
                to_bytes(&List { kind, api_version: "meta.k8s.io/v1", metadata, items })
            }
            Form::Table(include) => {
                let objects: Vec<Value> = listing.objects.iter().map(|object| Value::clone(object)).collect();
                let mut table = self.table(&objects, &listing.version.to_string(), include);
                table["metadata"] = metadata;
                to_bytes(&table)
            }
        }
    }
}

/// An object in the order of Go's types, which clients see where they report a position: what it is comes first.
struct Typed<'a>(&'a Value);

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        const FIRST: [&str; 3] = ["kind", "apiVersion", "metadata"];
        let fields = self.0.as_object();
        let mut map = serializer.serialize_map(None)?;
        for key in FIRST {
            if let Some(value) = self.0.get(key) {
                map.serialize_entry(key, value)?;
            }
        }
        for (key, value) in fields.into_iter().flatten().filter(|(key, _)| !FIRST.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a, T> {
    kind: &'a str,
    api_version: &'a str,
    metadata: Value,
    items: T,
}

/// The items of a list. Those of built-in resources come without kind and apiVersion, as from a typed server.
struct Items<'a> {
    resource: &'a Resource,
    objects: &'a [Arc<Value>],
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.objects.iter().map(|object| Item { resource: self.resource, object }))
    }
}

struct Item<'a> {
    resource: &'a Resource,
    object: &'a Value,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.object.as_object().into_iter().flatten() {
            match key.as_str() {
                "apiVersion" | "kind" if !self.resource.custom => {}
                "apiVersion" => map.serialize_entry(key, &self.resource.api_version)?,
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}
