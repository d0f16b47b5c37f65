//! Kubernetes Events: `v1` and `events.k8s.io/v1`, one per request.
//!
//! The signal's name is the event's reason, its severity the event's type in lower case (`warning`, `error`): events have
//! no severity of their own. Labels and annotations are those of the Event object; the message is in `providerData`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    kind::Kind,
    limits::{
        MAX_ANNOTATION_BYTES, MAX_LABEL_BYTES, MAX_NAME_BYTES, check_entries, check_line, check_size, invalid_name,
        provider_text,
    },
    rejection::{Rejection, echo, reason},
    strict,
    target::DEFAULT_NAMESPACE,
    time,
    unresolved::{Ignored, Parsed, UnresolvedSignal},
};
use crate::{
    remediation::{Fingerprint, Signal, Source, TargetResource},
    rfc1123::{is_kind, is_label, is_subdomain},
};

/// Both versions in one: the newer renames some fields and keeps the older ones as `deprecated…`.
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
    #[serde(alias = "regarding")]
    involved_object: Reference,
    #[serde(alias = "note")]
    message: Option<String>,
    series: Option<Series>,
    event_time: Option<String>,
    #[serde(alias = "deprecatedFirstTimestamp")]
    first_timestamp: Option<String>,
    #[serde(alias = "deprecatedLastTimestamp")]
    last_timestamp: Option<String>,
    #[serde(alias = "deprecatedCount")]
    count: Option<i64>,
    #[serde(alias = "reportingComponent")]
    reporting_controller: Option<String>,
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
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an event series")]
struct Series {
    count: Option<i64>,
    last_observed_time: Option<String>,
}

/// Reads the Event in `body`, received at `now`.
///
/// # Errors
/// If it is no Event, or one without the type, reason and object that a signal needs.
pub fn parse(body: &[u8], now: Timestamp) -> Result<Parsed, Rejection> {
    let text = strict::text(body)?;
    check_size(text)?;
    strict::check(text, None)?;
    let mut event: Event = strict::read(text)?;
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
    let labels = event.metadata.labels.take().unwrap_or_default();
    let annotations = event.metadata.annotations.take().unwrap_or_default();
    check_entries("label", &labels, MAX_LABEL_BYTES)?;
    check_entries("annotation", &annotations, MAX_ANNOTATION_BYTES)?;
    let (field, time) = newest_time(&event);
    let firing_time = time::firing(field, time, now)?;
    let target = target(&event.involved_object, event.metadata.namespace.as_deref())?;
    Ok(Parsed::Signal(Box::new(UnresolvedSignal(Signal {
        fingerprint: Fingerprint::of_target(None, &target),
        firing_time,
        target,
        name: event.reason.clone(),
        severity: severity.to_owned(),
        source: Source::KubernetesEvents,
        cluster_id: None,
        received_time: now,
        labels,
        annotations,
        provider_data: provider(event),
        original_payload: text.to_owned(),
    }))))
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

/// When it last happened: an event that recurs keeps its creationTimestamp, so that one is the last resort.
fn newest_time(event: &Event) -> (&'static str, Option<&str>) {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_deref());
    let candidates = [
        ("series.lastObservedTime", series),
        ("lastTimestamp", event.last_timestamp.as_deref()),
        ("eventTime", event.event_time.as_deref()),
        ("firstTimestamp", event.first_timestamp.as_deref()),
        ("metadata.creationTimestamp", event.metadata.creation_timestamp.as_deref()),
    ];
    candidates.into_iter().find(|(_, time)| time.is_some()).unwrap_or(("eventTime", None))
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
    let namespace = if known.is_some_and(|known| !known.namespaced) {
        String::new()
    } else {
        let own = namespace.as_deref().filter(|namespace| !namespace.is_empty());
        let events = event_namespace.filter(|namespace| !namespace.is_empty());
        let namespace = own.or(events).unwrap_or(DEFAULT_NAMESPACE);
        if !is_label(namespace) {
            return Err(invalid_name("involvedObject.namespace", namespace));
        }
        namespace.to_owned()
    };
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

fn provider(event: Event) -> Map<String, Value> {
    let Event { metadata, involved_object, series, message, action, reporting_controller, count, .. } = event;
    let texts = [
        ("eventName", metadata.name),
        ("eventNamespace", metadata.namespace),
        ("message", message),
        ("action", action),
        ("reportingController", reporting_controller),
        ("uid", involved_object.uid),
        ("fieldPath", involved_object.field_path),
    ];
    let present = texts.into_iter().filter_map(|(field, text)| Some((field, text?)));
    let mut provider: Map<_, _> = present.map(|(field, text)| (field.to_owned(), provider_text(text))).collect();
    if let Some(count) = series.and_then(|series| series.count).or(count) {
        provider.insert("count".to_owned(), count.into());
    }
    provider
}
