//! The form of `cases/*.yaml`.

use std::{collections::BTreeMap, fs, path::Path};

use harness::testing::PROMETHEUS;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Labels of an alert.
pub(super) type Labels = BTreeMap<String, String>;

/// What is there, what is sent, and which resource that is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// Unique.
    pub(super) id: String,
    /// Why it is so.
    pub(super) why: String,
    /// The configuration `signal`; where several are given, the case holds under each.
    #[serde(default)]
    pub(super) signal: Vec<Value>,
    /// Created before, in this order; see `objects.rs`.
    #[serde(default)]
    pub(super) objects: Vec<String>,
    /// Done in this order.
    pub(super) send: Vec<Step>,
}

/// Something that is posted, or happens in between.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Each of these labels is an alert of one webhook.
    #[serde(default)]
    pub(super) alerts: Vec<Labels>,
    /// Which scrape the alerts come from; see `scrapes.rs`.
    #[serde(default)]
    pub(super) scrape: Option<String>,
    /// Further fields of each alert.
    #[serde(default)]
    pub(super) fields: Map<String, Value>,
    /// Further fields of the webhook.
    #[serde(default)]
    pub(super) webhook: Map<String, Value>,
    /// An Event instead.
    #[serde(default)]
    pub(super) event: Option<Map<String, Value>>,
    /// Taken away instead.
    #[serde(default)]
    pub(super) delete: Vec<String>,
    /// Seconds that pass instead.
    #[serde(default)]
    pub(super) wait: u64,
    /// For each alert: `Kind namespace/name`, `Alert namespace/*`, `ignored` or `rejected`; `cluster=` may follow.
    #[serde(default)]
    pub(super) about: Vec<String>,
    /// Further fields that the RemediationRequest's spec must have.
    #[serde(default)]
    pub(super) spec: Map<String, Value>,
}

/// What is posted, and where.
pub(super) struct Post {
    pub(super) path: &'static str,
    pub(super) body: Value,
}

impl Step {
    /// What is posted, if anything is.
    pub(super) fn post(&self) -> Option<Post> {
        match &self.event {
            Some(event) => Some(Post { path: "/api/v1/signals/kubernetes-event", body: self::event(event) }),
            None if self.alerts.is_empty() => None,
            None => Some(Post { path: PROMETHEUS, body: self.webhook() }),
        }
    }

    fn webhook(&self) -> Value {
        let mut webhook = webhook(&self.alerts);
        for alert in webhook["alerts"].as_array_mut().unwrap() {
            merge(alert, &self.fields);
        }
        merge(&mut webhook, &self.webhook);
        grow(&mut webhook);
        webhook
    }
}

/// What Alertmanager posts about `alerts`.
pub(super) fn webhook(alerts: &[Labels]) -> Value {
    let alerts = alerts.iter().map(|labels| {
        json!({
            "status": "firing",
            "labels": labels,
            "annotations": { "summary": "text for people" },
            "startsAt": "2026-10-31T20:15:02.314Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph?g0.expr=up",
        })
    });
    json!({
        "receiver": "gateway",
        "status": "firing",
        "alerts": alerts.collect::<Vec<_>>(),
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
    })
}

fn event(own: &Map<String, Value>) -> Value {
    let mut event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": "an-event.17f3" },
        "type": "Warning",
        "reason": "Failed",
    });
    merge(&mut event, own);
    grow(&mut event);
    event
}

fn merge(into: &mut Value, own: &Map<String, Value>) {
    for (key, value) in own {
        into[key] = value.clone();
    }
}

/// Writes out texts that cases give as `x*40000`.
fn grow(value: &mut Value) {
    match value {
        Value::String(text) => {
            let grown = text.split_once('*').and_then(|(part, times)| Some(part.repeat(times.parse().ok()?)));
            if let Some(grown) = grown {
                *text = grown;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(grow),
        Value::Object(map) => map.values_mut().for_each(grow),
        _ => {}
    }
}

/// The cases in `file`; `TARGET_CASE` picks some by their ids.
pub(super) fn read(file: &Path) -> Vec<Case> {
    let text = fs::read_to_string(file).unwrap();
    let cases: Vec<Case> = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let wanted = std::env::var("TARGET_CASE").unwrap_or_default();
    cases.into_iter().filter(|case| wanted.is_empty() || wanted.split(',').any(|id| id == case.id)).collect()
}
