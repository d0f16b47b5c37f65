//! Which label names which kind, in the words of those who write labels.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{
    kind::{KINDS, Kind, KindRef},
    rules::Rules,
};

/// Who writes such labels; where several of them name a kind, the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Vocabulary {
    /// OpenTelemetry's resource attributes: `k8s.pod.name`, or `k8s_pod_name` where dots are not allowed.
    OpenTelemetry,
    /// kube-state-metrics, the kubelet, and what the operator adds: `pod`.
    Metrics,
    /// The classic relabelling of what was scraped: `kubernetes_pod_name`.
    Relabelled,
}

/// What a label names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// An object of this kind; the number is the place of the label among the spellings of it.
    Object(KindRef, usize),
    /// The namespace of such objects.
    Namespace,
}

/// The labels of kube-state-metrics, and the place of each among its kind's.
static LABELS: LazyLock<BTreeMap<&'static str, (&'static Kind, usize)>> = LazyLock::new(|| {
    let spellings =
        |kind: &'static Kind| kind.labels.iter().enumerate().map(move |(place, label)| (*label, (kind, place)));
    KINDS.iter().flat_map(spellings).collect()
});

/// What `label` names, without the prefix `exported_`.
///
/// `job`, `service`, `instance`, `endpoint` and `container` tell where Prometheus measured, and name nothing.
pub(crate) fn read(label: &str, rules: &Rules) -> Option<(Vocabulary, Named)> {
    if let Some(kind) = rules.kind(label) {
        return Some((Vocabulary::Metrics, Named::Object(kind.clone(), 0)));
    }
    if label == "namespace" {
        return Some((Vocabulary::Metrics, Named::Namespace));
    }
    if let Some(&(kind, place)) = LABELS.get(label) {
        return Some((Vocabulary::Metrics, Named::Object(kind.into(), place)));
    }
    let attribute = label.strip_prefix("k8s.").and_then(|rest| rest.strip_suffix(".name"));
    let attribute = attribute.or_else(|| label.strip_prefix("k8s_").and_then(|rest| rest.strip_suffix("_name")));
    if let Some(attribute) = attribute {
        return open_telemetry(attribute).map(|named| (Vocabulary::OpenTelemetry, named));
    }
    let named = match label {
        "kubernetes_namespace" | "kubernetes_namespace_name" => Named::Namespace,
        "kubernetes_pod_name" | "kubernetes_pod" => object("Pod")?,
        "kubernetes_node" | "kubernetes_node_name" => object("Node")?,
        _ => return None,
    };
    Some((Vocabulary::Relabelled, named))
}

/// By the semantic conventions for Kubernetes: the resource's name without dashes.
fn open_telemetry(attribute: &str) -> Option<Named> {
    match attribute {
        "namespace" => Some(Named::Namespace),
        "job" => object("Job"),
        "cronjob"
        | "daemonset"
        | "deployment"
        | "horizontalpodautoscaler"
        | "hpa"
        | "node"
        | "persistentvolume"
        | "persistentvolumeclaim"
        | "pod"
        | "replicaset"
        | "replicationcontroller"
        | "resourcequota"
        | "statefulset" => LABELS.get(attribute).map(|&(kind, place)| Named::Object(kind.into(), place)),
        _ => None,
    }
}

fn object(kind: &str) -> Option<Named> {
    Some(Named::Object(Kind::named(kind)?.into(), 0))
}
