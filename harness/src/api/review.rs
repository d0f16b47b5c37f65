//! Resources whose answer is computed: token and access reviews.

use serde_json::{Value, json};

use super::{
    object,
    request::{Caller, RequestInfo},
    resources::Resource,
    server::Server,
};

/// Answers the creation of a review.
pub(super) fn answer(server: &Server, resource: &Resource, caller: &Caller, mut review: Value) -> Value {
    let status = match resource.plural.as_str() {
        "tokenreviews" => token(server, &review),
        "selfsubjectaccessreviews" => access(server, caller.clone(), &review),
        _ => {
            let groups = texts(&review, "/spec/groups");
            access(server, Caller { user: text(&review, "/spec/user").to_owned(), groups }, &review)
        }
    };
    review["apiVersion"] = resource.api_version.as_str().into();
    review["kind"] = resource.kind.as_str().into();
    object::set(&mut review, "creationTimestamp", Some(Value::Null));
    review["status"] = status;
    review
}

fn token(server: &Server, review: &Value) -> Value {
    match server.authenticate(text(review, "/spec/token")) {
        Some(caller) => json!({
            "authenticated": true,
            "user": {"username": caller.user, "uid": caller.user, "groups": caller.groups},
            "audiences": review.pointer("/spec/audiences").cloned().unwrap_or_else(|| json!(["https://kubernetes.default.svc"])),
        }),
        None => json!({"user": {}, "error": "invalid bearer token"}),
    }
}

fn access(server: &Server, caller: Caller, review: &Value) -> Value {
    let request = attributes(&caller, review);
    let allowed = server.allows(&caller, &request);
    if allowed { json!({"allowed": true}) } else { json!({"allowed": false}) }
}

/// The request that a review asks about.
fn attributes(caller: &Caller, review: &Value) -> RequestInfo {
    let of = |key: &str| {
        let resource = text(review, &format!("/spec/resourceAttributes/{key}"));
        if resource.is_empty() { text(review, &format!("/spec/nonResourceAttributes/{key}")) } else { resource }
            .to_owned()
    };
    const VERBS: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    let verb = of("verb");
    RequestInfo {
        caller: caller.clone(),
        verb: VERBS.iter().find(|known| **known == verb).copied().unwrap_or("other"),
        group: of("group"),
        version: of("version"),
        resource: of("resource"),
        subresource: of("subresource"),
        namespace: of("namespace"),
        name: of("name"),
        path: of("path"),
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let items = value.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
