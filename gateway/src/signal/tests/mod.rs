//! What the signal modules promise together; small, pure rules are tested in their own files.

mod api;
mod arbitrary;
mod bad_input;
mod cluster;
mod event;
mod failures;
mod honest;
mod incidents;
mod largest;
mod logs;
mod nodes;
mod owners;
mod permissions;
mod properties;
mod requests;
mod resolver;
mod target;
mod webhook;
mod world;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Parsed, Rejection, Rules, UnresolvedSignal, alertmanager, alertmanager::Webhook};
use crate::{
    config::{Signals, TargetKind},
    remediation::{Signal, TargetResource},
};

/// An alert's labels.
type Labels = BTreeMap<String, String>;

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

/// What an alert with exactly these labels is about, and what else it says is always the same.
#[track_caller]
fn unresolved_with(labels: &Labels, rules: &Rules) -> UnresolvedSignal {
    let alert = json!({"status": "firing", "labels": labels, "fingerprint": ITSELF});
    let body = webhook(&[alert]).to_string();
    unresolved(alertmanager::parse(body.as_bytes(), now(), rules).unwrap().alerts.remove(0))
}

/// The name of an alert that is about itself.
const ITSELF: &str = "0123456789abcdef";

fn shown(target: &TargetResource) -> String {
    let TargetResource { kind, name, namespace, .. } = target;
    format!("{kind} {namespace}/{name}")
}

/// Runs `test` with a clock of its own, which is moved on when everything waits.
fn in_virtual_time<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test)
}

/// The configuration of an operator who has VirtualMachines and lets nodes be listed.
fn signals() -> Signals {
    let adding = adding("vm", ["kubevirt.io", "v1", "VirtualMachine", "virtualmachines"], true);
    Signals { node_by_instance: true, ..adding }
}

/// Where `label` names a kind of the operator's: its group, version, kind and plural.
fn adding(label: &str, kind: [&str; 4], namespaced: bool) -> Signals {
    let [group, version, kind, plural] = kind.map(str::to_owned);
    let target = TargetKind { group, version, kind, plural, namespaced };
    Signals { targets: [(label.to_owned(), target)].into(), ..Signals::default() }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
