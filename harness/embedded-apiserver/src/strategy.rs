//! What kube-apiserver makes of built-in objects when they are created and updated: the strategies of
//! `k8s.io/kubernetes/pkg/registry` and the admission plugins that are on by default, as far as clients meet them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{defaults, object, request::Caller, resources::Resource, store::Store, target::Target};

/// The first of the addresses of Services, but for the one of `kubernetes`: `10.96.0.<this>`.
const FIRST_ADDRESS: u32 = 10;
const FIRST_NODE_PORT: u64 = 30_000;

/// What is added to an object that is created.
pub(super) fn prepare_create(store: &Store, target: Target<'_>, object: &mut Value) {
    let resource = target.resource;
    if resource.custom {
        return;
    }
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => admit_pod(object),
        ("", "services") => allocate(store, resource, object),
        ("", "nodes") => taint(object),
        ("", "persistentvolumeclaims" | "persistentvolumes") => object["status"] = json!({"phase": "Pending"}),
        ("apps", "daemonsets") => {
            let annotations = object::metadata_mut(object).entry("annotations").or_insert(Value::Null);
            object::map_mut(annotations)
                .entry("deprecated.daemonset.template.generation")
                .or_insert_with(|| "1".into());
        }
        ("certificates.k8s.io", "certificatesigningrequests") => sign_off(&target.info.caller, object),
        _ => {}
    }
    defaults::apply(resource, object);
}

/// What needs the uid of an object that is created.
pub(super) fn identify(resource: &Resource, object: &mut Value) {
    if (resource.group.as_str(), resource.plural.as_str()) == ("batch", "jobs") {
        select_by_uid(object);
    }
}

/// What an update keeps or adds; `isolate` has kept the parts apart.
pub(super) fn prepare_update(store: &Store, target: Target<'_>, existing: &Value, object: &mut Value) {
    let resource = target.resource;
    match (resource.group.as_str(), resource.plural.as_str(), target.info.subresource.as_str()) {
        ("", "services", "") => {
            keep_allocated(existing, object);
            allocate(store, resource, object);
        }
        ("certificates.k8s.io", "certificatesigningrequests", "") => {
            object["spec"] = existing["spec"].clone();
        }
        ("certificates.k8s.io", "certificatesigningrequests", "approval" | "status") => {
            let now = store.clock.seconds();
            for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
                let condition = object::map_mut(condition);
                for key in ["lastUpdateTime", "lastTransitionTime"] {
                    condition.entry(key).or_insert_with(|| now.as_str().into());
                }
            }
        }
        ("", "namespaces", "finalize") => {}
        ("", "namespaces", _) => {
            if let Some(spec) = existing.get("spec") {
                object["spec"] = spec.clone();
            }
        }
        _ => {}
    }
}

/// The class of a pod by what its containers ask for (`GetPodQOS`).
pub(super) fn quality(pod: &Value) -> &'static str {
    let containers = ["initContainers", "containers"].map(|list| pod["spec"].get(list).and_then(Value::as_array));
    let (mut any, mut all) = (false, true);
    for container in containers.into_iter().flatten().flatten() {
        let of = |kind: &str, name: &str| container.pointer(&format!("/resources/{kind}/{name}")).cloned();
        for name in ["cpu", "memory"] {
            let (limit, request) = (of("limits", name), of("requests", name));
            any |= limit.is_some() || request.is_some();
            all &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (_, true) => "Guaranteed",
        _ => "Burstable",
    }
}

/// The plugins DefaultTolerationSeconds and Priority, and the status of a pod that nobody has looked at.
fn admit_pod(pod: &mut Value) {
    const SECONDS: u64 = 300;
    object::map_mut(object::map_mut(pod).entry("spec").or_insert(Value::Null));
    for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten() {
        if let Some(Value::Object(limits)) = container.pointer("/resources/limits").cloned() {
            let requests = object::map_mut(&mut container["resources"]).entry("requests").or_insert(Value::Null);
            for (name, limit) in limits {
                object::map_mut(requests).entry(name).or_insert(limit);
            }
        }
    }
    let spec = object::map_mut(&mut pod["spec"]);
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    if let Some(list) = tolerations.as_array_mut() {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerates = |toleration: &Value| {
                let names = |field: &str, value: &str| {
                    let text = toleration[field].as_str().unwrap_or("");
                    text.is_empty() || text == value
                };
                names("key", key) && names("effect", "NoExecute")
            };
            if !list.iter().any(tolerates) {
                list.push(
                    json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}),
                );
            }
        }
    }
    spec.entry("priority").or_insert_with(|| 0.into());
    spec.entry("preemptionPolicy").or_insert_with(|| "PreemptLowerPriority".into());
    pod["status"] = json!({"phase": "Pending", "qosClass": quality(pod)});
}

/// A node is not ready until a controller says so (TaintNodesByCondition).
fn taint(node: &mut Value) {
    let spec = object::map_mut(object::map_mut(node).entry("spec").or_insert(Value::Null));
    let taints = spec.entry("taints").or_insert_with(|| json!([]));
    let key = "node.kubernetes.io/not-ready";
    if let Some(list) = taints.as_array_mut().filter(|list| !list.iter().any(|taint| taint["key"] == key)) {
        list.push(json!({"key": key, "effect": "NoSchedule"}));
    }
}

/// A request for a certificate says who made it.
fn sign_off(caller: &Caller, object: &mut Value) {
    let spec = object::map_mut(object::map_mut(object).entry("spec").or_insert(Value::Null));
    for key in ["username", "uid", "groups", "extra"] {
        spec.remove(key);
    }
    spec.insert("username".to_owned(), caller.user.as_str().into());
    spec.insert("groups".to_owned(), caller.groups.clone().into());
}

/// A job selects its pods by its own uid.
fn select_by_uid(job: &mut Value) {
    const UID: &str = "batch.kubernetes.io/controller-uid";
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (uid, name) = (object::uid(job).to_owned(), object::name(job).to_owned());
    let labels = [(UID, &uid), ("controller-uid", &uid), ("batch.kubernetes.io/job-name", &name), ("job-name", &name)];
    let template = object::map_mut(&mut job["spec"]).entry("template").or_insert(Value::Null);
    let own = object::map_mut(object::metadata_mut(template).entry("labels").or_insert(Value::Null));
    for (key, value) in labels {
        own.insert(key.to_owned(), value.as_str().into());
    }
    let own = Value::Object(own.clone());
    job["spec"]["selector"]["matchLabels"][UID] = uid.into();
    object::metadata_mut(job).entry("labels").or_insert(own);
}

/// What a Service was given stays unless the update says otherwise.
fn keep_allocated(existing: &Value, object: &mut Value) {
    let kind = |service: &Value| service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    if kind(object) == "ExternalName" || kind(existing) == "ExternalName" {
        return;
    }
    let old = existing["spec"].clone();
    let spec = object::map_mut(object::map_mut(object).entry("spec").or_insert(Value::Null));
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
        if let (None | Some(Value::Null), Some(value)) = (spec.get(key), old.get(key)) {
            spec.insert(key.to_owned(), value.clone());
        }
    }
    if !matches!(spec.get("type").and_then(Value::as_str), Some("NodePort" | "LoadBalancer")) {
        return;
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        let taken = old["ports"].as_array().into_iter().flatten().find(same).and_then(|other| other.get("nodePort"));
        if let (None, Some(taken)) = (port.get("nodePort"), taken) {
            port["nodePort"] = taken.clone();
        }
    }
}

/// Addresses and ports of a Service, as far as it names none.
fn allocate(store: &Store, resource: &Resource, service: &mut Value) {
    let spec = object::map_mut(object::map_mut(service).entry("spec").or_insert(Value::Null));
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or("ClusterIP").to_owned();
    if kind == "ExternalName" {
        return;
    }
    let all = || store.collection(resource).objects.values().flat_map(|names| names.values());
    if spec.get("clusterIP").and_then(Value::as_str).unwrap_or("").is_empty() {
        let taken: BTreeSet<&str> = all().filter_map(|other| other["spec"]["clusterIP"].as_str()).collect();
        let free = (FIRST_ADDRESS..u32::from(u16::MAX))
            .map(|number| format!("10.96.{}.{}", number >> 8, number & 0xff))
            .find(|address| !taken.contains(address.as_str()));
        spec.insert("clusterIP".to_owned(), free.unwrap_or_default().into());
    }
    let address = spec["clusterIP"].clone();
    spec.entry("clusterIPs").or_insert_with(|| json!([address]));
    let is_selectorless = spec.get("selector").and_then(Value::as_object).is_none_or(Map::is_empty);
    if spec["clusterIP"] == "None" && is_selectorless {
        spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4", "IPv6"]));
        spec.entry("ipFamilyPolicy").or_insert_with(|| "RequireDualStack".into());
    }
    spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
    spec.entry("ipFamilyPolicy").or_insert_with(|| "SingleStack".into());
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        let mut taken: BTreeSet<u64> = all()
            .flat_map(|other| other["spec"]["ports"].as_array().into_iter().flatten())
            .filter_map(|port| port["nodePort"].as_u64())
            .collect();
        node_ports(spec, &mut taken);
    }
}

fn node_ports(spec: &mut Map<String, Value>, taken: &mut BTreeSet<u64>) {
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if port.get("nodePort").and_then(Value::as_u64).unwrap_or(0) == 0 {
            let free = (FIRST_NODE_PORT..).find(|number| !taken.contains(number)).unwrap_or(FIRST_NODE_PORT);
            taken.insert(free);
            port["nodePort"] = free.into();
        }
    }
}
