//! Alertmanager's webhook, version 4.
//!
//! An alert that cannot be used never sinks its neighbours: each is kept as raw text until the envelope is read, and
//! judged on its own. Unknown fields are tolerated: newer Alertmanagers add some.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    limits::{
        MAX_ALERTS, MAX_ANNOTATION_BYTES, MAX_LABEL_BYTES, MAX_NAME_BYTES, MAX_SEVERITY_BYTES, check_entries,
        check_line, check_size, provider_text,
    },
    rejection::{Rejection, echo, reason},
    strict, target, time,
    unresolved::{Ignored, Parsed, UnresolvedSignal},
};
use crate::remediation::{Fingerprint, Signal, Source};

/// A webhook's alerts, each judged on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// In the order sent; at least one.
    pub alerts: Vec<Result<Parsed, Rejection>>,
    /// How many alerts Alertmanager left out because of its own `max_alerts`.
    pub truncated_alerts: u64,
}

/// Alertmanager's `template.Data` and the fields its webhook adds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an Alertmanager webhook object")]
struct Envelope<'a> {
    version: Option<String>,
    status: Option<String>,
    receiver: Option<String>,
    group_key: Option<String>,
    #[serde(rename = "externalURL")]
    external_url: Option<String>,
    common_labels: Option<BTreeMap<String, String>>,
    truncated_alerts: Option<u64>,
    #[serde(borrow)]
    alerts: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an alert object")]
struct Alert {
    status: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: Option<BTreeMap<String, String>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
    fingerprint: Option<String>,
}

/// What the alerts of one webhook share.
struct Common {
    status: Option<String>,
    cluster_id: Option<String>,
    provider: Map<String, Value>,
    now: Timestamp,
}

/// Reads the webhook `body`, received at `now`.
///
/// # Errors
/// If the envelope cannot be used: no JSON, another version, no alerts or more than 1,000.
pub fn parse(body: &[u8], now: Timestamp) -> Result<Webhook, Rejection> {
    let text = strict::text(body)?;
    strict::check(text, Some("alerts"))?;
    let Envelope { version, status, receiver, group_key, external_url, common_labels, truncated_alerts, alerts } =
        strict::read(text)?;
    if let Some(version) = version.filter(|version| version != "4") {
        let message = format!("version: {} is not supported, only \"4\"", echo(&version));
        return Err(Rejection::new(reason::INVALID_FIELD, message));
    }
    if alerts.is_empty() {
        return Err(Rejection::new(reason::MISSING_FIELD, "alerts: the webhook holds no alert"));
    }
    if alerts.len() > MAX_ALERTS {
        let message = format!("alerts: {}; at most {MAX_ALERTS} are allowed (hint: set max_alerts)", alerts.len());
        return Err(Rejection::new(reason::TOO_LARGE, message));
    }
    let cluster_id = common_labels.and_then(|mut labels| labels.remove("cluster"));
    if let Some(cluster) = &cluster_id {
        check_line("commonLabels: label `cluster`", cluster, MAX_NAME_BYTES)?;
    }
    let texts =
        [("receiver", Some(receiver.unwrap_or_default())), ("groupKey", group_key), ("externalURL", external_url)];
    let common = Common { status, cluster_id, provider: provider(texts), now };
    let alerts = alerts.into_iter().map(|alert| parse_alert(alert.get(), &common)).collect();
    Ok(Webhook { alerts, truncated_alerts: truncated_alerts.unwrap_or_default() })
}

fn parse_alert(text: &str, common: &Common) -> Result<Parsed, Rejection> {
    check_size(text)?;
    strict::check(text, None)?;
    let Alert { status, labels, annotations, starts_at, ends_at, generator_url, fingerprint } = strict::read(text)?;
    let annotations = annotations.unwrap_or_default();
    check_entries("label", &labels, MAX_LABEL_BYTES)?;
    check_entries("annotation", &annotations, MAX_ANNOTATION_BYTES)?;
    let Some(name) = labels.get("alertname").cloned() else {
        return Err(Rejection::new(reason::MISSING_FIELD, "labels: the label `alertname` is missing"));
    };
    check_line("label `alertname`", &name, MAX_NAME_BYTES)?;
    let severity = labels.get("severity").map_or("unknown", String::as_str).to_owned();
    check_line("label `severity`", &severity, MAX_SEVERITY_BYTES)?;
    let firing_time = time::firing("startsAt", starts_at.as_deref(), common.now)?;
    if let Some(ends_at) = &ends_at {
        time::parse("endsAt", ends_at)?;
    }
    if is_resolved(status.as_deref().or(common.status.as_deref()))? {
        return Ok(Parsed::Ignored(Ignored::Resolved));
    }
    let target = target::of_labels(&labels, fingerprint.as_deref())?;
    // In a group of several clusters none is common to all, but the incident must not depend on the grouping.
    let cluster_id = common.cluster_id.as_ref().or(labels.get("cluster")).cloned();
    if let Some(cluster) = &cluster_id {
        check_line("label `cluster`", cluster, MAX_NAME_BYTES)?;
    }
    let mut provider_data = common.provider.clone();
    provider_data.append(&mut provider([("generatorURL", generator_url), ("fingerprint", fingerprint)]));
    Ok(Parsed::Signal(Box::new(UnresolvedSignal(Signal {
        fingerprint: Fingerprint::of_target(cluster_id.as_deref(), &target),
        name,
        severity,
        source: Source::Prometheus,
        target,
        cluster_id,
        firing_time,
        received_time: common.now,
        labels,
        annotations,
        provider_data,
        original_payload: text.to_owned(),
    }))))
}

/// Whether an alert's own status is `resolved`. The webhook's counts only where the alert has none: it says `firing` as
/// soon as one alert of the group is. Without either the alert fires, as it does for Alertmanager's own API.
fn is_resolved(status: Option<&str>) -> Result<bool, Rejection> {
    match status {
        None | Some("firing") => Ok(false),
        Some("resolved") => Ok(true),
        Some(other) => {
            let message = format!("status: {} is neither \"firing\" nor \"resolved\"", echo(other));
            Err(Rejection::new(reason::INVALID_FIELD, message))
        }
    }
}

fn provider<const N: usize>(texts: [(&str, Option<String>); N]) -> Map<String, Value> {
    let present = texts.into_iter().filter_map(|(field, text)| Some((field, text?)));
    present.map(|(field, text)| (field.to_owned(), provider_text(text))).collect()
}
