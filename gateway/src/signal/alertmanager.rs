//! Alertmanager's webhook, version 4, and what others send in its form: Grafana says "1".
//!
//! An alert that cannot be used never sinks its neighbours: each is kept as raw text until the envelope is read, and
//! judged on its own. Unknown fields are tolerated: newer Alertmanagers add some.
//!
//! A parsed alert takes several times the memory of its text, so [`open`] reads the envelope only, and [`Received::alerts`]
//! one alert when it is asked for.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::{
    candidates,
    limits::{self, Entries, MAX_ALERTS, MAX_NAME_BYTES, MAX_SEVERITY_BYTES, check_line, provider_text},
    rejection::{Rejection, echo, reason},
    rules::Rules,
    strict, time,
    unresolved::{Ignored, Parsed, UnresolvedSignal},
};
use crate::remediation::{Fingerprint, Signal, Source};

/// A webhook's alerts, each judged on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// In the order sent; at least one.
    pub alerts: Vec<Result<Parsed, Rejection>>,
    /// How many alerts Alertmanager left out because of its own `max_alerts`, a million at most.
    pub truncated_alerts: u64,
}

/// Alertmanager's `template.Data` and the fields its webhook adds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an Alertmanager webhook object")]
struct Envelope<'a> {
    status: Option<String>,
    receiver: Option<String>,
    group_key: Option<String>,
    #[serde(rename = "externalURL")]
    external_url: Option<String>,
    common_labels: Option<BTreeMap<String, String>>,
    /// JSON knows no integers: 2.0 is as good as 2.
    truncated_alerts: Option<f64>,
    /// As raw text, no more than a webhook may hold; and how many there are.
    #[serde(borrow, deserialize_with = "raw_alerts")]
    alerts: (Vec<&'a str>, usize),
}

fn raw_alerts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(Vec<&'de str>, usize), D::Error> {
    struct Alerts;
    impl<'de> Visitor<'de> for Alerts {
        type Value = (Vec<&'de str>, usize);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::new();
            while texts.len() < MAX_ALERTS {
                let Some(alert) = items.next_element::<&RawValue>()? else { break };
                texts.push(alert.get());
            }
            let mut count = texts.len();
            while count >= MAX_ALERTS && items.next_element::<IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok((texts, count))
        }
    }
    deserializer.deserialize_seq(Alerts)
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

/// More than any Alertmanager holds: a number of the sender's must not spoil the sum over all senders.
const TRUNCATED_ALERTS_MAX: u64 = 1_000_000;

/// The name of an alert that has none.
const UNNAMED: &str = "unnamed";

/// The severity of an alert that tells none (contract).
const UNKNOWN: &str = "unknown";

/// A webhook whose envelope is read, and whose alerts are not yet.
pub struct Received<'a> {
    rules: &'a Rules,
    status: Option<String>,
    cluster: Option<String>,
    provider: Map<String, Value>,
    now: Timestamp,
    /// The text of each alert in the order sent; at least one.
    pub alerts: Vec<&'a str>,
    /// How many alerts Alertmanager left out because of its own `max_alerts`, a million at most.
    pub truncated_alerts: u64,
}

impl Received<'_> {
    /// Reads one of its alerts, `text`.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn read(&self, text: &str) -> Result<Parsed, Rejection> {
        strict::check(text, None)?;
        let alert: Alert = strict::read(text)?;
        let name = limits::line(alert.labels.get("alertname").map(String::as_str), MAX_NAME_BYTES, UNNAMED);
        self.signal(text, alert, name.clone()).map_err(|rejection| rejection.named(name))
    }

    fn signal(&self, text: &str, alert: Alert, name: String) -> Result<Parsed, Rejection> {
        let Alert { status, labels, annotations, starts_at, ends_at, generator_url, fingerprint } = alert;
        if labels.values().all(String::is_empty) {
            return Err(Rejection::new(
                reason::MISSING_FIELD,
                "labels: the alert has none, so it cannot be identified",
            ));
        }
        let rules = self.rules;
        let firing_time = time::firing("startsAt", present(starts_at.as_deref()), self.now)?;
        if let Some(ends_at) = present(ends_at.as_deref()) {
            time::parse("endsAt", ends_at)?;
        }
        if is_resolved(present(status.as_deref()).or_else(|| present(self.status.as_deref())))? {
            return Ok(Parsed::Ignored(Ignored::Resolved));
        }
        let candidates = candidates::of_labels(&labels, fingerprint.as_deref(), rules);
        let target = candidates.unseen();
        if let Some(matchers) = rules.ignored_by(&labels) {
            let (matchers, namespace) = (matchers.to_string(), target.namespace);
            return Ok(Parsed::Ignored(Ignored::Matched { matchers, alert: name, namespace }));
        }
        // In a group of several clusters none is common to all, but the incident must not depend on the grouping.
        let label = rules.cluster_label();
        let cluster = self.cluster.as_deref().or_else(|| present(labels.get(label).map(String::as_str)));
        if let Some(cluster) = cluster {
            check_line(&format!("label {}", echo(label)), cluster, MAX_NAME_BYTES)?;
        }
        let cluster_id = rules.cluster(cluster);
        let severity = limits::line(labels.get("severity").map(String::as_str), MAX_SEVERITY_BYTES, UNKNOWN);
        let mut provider_data = self.provider.clone();
        provider_data.append(&mut provider([("generatorURL", generator_url), ("fingerprint", fingerprint)]));
        let signal = Signal {
            fingerprint: Fingerprint::of_target(cluster_id.as_deref(), &target),
            name,
            severity,
            source: Source::Prometheus,
            target,
            cluster_id,
            firing_time,
            received_time: self.now,
            labels: Entries::Labels.fit(labels, &mut provider_data),
            annotations: Entries::Annotations.fit(annotations.unwrap_or_default(), &mut provider_data),
            provider_data,
            original_payload: limits::payload(text, rules.max_payload_bytes()),
        };
        Ok(Parsed::Signal(Box::new(UnresolvedSignal { signal, candidates, rules: rules.clone() })))
    }
}

/// Reads the webhook `body`, received at `now`, by `rules`: all of it at once.
///
/// # Errors
/// If the envelope cannot be used: no JSON, no alerts or more than 1,000.
pub fn parse(body: &[u8], now: Timestamp, rules: &Rules) -> Result<Webhook, Rejection> {
    let received = open(body, now, rules)?;
    let alerts = received.alerts.iter().map(|text| received.read(text)).collect();
    Ok(Webhook { alerts, truncated_alerts: received.truncated_alerts })
}

/// Reads the envelope of the webhook `body`, received at `now`, whose alerts are to be read by `rules`.
///
/// # Errors
/// As [`parse`].
pub fn open<'a>(body: &'a [u8], now: Timestamp, rules: &'a Rules) -> Result<Received<'a>, Rejection> {
    let text = strict::text(body)?;
    strict::check(text, Some("alerts"))?;
    let envelope: Envelope<'_> = strict::read(text)?;
    let Envelope { status, receiver, group_key, external_url, common_labels, truncated_alerts, alerts } = envelope;
    let (alerts, count) = alerts;
    if alerts.is_empty() {
        return Err(Rejection::new(reason::MISSING_FIELD, "alerts: the webhook contains no alert"));
    }
    if count > MAX_ALERTS {
        let message = format!("alerts: {count}; at most {MAX_ALERTS} are allowed (hint: set max_alerts)");
        return Err(Rejection::new(reason::TOO_LARGE, message));
    }
    let label = rules.cluster_label();
    let cluster = common_labels.and_then(|mut labels| labels.remove(label)).filter(|name| !name.is_empty());
    if let Some(cluster) = &cluster {
        check_line(&format!("commonLabels: label {}", echo(label)), cluster, MAX_NAME_BYTES)?;
    }
    let texts =
        [("receiver", Some(receiver.unwrap_or_default())), ("groupKey", group_key), ("externalURL", external_url)];
    let truncated_alerts = truncated_alerts.unwrap_or_default();
    if truncated_alerts < 0.0 {
        return Err(Rejection::new(reason::INVALID_FIELD, "truncatedAlerts is negative"));
    }
    // Rounds towards zero, and what is too large to the greatest.
    let truncated_alerts = (truncated_alerts as u64).min(TRUNCATED_ALERTS_MAX);
    Ok(Received { rules, status, cluster, provider: provider(texts), now, alerts, truncated_alerts })
}

/// Templates and scripts send `""` for what is not there.
fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
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
