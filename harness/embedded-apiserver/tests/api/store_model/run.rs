//! Carries operations out on the embedded API and on the model, and compares.
#![allow(clippy::disallowed_methods, reason = "this test owns the clock")]

use std::time::Duration;

use embedded_apiserver::{EmbeddedApi, Options};
use futures::{StreamExt, stream::BoxStream};
use http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::{Client, core::WatchEvent};
use serde_json::{Value, json};

use super::{
    model::{Answer, Given, Model, Written},
    object::Object,
    operation::{CLIENTS, Change, From, Kind, Operation, Selector, Stated, Which},
    request::{Knowledge, is_refused, request, version_before, watch},
};
use crate::support;

/// What differs between the API and the model.
pub(crate) type Difference = String;

type Reply = Result<Value, (u16, String)>;

/// An open watch, and what it must show.
struct Watch {
    title: String,
    events: BoxStream<'static, kube::Result<WatchEvent<Value>>>,
    kind: Kind,
    selector: Selector,
    from: u64,
    /// What it begins with.
    initial: Vec<Object>,
}

struct Run {
    api: EmbeddedApi,
    clients: Vec<Client>,
    model: Model,
    watches: Vec<Watch>,
    /// The version before the first operation.
    start: u64,
}

/// Runs `operations` in virtual time; tells the first difference.
pub(crate) fn run(operations: &[Operation]) -> Result<(), Difference> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.map_err(|error| error.to_string())?.block_on(async { Run::new().all(operations).await })
}

impl Run {
    fn new() -> Self {
        let epoch = support::EPOCH.parse().unwrap();
        let api = EmbeddedApi::new(Options {
            crds: vec![support::crd(), support::ticket_crd()],
            epoch,
            ..Options::default()
        });
        api.seed(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}));
        let clients = (0..CLIENTS).map(|number| api.client(&format!("client-{number}"), "test")).collect();
        let start = api.resource_version();
        let model = Model::at(start);
        Self { api, clients, model, watches: Vec::new(), start }
    }

    async fn all(mut self, operations: &[Operation]) -> Result<(), Difference> {
        for (number, operation) in operations.iter().enumerate() {
            self.one(*operation).await.map_err(|difference| format!("{number}: {operation:?}: {difference}"))?;
        }
        // Whatever version a watch begins at, it shows what came after it.
        for kind in [Kind::Lease, Kind::Ticket, Kind::Incident] {
            for ago in 0..=self.model.version - self.start {
                self.watch(0, kind, From::Ago(ago), Selector::All).await?;
            }
        }
        for mut watch in std::mem::take(&mut self.watches) {
            let expected = expected_events(&watch, &self.model.history);
            let shown = shown_events(&mut watch).await;
            differ(&watch.title, &Value::from(expected), &Value::from(shown))?;
        }
        Ok(())
    }

    async fn one(&mut self, operation: Operation) -> Result<(), Difference> {
        match operation {
            Operation::Wait => tokio::time::sleep(Duration::from_millis(700)).await,
            Operation::Watch(by, kind, from, selector) => self.watch(by, kind, from, selector).await?,
            _ => {}
        }
        let reply = match request(operation, &self.model) {
            Some((by, request)) => Some(send(&self.clients[by], request).await),
            None => None,
        };
        let uid = reply.as_ref().and_then(|reply| reply.as_ref().ok()?.pointer("/metadata/uid")?.as_str());
        let now = jiff::Timestamp::from_second(self.api.now().as_second()).unwrap().to_string();
        let given = Given { now, uid: uid.unwrap_or_default().to_owned() };
        let expected = self.model.answer(operation, &given);
        if let Some(reply) = reply {
            compare(&expected, &reply)?;
        }
        let version = self.api.resource_version();
        if version != self.model.version {
            return Err(format!("version {version}, expected {}", self.model.version));
        }
        Ok(())
    }

    async fn watch(&mut self, by: usize, kind: Kind, from: From, selector: Selector) -> Result<(), Difference> {
        if is_refused(kind, selector) {
            return Ok(());
        }
        let (version, initial) = match from {
            From::Zero => (0, self.model.selected(kind, selector).cloned().collect()),
            From::Ago(_) => (version_before(from, self.model.version, self.start), Vec::new()),
        };
        let from = version_before(from, self.model.version, self.start);
        let request = watch(kind, &version.to_string(), selector);
        let events = self.clients[by].request_events::<Value>(request).await.map_err(|error| error.to_string())?;
        let title = format!("watch of {kind:?} from {version}, {selector:?}");
        self.watches.push(Watch { title, events: events.boxed(), kind, selector, from, initial });
        Ok(())
    }
}

/// A client knows what the model says that it saw.
impl Knowledge for Model {
    fn version(&self, by: usize, which: Which, stated: Stated) -> String {
        self.stated_version(by, which, stated)
    }

    fn uid(&self, by: usize, which: Which, stated: Stated) -> String {
        self.stated_uid(by, which, stated)
    }

    fn put(&self, by: usize, which: Which, change: Change) -> Value {
        self.put_by(by, which, change).json()
    }
}

async fn send(client: &Client, request: Request<Vec<u8>>) -> Reply {
    match client.request::<Value>(request).await {
        Ok(value) => Ok(value),
        Err(kube::Error::Api(status)) => Err((status.code, status.reason.clone())),
        Err(other) => Err((0, other.to_string())),
    }
}

fn compare(expected: &Answer, reply: &Reply) -> Result<(), Difference> {
    match (expected, reply) {
        (Answer::Object(object), Ok(shown)) => differ("object", &object.json(), shown),
        (Answer::Deleted(uid), Ok(shown)) => {
            let status: Status = serde_json::from_value(shown.clone()).map_err(|error| error.to_string())?;
            let shown = status.details.and_then(|details| details.uid);
            if status.status.as_deref() == Some("Success") && shown.as_ref() == Some(uid) {
                Ok(())
            } else {
                Err(format!("uid {shown:?}, expected {uid} deleted"))
            }
        }
        (Answer::List(version, objects), Ok(shown)) => {
            differ("version", &version.to_string().into(), &shown["metadata"]["resourceVersion"])?;
            let objects: Vec<Value> = objects.iter().map(Object::item).collect();
            differ("items", &objects.into(), &shown["items"])
        }
        (Answer::Refused((code, reason)), Err(shown)) if (*code, *reason) == (shown.0, &shown.1) => Ok(()),
        (expected, shown) => Err(format!("{shown:?}, expected {expected:?}")),
    }
}

fn differ(what: &str, expected: &Value, shown: &Value) -> Result<(), Difference> {
    if expected == shown { Ok(()) } else { Err(format!("{what}:\n  shown    {shown}\n  expected {expected}")) }
}

fn expected_events(watch: &Watch, history: &[Written]) -> Vec<Value> {
    let selects = |object: &Option<Object>| {
        object.as_ref().filter(|object| object.kind == watch.kind && object.is_selected_by(watch.selector)).cloned()
    };
    let initial = watch.initial.iter().map(|object| json!(["ADDED", object.json()]));
    let later = history.iter().filter(|written| written.version > watch.from);
    let later = later.filter_map(|Written { version, old, new }| match (selects(old), selects(new)) {
        (None, None) => None,
        (None, Some(new)) => Some(json!(["ADDED", new.json()])),
        (Some(_), Some(new)) => Some(json!(["MODIFIED", new.json()])),
        (Some(old), None) => Some(json!(["DELETED", Object { version: *version, ..old }.json()])),
    });
    initial.chain(later).collect()
}

/// The events that are there by now.
async fn shown_events(watch: &mut Watch) -> Vec<Value> {
    let mut shown = Vec::new();
    // One millisecond of virtual time passes only when nothing else can happen.
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(1), watch.events.next()).await {
        shown.push(match event {
            Ok(WatchEvent::Added(object)) => json!(["ADDED", object]),
            Ok(WatchEvent::Modified(object)) => json!(["MODIFIED", object]),
            Ok(WatchEvent::Deleted(object)) => json!(["DELETED", object]),
            other => json!(["?", format!("{other:?}")]),
        });
    }
    shown
}
