//! The cells of built-in resources, pods excepted.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{duration, selector};

const NONE: &str = "<none>";
const UNKNOWN: &str = "<unknown>";

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn entries(object: &Value, pointer: &str) -> usize {
    object.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// The time since the first of `pointers` that holds one.
fn since(object: &Value, pointers: &[&str], now: Timestamp) -> String {
    let time = pointers.iter().find_map(|pointer| object.pointer(pointer)?.as_str()?.parse().ok());
    time.map_or_else(|| UNKNOWN.to_owned(), |time| duration::since(time, now))
}

pub(super) fn name(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/metadata/name"))
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    json!(since(object, &["/metadata/creationTimestamp"], now))
}

pub(super) fn created_at(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/metadata/creationTimestamp"))
}

pub(super) fn role(object: &Value, _: Timestamp) -> Value {
    json!(format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name")))
}

pub(super) fn secret_count(object: &Value, _: Timestamp) -> Value {
    json!(list(object, "/secrets").len())
}

pub(super) fn holder(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/spec/holderIdentity"))
}

pub(super) fn phase(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/status/phase"))
}

pub(super) fn data_count(object: &Value, _: Timestamp) -> Value {
    json!(entries(object, "/data") + entries(object, "/binaryData"))
}

pub(super) fn secret_type(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/type"))
}

pub(super) fn node_status(object: &Value, _: Timestamp) -> Value {
    let ready = list(object, "/status/conditions").iter().rfind(|condition| text(condition, "/type") == "Ready");
    let mut status = match ready.map(|condition| text(condition, "/status")) {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if object.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    json!(status)
}

pub(super) fn node_roles(object: &Value, _: Timestamp) -> Value {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let role = |key: &str, value: &Value| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => Some(role.to_owned()),
        None if key == "kubernetes.io/role" => value.as_str().map(str::to_owned),
        None => None,
    };
    let mut roles: Vec<String> = labels.into_iter().flatten().filter_map(|(key, value)| role(key, value)).collect();
    roles.retain(|role| !role.is_empty());
    roles.sort();
    roles.dedup();
    json!(or(&roles.join(","), NONE))
}

pub(super) fn kubelet_version(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/status/nodeInfo/kubeletVersion"))
}

fn address<'a>(object: &'a Value, kind: &str) -> &'a str {
    let found = list(object, "/status/addresses").iter().find(|address| text(address, "/type") == kind);
    found.map_or(NONE, |address| text(address, "/address"))
}

pub(super) fn internal_ip(object: &Value, _: Timestamp) -> Value {
    json!(address(object, "InternalIP"))
}

pub(super) fn external_ip(object: &Value, _: Timestamp) -> Value {
    json!(address(object, "ExternalIP"))
}

pub(super) fn os_image(object: &Value, _: Timestamp) -> Value {
    json!(or(text(object, "/status/nodeInfo/osImage"), UNKNOWN))
}

pub(super) fn kernel_version(object: &Value, _: Timestamp) -> Value {
    let kernel = or(text(object, "/status/nodeInfo/kernelVersion"), UNKNOWN);
    match text(object, "/status/nodeInfo/architecture") {
        "" => json!(kernel),
        architecture => json!(format!("{kernel} ({architecture})")),
    }
}

pub(super) fn container_runtime(object: &Value, _: Timestamp) -> Value {
    json!(or(text(object, "/status/nodeInfo/containerRuntimeVersion"), UNKNOWN))
}

pub(super) fn service_type(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/spec/type"))
}

pub(super) fn cluster_ip(object: &Value, _: Timestamp) -> Value {
    json!(or(or(text(object, "/spec/clusterIPs/0"), text(object, "/spec/clusterIP")), NONE))
}

pub(super) fn external_ips(object: &Value, _: Timestamp) -> Value {
    let declared = list(object, "/spec/externalIPs").iter().filter_map(Value::as_str);
    let addresses: Vec<&str> = match text(object, "/spec/type") {
        "ClusterIP" | "NodePort" => declared.collect(),
        "LoadBalancer" => {
            let ingress = list(object, "/status/loadBalancer/ingress").iter();
            ingress.map(|ingress| or(text(ingress, "/ip"), text(ingress, "/hostname"))).chain(declared).collect()
        }
        "ExternalName" => return json!(text(object, "/spec/externalName")),
        _ => return json!(UNKNOWN),
    };
    let none = if text(object, "/spec/type") == "LoadBalancer" { "<pending>" } else { NONE };
    json!(or(&addresses.join(","), none))
}

pub(super) fn service_ports(object: &Value, _: Timestamp) -> Value {
    let ports = list(object, "/spec/ports").iter().map(|port| {
        let (number, node_port) = (number(port, "/port"), number(port, "/nodePort"));
        let protocol = or(text(port, "/protocol"), "TCP");
        if node_port > 0 { format!("{number}:{node_port}/{protocol}") } else { format!("{number}/{protocol}") }
    });
    json!(or(&ports.collect::<Vec<_>>().join(","), NONE))
}

pub(super) fn service_selector(object: &Value, _: Timestamp) -> Value {
    json!(selector::labels(object.pointer("/spec/selector")))
}

/// A field of an Event, which events.k8s.io/v1 keeps under another name.
fn event_text<'a>(object: &'a Value, core: &str, renamed: &str) -> &'a str {
    or(text(object, core), text(object, renamed))
}

pub(super) fn last_seen(object: &Value, now: Timestamp) -> Value {
    let pointers = ["/series/lastObservedTime", "/lastTimestamp", "/deprecatedLastTimestamp"];
    let earlier = ["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime"];
    json!(since(object, &[pointers.as_slice(), &earlier].concat(), now))
}

pub(super) fn first_seen(object: &Value, now: Timestamp) -> Value {
    json!(since(object, &["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime"], now))
}

pub(super) fn event_type(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/type"))
}

pub(super) fn event_reason(object: &Value, _: Timestamp) -> Value {
    json!(text(object, "/reason"))
}

pub(super) fn event_object(object: &Value, _: Timestamp) -> Value {
    let kind = event_text(object, "/involvedObject/kind", "/regarding/kind").to_lowercase();
    match event_text(object, "/involvedObject/name", "/regarding/name") {
        "" => json!(kind),
        name => json!(format!("{kind}/{name}")),
    }
}

pub(super) fn event_subobject(object: &Value, _: Timestamp) -> Value {
    json!(event_text(object, "/involvedObject/fieldPath", "/regarding/fieldPath"))
}

pub(super) fn event_source(object: &Value, _: Timestamp) -> Value {
    let reporter = event_text(object, "/reportingComponent", "/reportingController");
    let component = or(event_text(object, "/source/component", "/deprecatedSource/component"), reporter);
    let host = event_text(object, "/source/host", "/deprecatedSource/host");
    match or(host, text(object, "/reportingInstance")) {
        "" => json!(component),
        instance => json!(format!("{component}, {instance}")),
    }
}

pub(super) fn event_message(object: &Value, _: Timestamp) -> Value {
    json!(event_text(object, "/message", "/note").trim())
}

pub(super) fn event_count(object: &Value, _: Timestamp) -> Value {
    let counts = ["/series/count", "/count", "/deprecatedCount"].map(|pointer| number(object, pointer));
    json!(counts.into_iter().find(|count| *count > 0).unwrap_or(1))
}

pub(super) fn ready_replicas_of(object: &Value, _: Timestamp) -> Value {
    json!(format!("{}/{}", number(object, "/status/readyReplicas"), number(object, "/spec/replicas")))
}

pub(super) fn updated_replicas(object: &Value, _: Timestamp) -> Value {
    json!(number(object, "/status/updatedReplicas"))
}

pub(super) fn available_replicas(object: &Value, _: Timestamp) -> Value {
    json!(number(object, "/status/availableReplicas"))
}

pub(super) fn desired_replicas(object: &Value, _: Timestamp) -> Value {
    json!(number(object, "/spec/replicas"))
}

pub(super) fn current_replicas(object: &Value, _: Timestamp) -> Value {
    json!(number(object, "/status/replicas"))
}

pub(super) fn ready_replicas(object: &Value, _: Timestamp) -> Value {
    json!(number(object, "/status/readyReplicas"))
}

fn containers(object: &Value, field: &str) -> Value {
    let containers = list(object, "/spec/template/spec/containers").iter();
    json!(containers.map(|container| text(container, field)).collect::<Vec<_>>().join(","))
}

pub(super) fn container_names(object: &Value, _: Timestamp) -> Value {
    containers(object, "/name")
}

pub(super) fn container_images(object: &Value, _: Timestamp) -> Value {
    containers(object, "/image")
}

pub(super) fn workload_selector(object: &Value, _: Timestamp) -> Value {
    json!(selector::format(object.pointer("/spec/selector")))
}
