//! Operations as requests.

use http::Request;
use serde_json::{Value, json};

use super::{
    object::{Object, merge_patch, query},
    operation::{Change, Colour, From, Held, Kind, Operation, Selector, Stated, Which},
};

/// What clients know of the objects that they write.
pub(crate) trait Knowledge {
    /// The version that a client states.
    fn version(&self, by: usize, which: Which, stated: Stated) -> String;
    /// The uid that a client states.
    fn uid(&self, by: usize, which: Which, stated: Stated) -> String;
    /// The object that a client puts: what it saw last, changed.
    fn put(&self, by: usize, which: Which, change: Change) -> Value;
}

/// Who sends what.
pub(crate) fn request(operation: Operation, known: &impl Knowledge) -> Option<(usize, Request<Vec<u8>>)> {
    Some(match operation {
        Operation::Create(by, (kind, name), change) => {
            let mut object = Object::draft(kind, name).changed(change).json();
            // What is empty may be sent or left out.
            if change.colour == Some(Colour::Plain) {
                object["metadata"]["labels"] = json!({});
            }
            if change.held == Some(Held::Free) {
                object["metadata"]["finalizers"] = json!([]);
            }
            (by, body("POST", &kind.path(""), "application/json", &object))
        }
        Operation::Get(by, (kind, name)) => (by, body("GET", &kind.path(name), "", &Value::Null)),
        Operation::Update(by, which, change, uid, version) => {
            let mut object = known.put(by, which, change);
            object["metadata"]["uid"] = known.uid(by, which, uid).into();
            object["metadata"]["resourceVersion"] = known.version(by, which, version).into();
            (by, body("PUT", &which.0.path(which.1), "application/json", &object))
        }
        Operation::Patch(by, which, change, version) => {
            let patch = merge_patch(which.0, change, &known.version(by, which, version));
            (by, body("PATCH", &which.0.path(which.1), "application/merge-patch+json", &patch))
        }
        Operation::PatchStatus(by, which, change, version) if which.0.has_status() => {
            let patch = merge_patch(which.0, change, &known.version(by, which, version));
            let path = format!("{}/status", which.0.path(which.1));
            (by, body("PATCH", &path, "application/merge-patch+json", &patch))
        }
        Operation::Delete(by, which, uid, version) => {
            let mut options = json!({"preconditions": {}});
            for (key, value) in
                [("uid", known.uid(by, which, uid)), ("resourceVersion", known.version(by, which, version))]
            {
                if !value.is_empty() {
                    options["preconditions"][key] = value.into();
                }
            }
            (by, body("DELETE", &which.0.path(which.1), "application/json", &options))
        }
        Operation::List(by, kind, selector) => {
            (by, body("GET", &format!("{}?{}", kind.path(""), query(kind, selector)), "", &Value::Null))
        }
        Operation::PatchStatus(..) | Operation::Watch(..) | Operation::Wait => return None,
    })
}

/// A watch of `kind` from `version` on.
pub(crate) fn watch(kind: Kind, version: &str, selector: Selector) -> Request<Vec<u8>> {
    let path = format!("{}?watch=1&resourceVersion={version}&{}", kind.path(""), query(kind, selector));
    body("GET", &path, "", &Value::Null)
}

/// Whether such a watch is refused, as lists show.
pub(crate) fn is_refused(kind: Kind, selector: Selector) -> bool {
    kind == Kind::Lease && matches!(selector, Selector::With(_))
}

/// The version that is `from` behind the newest one, and not before `start`.
pub(crate) fn version_before(from: From, newest: u64, start: u64) -> u64 {
    match from {
        From::Zero => newest,
        From::Ago(versions) => newest.saturating_sub(versions).max(start),
    }
}

fn body(method: &str, path: &str, content_type: &str, body: &Value) -> Request<Vec<u8>> {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path);
    let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
    request.body(bytes).unwrap()
}
