//! What the signal modules promise together; small, pure rules are tested in their own files.

mod bad_input;
mod event;
mod owners;
mod permissions;
mod properties;
mod resolver;
mod target;
mod webhook;
mod world;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Parsed, Rejection, Rules, UnresolvedSignal, alertmanager, alertmanager::Webhook};
use crate::remediation::Signal;

/// A moment after all fixtures.
fn now() -> Timestamp {
    "2026-11-23T23:00:00Z".parse().unwrap()
}

fn parse(body: &Value) -> Result<Webhook, Rejection> {
    alertmanager::parse(body.to_string().as_bytes(), now(), &Rules::default())
}

fn alert(labels: &[(&str, &str)]) -> Value {
    let mut all = BTreeMap::from([("alertname", "KubePodCrashLooping"), ("namespace", "shop")]);
    all.extend(labels.iter().copied());
    json!({"status": "firing", "labels": all, "annotations": {}, "startsAt": "2026-11-23T22:58:07.471254Z"})
}

fn webhook(alerts: &[Value]) -> Value {
    json!({"version": "4", "status": "firing", "receiver": "signal-gateway", "alerts": alerts})
}

#[track_caller]
fn unresolved(parsed: Result<Parsed, Rejection>) -> UnresolvedSignal {
    match parsed {
        Ok(Parsed::Signal(unresolved)) => *unresolved,
        other => panic!("no signal: {other:?}"),
    }
}

#[track_caller]
fn sent(parsed: Result<Parsed, Rejection>) -> Signal {
    unresolved(parsed).signal
}

/// The signal of an alert with these labels beside `alertname` and `namespace`.
#[track_caller]
fn unresolved_of(labels: &[(&str, &str)]) -> UnresolvedSignal {
    unresolved(parse(&webhook(&[alert(labels)])).unwrap().alerts.remove(0))
}

#[track_caller]
fn sent_of(labels: &[(&str, &str)]) -> Signal {
    unresolved_of(labels).signal
}
