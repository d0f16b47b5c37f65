//! Answers, in the form that the client asked for.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::{
    clock::Clock,
    request::Form,
    resources::Resource,
    status::{Failure, Result},
    table::{self, IncludeObject},
    watch::Watch,
};

/// An answer, before it is an HTTP response.
pub(super) enum Reply {
    /// An answer that is complete.
    Full { code: u16, content_type: &'static str, retry_after_s: Option<u64>, body: Bytes },
    /// A stream of events.
    Watch(Box<Watch>),
}

impl Reply {
    /// A JSON document.
    pub(super) fn json(code: u16, value: &impl Serialize) -> Self {
        Self::bytes(code, to_bytes(value))
    }

    /// A JSON document that is written already.
    pub(super) fn bytes(code: u16, body: Bytes) -> Self {
        Self::Full { code, content_type: "application/json", retry_after_s: None, body }
    }

    /// A JSON document of a type of its own.
    pub(super) fn document(content_type: &'static str, value: &impl Serialize) -> Self {
        Self::Full { code: 200, content_type, retry_after_s: None, body: to_bytes(value) }
    }

    /// A plain text.
    pub(super) fn text(code: u16, text: &'static str) -> Self {
        let body = Bytes::from_static(text.as_bytes());
        Self::Full { code, content_type: "text/plain; charset=utf-8", retry_after_s: None, body }
    }

    /// What go-restful says about a path that no resource has.
    pub(super) fn unknown_path() -> Self {
        Self::text(404, "404 page not found\n")
    }

    pub(super) fn failure(failure: &Failure) -> Self {
        let retry_after_s = failure.retry_after_seconds();
        let body = to_bytes(&failure.to_value());
        Self::Full { code: failure.code(), content_type: "application/json", retry_after_s, body }
    }

    /// The HTTP status.
    pub(super) const fn code(&self) -> u16 {
        match self {
            Self::Full { code, .. } => *code,
            Self::Watch(_) => 200,
        }
    }

    /// What is in it; empty for a stream.
    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Full { body, .. } => body,
            Self::Watch(_) => &[],
        }
    }
}

impl From<Result<Self>> for Reply {
    fn from(result: Result<Self>) -> Self {
        result.unwrap_or_else(|failure| Self::failure(&failure))
    }
}

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
    pub(super) fn object(&self, code: u16, object: &Value) -> Reply {
        if self.shows_as_stored(object) { Reply::json(code, object) } else { Reply::json(code, &self.value(object)) }
    }

    /// One object as JSON; `stored` keeps it where it is what is stored, for all who want it so.
    pub(super) fn text(&self, object: &Value, stored: &OnceLock<Bytes>) -> Bytes {
        if self.shows_as_stored(object) {
            return stored.get_or_init(|| to_bytes(object)).clone();
        }
        to_bytes(&self.value(object))
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
    pub(super) fn list(&self, listing: &Listing) -> Reply {
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
                Reply::json(200, &List { kind, api_version, metadata, items })
            }
            Form::Metadata => {
                let items: Vec<Value> = listing.objects.iter().map(|object| partial(object)).collect();
                let kind = "PartialObjectMetadataList";
                Reply::json(200, &List { kind, api_version: "meta.k8s.io/v1", metadata, items })
            }
            Form::Table(include) => {
                let objects: Vec<Value> = listing.objects.iter().map(|object| Value::clone(object)).collect();
                let mut table = self.table(&objects, &listing.version.to_string(), include);
                table["metadata"] = metadata;
                Reply::json(200, &table)
            }
        }
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
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.objects.iter().map(|object| Item { resource: self.resource, object }))
    }
}

struct Item<'a> {
    resource: &'a Resource,
    object: &'a Value,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
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
