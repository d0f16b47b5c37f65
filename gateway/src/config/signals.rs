//! Which resource a signal is about: the section `signal`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matchers::Matchers;

/// How alerts and events are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Signals {
    /// Further labels that name a resource, and the kind of it: `vm` a VirtualMachine.
    pub targets: BTreeMap<String, TargetKind>,
    /// Exporters beside kube-state-metrics, node-exporter, pushgateway and whatever is called `…-exporter`: a pod whose
    /// name holds the name of the exporter that `job` or `service` tells is where the alert was measured.
    pub exporters: Vec<String>,
    /// The cluster that this gateway runs in.
    pub cluster: Cluster,
    /// Alerts that are no incidents; each entry is enough.
    pub ignore: Vec<Matchers>,
    /// Whether nodes are listed, so that an alert of node-exporter is about the Node with the address in `instance`.
    pub node_by_instance: bool,
    /// Bytes of `spec.originalPayload` at most; the rest is cut off and marked.
    pub max_payload_bytes: usize,
}

/// A kind of the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetKind {
    /// Such as `kubevirt.io`; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Such as `v1`.
    pub version: String,
    /// CamelCase, such as `VirtualMachine`.
    pub kind: String,
    /// As in the API's paths, such as `virtualmachines`.
    pub plural: String,
    /// Whether its objects live in namespaces; `true` if absent.
    #[serde(default = "yes")]
    pub namespaced: bool,
}

const fn yes() -> bool {
    true
}

/// How signals tell their cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Cluster {
    /// What this cluster is called in that label. Signals without the label then belong to it; signals of another cluster
    /// are judged by their names alone. If empty, the label only keeps signals of several clusters apart.
    pub name: String,
    /// The label that holds the cluster's name.
    pub label: String,
}
