//! The cells of a Pod, whose status is a summary of its containers' (printPod in printers.go).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::duration;

const NONE: &str = "<none>";

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer) == Some(&Value::Bool(true))
}

/// What the containers add up to.
#[derive(Debug, Default)]
struct Summary {
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
    reason: String,
}

impl Summary {
    fn add_restarts(&mut self, container: &Value) {
        self.restarts += number(container, "/restartCount");
        let finished = text(container, "/lastState/terminated/finishedAt").parse().ok();
        self.last_restart = self.last_restart.max(finished);
    }
}

fn summary(pod: &Value) -> Summary {
    let phase = text(pod, "/status/phase");
    let mut summary = Summary { reason: phase.to_owned(), ..Summary::default() };
    if !text(pod, "/status/reason").is_empty() {
        summary.reason = text(pod, "/status/reason").to_owned();
    }
    let gated = |c: &&Value| text(c, "/type") == "PodScheduled" && text(c, "/reason") == "SchedulingGated";
    if list(pod, "/status/conditions").iter().any(|condition| gated(&condition)) {
        summary.reason = "SchedulingGated".to_owned();
    }
    let sidecars = list(pod, "/spec/initContainers").iter().filter(|container| is_sidecar(container)).count();
    summary.total = list(pod, "/spec/containers").len() + sidecars;
    let initializing = add_init_containers(&mut summary, pod);
    if !initializing || has_condition(pod, "Initialized") {
        // The restarts of plain init containers no longer matter.
        summary.restarts = 0;
        summary.last_restart = None;
        for status in list(pod, "/status/initContainerStatuses") {
            if is_sidecar(init_container(pod, status)) {
                summary.add_restarts(status);
            }
        }
        add_containers(&mut summary, pod);
    }
    if !text(pod, "/metadata/deletionTimestamp").is_empty() {
        if text(pod, "/status/reason") == "NodeLost" {
            summary.reason = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            summary.reason = "Terminating".to_owned();
        }
    }
    summary
}

/// An init container that keeps running.
fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

fn init_container<'a>(pod: &'a Value, status: &Value) -> &'a Value {
    let name = text(status, "/name");
    let containers = list(pod, "/spec/initContainers");
    containers.iter().find(|container| text(container, "/name") == name).unwrap_or(&Value::Null)
}

/// Adds up init containers until one that is not done, which gives the reason; whether there was one.
fn add_init_containers(summary: &mut Summary, pod: &Value) -> bool {
    for (index, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
        summary.add_restarts(status);
        let terminated = status.pointer("/state/terminated");
        if terminated.is_some_and(|terminated| number(terminated, "/exitCode") == 0) {
            continue;
        }
        if is_sidecar(init_container(pod, status)) && flag(status, "/started") {
            summary.ready += usize::from(flag(status, "/ready"));
            continue;
        }
        let waiting = text(status, "/state/waiting/reason");
        summary.reason = match terminated {
            Some(terminated) => format!("Init:{}", termination(terminated)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            None => format!("Init:{index}/{}", list(pod, "/spec/initContainers").len()),
        };
        return true;
    }
    false
}

/// Why a container terminated.
fn termination(terminated: &Value) -> String {
    match (text(terminated, "/reason"), number(terminated, "/signal")) {
        ("", 0) => format!("ExitCode:{}", number(terminated, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// Adds up the containers, the first of which has the last word on the reason.
fn add_containers(summary: &mut Summary, pod: &Value) {
    let mut has_running = false;
    let mut error_reason = None;
    for status in list(pod, "/status/containerStatuses").iter().rev() {
        summary.add_restarts(status);
        let waiting = text(status, "/state/waiting/reason");
        if !waiting.is_empty() {
            summary.reason = waiting.to_owned();
        } else if let Some(terminated) = status.pointer("/state/terminated") {
            summary.reason = termination(terminated);
            if number(terminated, "/exitCode") != 0 {
                error_reason = Some(summary.reason.clone());
            }
        } else if flag(status, "/ready") && status.pointer("/state/running").is_some() {
            has_running = true;
            summary.ready += 1;
        }
    }
    if summary.reason == "Completed" {
        if has_running && has_condition(pod, "Ready") {
            summary.reason = "Running".to_owned();
        } else if let Some(error) = error_reason {
            summary.reason = error;
        } else if has_running {
            summary.reason = "NotReady".to_owned();
        }
    }
}

fn has_condition(pod: &Value, kind: &str) -> bool {
    let is_true = |condition: &Value| text(condition, "/type") == kind && text(condition, "/status") == "True";
    list(pod, "/status/conditions").iter().any(is_true)
}

pub(super) fn ready(pod: &Value, _: Timestamp) -> Value {
    let summary = summary(pod);
    json!(format!("{}/{}", summary.ready, summary.total))
}

pub(super) fn status(pod: &Value, _: Timestamp) -> Value {
    json!(summary(pod).reason)
}

pub(super) fn restarts(pod: &Value, now: Timestamp) -> Value {
    let summary = summary(pod);
    match summary.last_restart.filter(|_| summary.restarts != 0) {
        Some(last) => json!(format!("{} ({} ago)", summary.restarts, duration::since(last, now))),
        None => json!(summary.restarts.to_string()),
    }
}

fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { NONE } else { text })
}

pub(super) fn ip(pod: &Value, _: Timestamp) -> Value {
    let first = text(pod, "/status/podIPs/0/ip");
    or_none(if first.is_empty() { text(pod, "/status/podIP") } else { first })
}

pub(super) fn node(pod: &Value, _: Timestamp) -> Value {
    or_none(text(pod, "/spec/nodeName"))
}

pub(super) fn nominated_node(pod: &Value, _: Timestamp) -> Value {
    or_none(text(pod, "/status/nominatedNodeName"))
}

pub(super) fn readiness_gates(pod: &Value, _: Timestamp) -> Value {
    let gates = list(pod, "/spec/readinessGates");
    let passed = gates.iter().filter(|gate| has_condition(pod, text(gate, "/conditionType"))).count();
    if gates.is_empty() { json!(NONE) } else { json!(format!("{passed}/{}", gates.len())) }
}

/// The conditions of a finished pod's row.
pub(super) fn row_conditions(pod: &Value) -> Option<Value> {
    let (reason, message) = match text(pod, "/status/phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}
