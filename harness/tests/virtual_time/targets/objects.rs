//! Objects in one line: `Pod shop/cart-1 < ReplicaSet cart-7d9c5b6f4`, `Node worker-3 InternalIP=10.0.0.33`. A kind that
//! shares its name with a built-in one has its group behind it: `Job.batch.volcano.sh`.

use embedded_apiserver::EmbeddedApi;
use serde_json::{Value, json};

/// apiVersion, kind, plural, whether it lives in namespaces.
type Row = (&'static str, &'static str, &'static str, bool);

/// Kinds that cases are about. Those of other groups than Kubernetes' own are defined when one is needed.
const KINDS: &[Row] = &[
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "LimitRange", "limitranges", true),
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Node", "nodes", false),
    ("v1", "PersistentVolume", "persistentvolumes", false),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("v1", "Pod", "pods", true),
    ("v1", "ReplicationController", "replicationcontrollers", true),
    ("v1", "ResourceQuota", "resourcequotas", true),
    ("v1", "Service", "services", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    ("batch/v1", "CronJob", "cronjobs", true),
    ("batch/v1", "Job", "jobs", true),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("apps.openshift.io/v1", "DeploymentConfig", "deploymentconfigs", true),
    ("argoproj.io/v1alpha1", "Rollout", "rollouts", true),
    ("core.strimzi.io/v1beta2", "StrimziPodSet", "strimzipodsets", true),
    ("keda.sh/v1alpha1", "ScaledJob", "scaledjobs", true),
    ("kubevirt.io/v1", "VirtualMachine", "virtualmachines", true),
    ("kyverno.io/v1", "ClusterPolicy", "clusterpolicies", false),
    ("monitoring.coreos.com/v1", "Prometheus", "prometheuses", true),
    ("ocs.openshift.io/v1", "StorageCluster", "storageclusters", true),
    ("postgresql.cnpg.io/v1", "Cluster", "clusters", true),
    ("serving.knative.dev/v1", "Revision", "revisions", true),
    ("apps.kruise.io/v1beta1", "StatefulSet", "statefulsets", true),
    ("batch.volcano.sh/v1alpha1", "Job", "jobs", true),
];

/// The row of `kind`, the first of its name unless its group follows.
fn row(kind: &str) -> Row {
    let (name, of_group) = kind.split_once('.').map_or((kind, None), |(name, group)| (name, Some(group)));
    let is_it = |row: &&Row| row.1 == name && of_group.is_none_or(|of_group| group(row.0) == of_group);
    *KINDS.iter().find(is_it).unwrap_or_else(|| panic!("no row for the kind {kind}"))
}

/// How cases name the `kind` of `api_version`.
pub(super) fn kind(api_version: &str, kind: &str) -> String {
    match (kind, group(api_version)) {
        ("Alert", "") => "Alert".to_owned(),
        (_, _) if KINDS.iter().find(|row| row.1 == kind).is_some_and(|row| row.0 == api_version) => kind.to_owned(),
        (_, group) => format!("{kind}.{group}"),
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The plural by which the embedded API knows it.
fn resource(row: Row) -> String {
    match group(row.0) {
        "" => row.2.to_owned(),
        group => format!("{}.{group}", row.2),
    }
}

fn names(text: &str) -> (&str, &str) {
    text.split_once('/').unwrap_or(("", text))
}

/// Puts the object that `line` tells of into the API; its owner is there already.
pub(super) fn create(api: &EmbeddedApi, line: &str) {
    let (object, owner) = line.split_once(" < ").map_or((line, None), |(object, owner)| (object, Some(owner)));
    let mut words = object.split(' ');
    let row = row(words.next().unwrap());
    let (namespace, name) = names(words.next().unwrap_or_else(|| panic!("no name: {line}")));
    assert_eq!(row.3, !namespace.is_empty(), "{line}");
    define(api, row);
    let mut metadata = json!({ "name": name });
    if row.3 {
        metadata["namespace"] = json!(namespace);
    }
    if let Some(owner) = owner {
        metadata["ownerReferences"] = json!([reference(api, namespace, owner)]);
    }
    let addresses: Vec<Value> = words
        .map(|word| {
            let (kind, address) = word.split_once('=').unwrap();
            json!({ "type": kind, "address": address })
        })
        .collect();
    let mut object = json!({ "apiVersion": row.0, "kind": row.1, "metadata": metadata });
    if !addresses.is_empty() {
        object["status"] = json!({ "addresses": addresses });
    }
    api.seed(object);
}

/// The reference to `owner`: `Kind name`, which is the controller unless `(only a reference)` follows.
fn reference(api: &EmbeddedApi, namespace: &str, owner: &str) -> Value {
    let mut words = owner.splitn(3, ' ');
    let row = row(words.next().unwrap());
    let name = words.next().unwrap();
    let controller = words.next().is_none();
    let namespace = if row.3 { namespace } else { "" };
    let is_it = |object: &Value| {
        let metadata = &object["metadata"];
        metadata["name"] == name && metadata["namespace"].as_str().unwrap_or_default() == namespace
    };
    let found = api.objects(&resource(row)).into_iter().find(is_it);
    let uid = found.unwrap_or_else(|| panic!("owners are created first: {owner}"))["metadata"]["uid"].take();
    json!({ "apiVersion": row.0, "kind": row.1, "name": name, "uid": uid, "controller": controller })
}

/// Takes the object `Kind namespace/name` away at once.
pub(super) fn delete(api: &EmbeddedApi, line: &str) {
    let (kind, names_of) = line.split_once(' ').unwrap();
    let (namespace, name) = names(names_of);
    api.unseed(&resource(row(kind)), namespace, name);
}

/// Has the API serve a kind that is none of Kubernetes' own.
fn define(api: &EmbeddedApi, (api_version, kind, plural, namespaced): Row) {
    let group = group(api_version);
    if !group.contains('.') || group.ends_with(".k8s.io") {
        return;
    }
    let version = api_version.rsplit('/').next().unwrap();
    let name = format!("{plural}.{group}");
    if api.objects("customresourcedefinitions").iter().any(|crd| crd["metadata"]["name"] == name) {
        return;
    }
    let scope = if namespaced { "Namespaced" } else { "Cluster" };
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    api.seed(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": name },
        "spec": {
            "group": group,
            "scope": scope,
            "names": { "kind": kind, "plural": plural },
            "versions": [{ "name": version, "served": true, "storage": true, "schema": schema }],
        },
    }));
}
