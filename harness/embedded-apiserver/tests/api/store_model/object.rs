//! An object as the model knows it, and as JSON.

use serde_json::{Map, Value, json};

use super::operation::{Change, Colour, Content, Held, Kind, Selector};

/// An object of any of the resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) uid: String,
    pub(crate) version: u64,
    /// Not counted for leases.
    pub(crate) generation: Option<i64>,
    pub(crate) created: String,
    pub(crate) deleted: Option<String>,
    pub(crate) content: Content,
    pub(crate) colour: Colour,
    pub(crate) held: Held,
    pub(crate) count: Option<u8>,
}

impl Kind {
    /// `apiVersion`, `kind` and the plural.
    pub(crate) fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Lease => ("coordination.k8s.io/v1", "Lease", "leases"),
            Self::Ticket => ("example.org/v1", "Ticket", "tickets"),
            Self::Incident => ("example.org/v1", "Incident", "incidents"),
        }
    }

    /// The path of one of them, or of the collection if `name` is empty.
    pub(crate) fn path(self, name: &str) -> String {
        let (api_version, _, plural) = self.names();
        format!("/apis/{api_version}/namespaces/test/{plural}/{name}").trim_end_matches('/').to_owned()
    }

    /// The status subresource exists, and main writes leave it alone.
    pub(crate) fn has_status(self) -> bool {
        self != Self::Lease
    }

    fn spec(self, content: Content) -> Value {
        match (self, content) {
            (Self::Lease, Content::One) => json!({"holderIdentity": "one", "leaseDurationSeconds": 30}),
            (Self::Lease, Content::Two) => json!({"holderIdentity": "two", "leaseDurationSeconds": 30}),
            (Self::Lease, Content::Bad) => json!({"holderIdentity": "bad", "leaseDurationSeconds": 0}),
            (Self::Incident, Content::One) => json!({"key": "one", "mode": "auto"}),
            (Self::Incident, Content::Two) => json!({"key": "two", "mode": "auto"}),
            (Self::Incident, Content::Bad) => json!({"key": "B A D", "mode": "auto"}),
            (Self::Ticket, content) => json!({"key": ticket_key(content), "title": "none"}),
        }
    }

    /// The field selector for `content`.
    fn field(self, content: Content) -> String {
        match self {
            Self::Lease => "spec.holderIdentity=one".to_owned(),
            Self::Incident => format!("spec.key={}", self.spec(content)["key"].as_str().unwrap()),
            Self::Ticket => format!("spec.key={}", ticket_key(content)),
        }
    }
}

fn ticket_key(content: Content) -> String {
    match content {
        Content::One => "1".repeat(64),
        Content::Two => "2".repeat(64),
        Content::Bad => "bad".to_owned(),
    }
}

impl Held {
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Free => &[],
            Self::Kept => &["example.org/keep"],
            Self::Claimed => &["example.org/claim"],
            Self::Both => &["example.org/keep", "example.org/claim"],
        }
    }
}

impl Colour {
    fn value(self) -> Value {
        match self {
            Self::Plain => Value::Null,
            Self::Red => "red".into(),
            Self::Blue => "blue".into(),
        }
    }
}

impl Object {
    /// What a client that knows nothing would create, before the server has completed it.
    pub(crate) fn draft(kind: Kind, name: &'static str) -> Self {
        Self {
            kind,
            name,
            uid: String::new(),
            version: 0,
            generation: None,
            created: String::new(),
            deleted: None,
            content: Content::One,
            colour: Colour::Plain,
            held: Held::Free,
            count: None,
        }
    }

    pub(crate) fn changed(self, change: Change) -> Self {
        Self {
            content: change.content.unwrap_or(self.content),
            colour: change.colour.unwrap_or(self.colour),
            held: change.held.unwrap_or(self.held),
            count: change.count.or(self.count),
            ..self
        }
    }

    /// As the server shows it, or as a client sends it, without what is empty.
    pub(crate) fn json(&self) -> Value {
        let (api_version, kind, _) = self.kind.names();
        let mut metadata = Map::new();
        let mut put = |key: &str, value: Value| {
            if !(value.is_null() || value == "" || value == "0") {
                metadata.insert(key.to_owned(), value);
            }
        };
        put("name", self.name.into());
        put("namespace", "test".into());
        put("uid", self.uid.as_str().into());
        put("resourceVersion", self.version.to_string().into());
        put("generation", self.generation.into());
        put("creationTimestamp", self.created.as_str().into());
        put("deletionTimestamp", self.deleted.clone().into());
        put("deletionGracePeriodSeconds", self.deleted.as_ref().map(|_| 0).into());
        if self.colour != Colour::Plain {
            put("labels", json!({"colour": self.colour.value()}));
        }
        if self.held != Held::Free {
            put("finalizers", json!(self.held.names()));
        }
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": self.kind.spec(self.content)});
        if let Some(count) = self.count.filter(|_| self.kind.has_status()) {
            object["status"] = status(self.kind, count);
        }
        object
    }

    /// As a list shows it: the items of built-in resources do not say what they are.
    pub(crate) fn item(&self) -> Value {
        let mut item = self.json();
        if let (Kind::Lease, Some(fields)) = (self.kind, item.as_object_mut()) {
            fields.retain(|key, _| key != "apiVersion" && key != "kind");
        }
        item
    }

    pub(crate) fn is_selected_by(&self, selector: Selector) -> bool {
        match selector {
            Selector::All => true,
            Selector::Coloured(Colour::Plain) => self.colour == Colour::Plain,
            Selector::Coloured(colour) => self.colour == colour,
            Selector::NotRed => self.colour != Colour::Red,
            Selector::Named(name) => self.name == name,
            Selector::With(content) => self.content == content,
        }
    }
}

fn status(kind: Kind, count: u8) -> Value {
    match kind {
        Kind::Ticket => json!({"deduplication": {"occurrenceCount": count}}),
        Kind::Incident | Kind::Lease => json!({"count": count}),
    }
}

/// `change` as a merge patch that states `version` unless it is empty.
pub(crate) fn merge_patch(kind: Kind, change: Change, version: &str) -> Value {
    let mut patch = json!({});
    if !version.is_empty() {
        patch["metadata"]["resourceVersion"] = version.into();
    }
    if let Some(colour) = change.colour {
        patch["metadata"]["labels"] = json!({"colour": colour.value()});
    }
    if let Some(held) = change.held {
        patch["metadata"]["finalizers"] = json!(held.names());
    }
    if let Some(content) = change.content {
        patch["spec"] = kind.spec(content);
    }
    if let Some(count) = change.count.filter(|_| kind.has_status()) {
        patch["status"] = status(kind, count);
    }
    patch
}

/// `selector` as a query.
pub(crate) fn query(kind: Kind, selector: Selector) -> String {
    let escape = |text: &str| text.replace('=', "%3D").replace('!', "%21");
    match selector {
        Selector::All => String::new(),
        Selector::Coloured(Colour::Plain) => format!("labelSelector={}", escape("!colour")),
        Selector::Coloured(Colour::Red) => format!("labelSelector={}", escape("colour=red")),
        Selector::Coloured(Colour::Blue) => "labelSelector=colour%20in%20(blue)".to_owned(),
        Selector::NotRed => format!("labelSelector={}", escape("colour!=red")),
        Selector::Named(name) => format!("fieldSelector={}", escape(&format!("metadata.name={name}"))),
        Selector::With(content) => format!("fieldSelector={}", escape(&kind.field(content))),
    }
}
