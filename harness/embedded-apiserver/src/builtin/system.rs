//! The objects that kube-apiserver itself puts into a new cluster.

use serde_json::{Value, json};

use super::super::resources::{Kept, Registry};

/// The address of the Service `kubernetes`: the first one of the range that kube-apiserver is commonly started with.
const FIRST_ADDRESS: &str = "10.96.0.1";

/// The Service `kubernetes`, the health of the control plane's parts, and an APIService for every group and version of
/// `registry`.
pub(crate) fn objects(registry: &Registry) -> Vec<Value> {
    let mut objects = vec![kubernetes()];
    objects.extend(["controller-manager", "scheduler", "etcd-0"].map(component));
    let mut seen = Vec::new();
    for resource in registry.iter().filter(|resource| !resource.custom && resource.kept == Kept::Stored) {
        let group_version = (resource.group.as_str(), resource.version.as_str());
        if !seen.contains(&group_version) {
            seen.push(group_version);
            objects.push(api_service(group_version));
        }
    }
    objects
}

fn kubernetes() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": FIRST_ADDRESS,
            "clusterIPs": [FIRST_ADDRESS],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    })
}

/// There is nothing that could be unhealthy.
fn component(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ComponentStatus",
        "metadata": {"name": name},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}],
    })
}

/// An API that the server serves itself.
fn api_service((group, version): (&str, &str)) -> Value {
    /// As kube-apiserver registers its own groups: the core group first, the others behind it.
    const CORE: u32 = 18_000;
    const OTHERS: u32 = 17_000;
    let mut spec = json!({"version": version, "groupPriorityMinimum": CORE, "versionPriority": 1});
    if !group.is_empty() {
        spec = json!({
            "group": group, "version": version, "groupPriorityMinimum": OTHERS, "versionPriority": 15,
        });
    }
    json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {
            "name": format!("{version}.{group}"),
            "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"},
        },
        "spec": spec,
        "status": {"conditions": [{
            "type": "Available",
            "status": "True",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
            "reason": "Local",
            "message": "Local APIServices are always available",
        }]},
    })
}
