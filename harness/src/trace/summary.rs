//! What a trace keeps of bodies and objects.

use gateway::remediation::CLAIM;
use serde_json::Value;

use super::event::{Committed, What};
use crate::oracles::{fingerprint, is_active, occurrences};
use embedded_apiserver::{Commit, SentRequest};

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn version(value: &Value) -> Option<u64> {
    text(value, "/metadata/resourceVersion").parse().ok()
}

/// The parameter `key` of a URL's query, empty if absent.
fn parameter(query: &str, key: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == key).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A request as it is told.
pub(super) fn sent(id: u64, request: &SentRequest<'_>) -> super::event::Sent {
    let SentRequest { info, query, body, fault } = *request;
    let body = parse(body);
    let or = |first: &str, second: &str| if first.is_empty() { second.to_owned() } else { first.to_owned() };
    let precondition = or(text(&body, "/metadata/resourceVersion"), text(&body, "/preconditions/resourceVersion"));
    let selectors = [parameter(query, "fieldSelector"), parameter(query, "labelSelector")];
    super::event::Sent {
        request: id,
        verb: info.verb,
        resource: or(&info.label(), &info.path),
        name: or(&info.name, text(&body, "/metadata/name")),
        version: or(&precondition, &parameter(query, "resourceVersion")),
        selector: selectors.into_iter().filter(|selector| !selector.is_empty()).collect::<Vec<_>>().join(" and "),
        fault: fault.clone(),
    }
}

/// What came of a request.
pub(super) fn took_effect(request: u64, code: u16, body: &[u8]) -> What {
    let body = parse(body);
    let reason = if code >= 400 { text(&body, "/reason").to_owned() } else { String::new() };
    let items = body["items"].as_array().map(Vec::len);
    What::TookEffect { request, code, reason, version: version(&body), items }
}

/// A line of a watch.
pub(super) fn delivered(resource: &str, line: &[u8]) -> What {
    let line = parse(line);
    let object = &line["object"];
    What::Delivered {
        resource: resource.to_owned(),
        kind: text(&line, "/type").to_owned(),
        name: text(object, "/metadata/name").to_owned(),
        version: version(object),
    }
}

/// A committed write.
pub(super) fn committed(commit: &Commit) -> Committed {
    let Commit { resource_version, verb, resource, subresource, name, old, new, .. } = commit;
    let is_request = resource == "remediationrequests";
    let object = new.as_deref().or(old.as_deref()).unwrap_or(&Value::Null);
    let summary = match (new.as_deref(), resource.as_str()) {
        (None, _) => "gone".to_owned(),
        (Some(object), "remediationrequests") => remediation_request(object),
        (Some(object), "leases") => lease(object),
        (Some(_), _) => String::new(),
    };
    let label = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
    Committed {
        version: *resource_version,
        verb,
        resource: label,
        name: name.clone(),
        fingerprint: if is_request { fingerprint(object).to_owned() } else { String::new() },
        active: is_request && new.as_deref().is_some_and(is_active),
        gone: new.is_none(),
        summary,
    }
}

fn remediation_request(object: &Value) -> String {
    let phase = text(object, "/status/overallPhase");
    let mut words = vec![format!("count {}", occurrences(object))];
    if !phase.is_empty() {
        words.insert(0, phase.to_owned());
    }
    let finalizers = object["metadata"]["finalizers"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let finalizers: Vec<&str> = finalizers.iter().filter_map(Value::as_str).collect();
    if !finalizers.is_empty() {
        words.push(format!("finalizers {}", finalizers.join(" ")));
    }
    let claim = object["metadata"]["annotations"][CLAIM].as_str();
    words.extend(claim.map(|claim| format!("claimed by {claim}")));
    words.extend(deleting(object));
    words.join(", ")
}

fn lease(object: &Value) -> String {
    let (holder, renewed) = (text(object, "/spec/holderIdentity"), text(object, "/spec/renewTime"));
    let mut words = vec![format!("held by {holder}")];
    if !renewed.is_empty() {
        words.push(format!("renewed {renewed}"));
    }
    words.extend(deleting(object));
    words.join(", ")
}

fn deleting(object: &Value) -> Option<String> {
    let since = object["metadata"]["deletionTimestamp"].as_str()?;
    Some(format!("deleted {since}"))
}
