//! What goes through a pod's node: logs, commands, ports. There are no kubelets, so the answers are those that
//! kube-apiserver itself gives before it has reached one, or when it cannot.

use serde_json::{Value, json};

use super::{
    object,
    reply::Reply,
    status::{Failure, Result},
    store::Store,
    target::Target,
};

/// What is wanted of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// What a container wrote.
    Log,
    /// A stream to a container: exec and attach.
    Container,
    /// Streams to ports.
    Ports,
    /// HTTP to the object itself.
    Proxy,
}

impl Way {
    /// Whether a request with this verb may ask for it.
    pub(super) fn takes(self, verb: &str) -> bool {
        match self {
            Self::Log => verb == "get",
            Self::Container | Self::Ports => matches!(verb, "get" | "create"),
            Self::Proxy => true,
        }
    }
}

/// Any request on the subresource of a pod, node or service that leads through a node.
pub(super) fn reach(store: &Store, target: Target<'_>, way: Way) -> Result<Reply> {
    let (resource, name) = (target.resource, target.info.name.as_str());
    let Some(found) = store.get(resource, target.namespace(), name) else {
        return Err(Failure::not_found(resource, name));
    };
    if way == Way::Proxy {
        return Err(proxy(store, target));
    }
    if matches!(way, Way::Log | Way::Container) {
        check_container(found, target.query.get("container"))?;
    }
    let node = found.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or("");
    if node.is_empty() {
        return match way {
            Way::Log => Ok(Reply::no_content()),
            _ => Err(Failure::bad_request(format!("pod {name} does not have a host assigned"))),
        };
    }
    Err(connect(store, target, node))
}

/// Why the kubelet of `node` is not reached.
fn connect(store: &Store, target: Target<'_>, node: &str) -> Failure {
    let nodes = store.registry.find("", "v1", "nodes");
    // The resource in the message is the one of the request.
    let Some(found) = nodes.and_then(|nodes| store.get(nodes, "", node)) else {
        return Failure::not_found(target.resource, node);
    };
    let addresses = found.pointer("/status/addresses").and_then(Value::as_array);
    let Some(address) = addresses.into_iter().flatten().find_map(|address| address["address"].as_str()) else {
        return internal("no preferred addresses found; known addresses: []");
    };
    let port = found.pointer("/status/daemonEndpoints/kubeletEndpoint/Port").and_then(Value::as_u64);
    let port = port.filter(|port| *port != 0).unwrap_or(10_250);
    internal(&format!("error dialing backend: dial tcp {address}:{port}: connect: connection refused"))
}

fn internal(why: &str) -> Failure {
    Failure::new(500, "InternalError", format!("Internal error occurred: {why}"))
}

fn proxy(store: &Store, target: Target<'_>) -> Failure {
    let name = target.info.name.as_str();
    let endpoints = store.registry.find("", "v1", "endpoints");
    match target.resource.plural.as_str() {
        "pods" => Failure::bad_request("address not allowed"),
        "services" if endpoints.and_then(|it| store.get(it, target.namespace(), name)).is_none() => {
            Failure::not_found(target.resource, name)
        }
        "services" => {
            let message = format!("no endpoints available for service {name:?}");
            Failure::new(503, "ServiceUnavailable", message)
        }
        _ => internal("no preferred addresses found; known addresses: []"),
    }
}

/// Whether the container is one of the pod's; it need not be named if there is only one.
fn check_container(pod: &Value, container: &str) -> Result<()> {
    let names = |list: &str| -> Vec<&str> {
        let containers = pod["spec"].get(list).and_then(Value::as_array);
        containers.into_iter().flatten().filter_map(|container| container["name"].as_str()).collect()
    };
    let (main, init, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    let pod = object::name(pod);
    if !container.is_empty() {
        let known = [&main, &init, &ephemeral].iter().any(|names| names.contains(&container));
        let refusal = || Failure::bad_request(format!("container {container} is not valid for pod {pod}"));
        return if known { Ok(()) } else { Err(refusal()) };
    }
    if main.len() == 1 {
        return Ok(());
    }
    let all = [init, main, ephemeral].concat().join(" ");
    Err(Failure::bad_request(format!("a container name must be specified for pod {pod}, choose one of: [{all}]")))
}

/// The binding subresource: assigns a pod to a node.
pub(super) fn bind(store: &mut Store, target: Target<'_>, sent: &Value) -> Result<()> {
    let (resource, name) = (target.resource, target.info.name.as_str());
    if !object::name(sent).is_empty() && object::name(sent) != name {
        return Err(Failure::bad_request("name in URL does not match name in Binding object"));
    }
    let node = sent.pointer("/target/name").and_then(Value::as_str).unwrap_or("");
    if node.is_empty() {
        // kube-apiserver does not turn this error into a proper Status.
        return Err(Failure::new(500, "", "target.name: Required value"));
    }
    let Some(existing) = store.get(resource, target.namespace(), name) else {
        return Err(Failure::not_found(resource, name));
    };
    let conflict = |why: String| Err(Failure::conflict("", "pods/binding", name, &why));
    if object::is_terminating(existing) {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if let Some(bound) = existing.pointer("/spec/nodeName").and_then(Value::as_str).filter(|node| !node.is_empty()) {
        return conflict(format!("pod {name} is already assigned to node {bound:?}"));
    }
    let mut pod = Value::clone(existing);
    pod["spec"]["nodeName"] = node.into();
    let scheduled = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": store.clock.seconds(),
    });
    match pod.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
        Some(conditions) => {
            conditions.retain(|condition| condition["type"] != "PodScheduled");
            conditions.push(scheduled);
        }
        None => pod["status"]["conditions"] = json!([scheduled]),
    }
    if !target.dry_run() {
        store.put(resource, pod, target.origin());
    }
    Ok(())
}
