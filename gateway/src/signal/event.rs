//! Kubernetes Events: `v1` and `events.k8s.io/v1`, one per request.
//!
//! The signal's name is the event's reason, its severity the event's type in lower case (`warning`, `error`): events have
//! no severity of their own. Labels and annotations are those of the Event object; the message is in `providerData`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::{
    candidates::Candidates,
    controller::Controller,
    kind::{Kind, group_of},
    limits::{self, Entries, MAX_NAME_BYTES, check_line, invalid_name, provider_text},
    rejection::{Rejection, echo, reason},
    rules::Rules,
    strict,
    target::DEFAULT_NAMESPACE,
    time,
    unresolved::{Ignored, Parsed, UnresolvedSignal},
};
use crate::{
    remediation::{Fingerprint, RemediationRequest, Signal, Source, TargetResource},
    rfc1123::{is_kind, is_label, is_subdomain},
};

/// Both versions in one: the newer renames some fields and keeps the older ones as `deprecated…`; forwarders send both names
/// of some.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a Kubernetes Event object")]
struct Event {
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(rename = "type")]
    event_type: String,
    reason: String,
    action: Option<String>,
    involved_object: Option<Reference>,
    regarding: Option<Reference>,
    message: Option<String>,
    note: Option<String>,
    series: Option<Series>,
    event_time: Option<String>,
    first_timestamp: Option<String>,
    deprecated_first_timestamp: Option<String>,
    last_timestamp: Option<String>,
    deprecated_last_timestamp: Option<String>,
    count: Option<Number>,
    deprecated_count: Option<Number>,
    reporting_controller: Option<String>,
    reporting_component: Option<String>,
    /// What forwarders add.
    cluster_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "an object's metadata")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    creation_timestamp: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object reference")]
struct Reference {
    api_version: Option<String>,
    kind: String,
    name: String,
    namespace: Option<String>,
    uid: Option<String>,
    field_path: Option<String>,
    /// What forwarders add.
    owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an event series")]
struct Series {
    count: Option<Number>,
    last_observed_time: Option<String>,
}

/// Reads the Event in `body`, received at `now`, by `rules`.
///
/// # Errors
/// If it is no Event, or one without the type, reason and object that a signal needs.
pub fn parse(body: &[u8], now: Timestamp, rules: &Rules) -> Result<Parsed, Rejection> {
    let text = strict::text(body)?;
    strict::check(text, None)?;
    let event: Event = strict::read(text)?;
    let name = limits::line(Some(&event.reason), MAX_NAME_BYTES, "");
    read(text, event, now, rules).map_err(|rejection| rejection.named(name))
}

fn read(text: &str, mut event: Event, now: Timestamp, rules: &Rules) -> Result<Parsed, Rejection> {
    check_type_meta(event.api_version.as_deref(), event.kind.as_deref())?;
    let severity = match event.event_type.as_str() {
        "Normal" => return Ok(Parsed::Ignored(Ignored::NormalEvent)),
        "Warning" => "warning",
        "Error" => "error",
        other => {
            let message = format!("type: {} is neither Normal nor Warning nor Error", echo(other));
            return Err(Rejection::new(reason::INVALID_FIELD, message));
        }
    };
    check_line("reason", &event.reason, MAX_NAME_BYTES)?;
    let cluster = event.cluster_name.take().filter(|name| !name.is_empty());
    if let Some(cluster) = &cluster {
        check_line("clusterName", cluster, MAX_NAME_BYTES)?;
    }
    let cluster_id = rules.cluster(cluster.as_deref());
    let labels = event.metadata.labels.take().unwrap_or_default();
    let annotations = event.metadata.annotations.take().unwrap_or_default();
    let firing_time = firing_time(&event, now)?;
    let Some(object) = event.involved_object.take().or_else(|| event.regarding.take()) else {
        return Err(Rejection::new(reason::MISSING_FIELD, "missing field `involvedObject`"));
    };
    let target = target(&object, event.metadata.namespace.as_deref())?;
    // A remediation of that would be followed by its own, and so on.
    if group_of(&target.api_version) == RemediationRequest::group(&()) {
        return Ok(Parsed::Ignored(Ignored::Own { kind: target.kind, name: target.name }));
    }
    let candidates = Candidates::of_event("involvedObject", target, controller(&object), rules);
    let target = candidates.unseen();
    let name = event.reason.clone();
    let mut provider_data = provider(event, object);
    let signal = Signal {
        fingerprint: Fingerprint::of_target(cluster_id.as_deref(), &target),
        firing_time,
        target,
        name,
        severity: severity.to_owned(),
        source: Source::KubernetesEvents,
        cluster_id,
        received_time: now,
        labels: Entries::Labels.fit(labels, &mut provider_data),
        annotations: Entries::Annotations.fit(annotations, &mut provider_data),
        provider_data,
        original_payload: limits::payload(text, rules.max_payload_bytes()),
    };
    Ok(Parsed::Signal(Box::new(UnresolvedSignal { signal, candidates, rules: rules.clone() })))
}

/// The controller that a forwarder names, for an object that is gone; none if the name is not valid.
fn controller(object: &Reference) -> Option<Controller> {
    let owner = object.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    let is_name = is_kind(&owner.kind) && is_subdomain(&owner.name) && is_api_version(&owner.api_version);
    is_name.then(|| Controller::new(&owner.api_version, &owner.kind, &owner.name, &owner.uid)).flatten()
}

fn check_type_meta(api_version: Option<&str>, kind: Option<&str>) -> Result<(), Rejection> {
    let known_version = matches!(api_version, None | Some("" | "v1" | "events.k8s.io/v1"));
    let known_kind = matches!(kind, None | Some("" | "Event"));
    if known_version && known_kind {
        return Ok(());
    }
    let (api_version, kind) = (echo(api_version.unwrap_or_default()), echo(kind.unwrap_or_default()));
    let message = format!("apiVersion {api_version}, kind {kind}: expected an Event of v1 or events.k8s.io/v1");
    Err(Rejection::new(reason::INVALID_FIELD, message))
}

/// When it last happened: an event that recurs keeps its creationTimestamp, so that one is the last resort. Go's zero time
/// is none, and `now` stands for a time that nobody tells.
fn firing_time(event: &Event, now: Timestamp) -> Result<Timestamp, Rejection> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_deref());
    let last = event.last_timestamp.as_deref();
    let first = event.first_timestamp.as_deref();
    let candidates = [
        ("series.lastObservedTime", series),
        ("lastTimestamp", last),
        ("deprecatedLastTimestamp", event.deprecated_last_timestamp.as_deref()),
        ("eventTime", event.event_time.as_deref()),
        ("firstTimestamp", first),
        ("deprecatedFirstTimestamp", event.deprecated_first_timestamp.as_deref()),
        ("metadata.creationTimestamp", event.metadata.creation_timestamp.as_deref()),
    ];
    let mut newest = None;
    for (field, text) in candidates {
        let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
        if !time::is_set(field, text)? {
            continue;
        }
        let creation = field.starts_with("metadata");
        if creation && newest.is_some() {
            break;
        }
        newest = newest.max(Some(time::firing(field, Some(text), now)?));
    }
    Ok(newest.unwrap_or(now))
}

fn target(object: &Reference, event_namespace: Option<&str>) -> Result<TargetResource, Rejection> {
    let Reference { api_version, kind, name, namespace, .. } = object;
    let api_version = api_version.as_deref().unwrap_or_default();
    if !is_kind(kind) {
        return Err(invalid("involvedObject.kind", kind, "a CamelCase kind"));
    }
    if !api_version.is_empty() && !is_api_version(api_version) {
        return Err(invalid("involvedObject.apiVersion", api_version, "a version or group/version"));
    }
    if !is_subdomain(name) {
        return Err(invalid_name("involvedObject.name", name));
    }
    let known = Kind::of(api_version, kind);
    let api_version = match known {
        Some(known) if api_version.is_empty() => known.api_version(),
        _ => api_version.to_owned(),
    };
    let own = namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let events = event_namespace.filter(|namespace| !namespace.is_empty());
    let namespace = match (known, own) {
        (Some(known), _) if !known.namespaced => "",
        (_, Some(own)) => own,
        // The event of a cluster-scoped object lives in `default`, or wherever its reporter does.
        (None, None) => "",
        (Some(_), None) => events.unwrap_or(DEFAULT_NAMESPACE),
    };
    if !namespace.is_empty() && !is_label(namespace) {
        return Err(invalid_name("involvedObject.namespace", namespace));
    }
    let namespace = namespace.to_owned();
    Ok(TargetResource { api_version, kind: kind.clone(), name: name.clone(), namespace })
}

fn is_api_version(api_version: &str) -> bool {
    match api_version.split_once('/') {
        Some((group, version)) => is_subdomain(group) && is_label(version),
        None => is_label(api_version),
    }
}

fn invalid(field: &str, value: &str, expected: &str) -> Rejection {
    Rejection::new(reason::INVALID_NAME, format!("{field} is {}, not {expected}", echo(value)))
}

fn provider(event: Event, object: Reference) -> Map<String, Value> {
    let count = event.series.and_then(|series| series.count).or(event.count).or(event.deprecated_count);
    let texts = [
        ("eventName", event.metadata.name),
        ("eventNamespace", event.metadata.namespace),
        ("message", event.message.or(event.note)),
        ("action", event.action),
        ("reportingController", event.reporting_controller.or(event.reporting_component)),
        ("uid", object.uid),
        ("fieldPath", object.field_path),
    ];
    let present = texts.into_iter().filter_map(|(field, text)| Some((field, text?)));
    let mut provider: Map<_, _> = present.map(|(field, text)| (field.to_owned(), provider_text(text))).collect();
    if let Some(count) = count {
        provider.insert("count".to_owned(), Value::Number(count));
    }
    provider
}
