//! The built-in kinds that a signal can be about.

use kube::core::{ApiResource, GroupVersionKind};

/// How strongly a label speaks for its kind when an alert names several resources (contract, Signals).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// What is repaired: workload controllers, nodes, volume claims.
    Controller,
    /// What belongs to such a resource or to the cluster.
    Managed,
    /// What a controller replaces at any time.
    Leaf,
}

/// A kind of the Kubernetes API, ordered by name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    /// CamelCase.
    pub(crate) name: &'static str,
    /// Empty for the core group.
    pub(crate) group: &'static str,
    /// Served by every supported Kubernetes version.
    pub(crate) version: &'static str,
    /// Plural, as in the API's paths and in RBAC rules.
    pub(crate) plural: &'static str,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
    /// Against other kinds named by the same alert.
    pub(crate) rank: Rank,
    /// The labels that name such an object, the usual spelling first; those of kube-state-metrics.
    pub(crate) labels: &'static [&'static str],
    /// Whether its controller is looked for: the others are the end of every owner chain.
    pub(crate) owned: bool,
}

const fn namespaced(
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    rank: Rank,
    labels: &'static [&'static str],
) -> Kind {
    let version = match group.as_bytes() {
        b"autoscaling" => "v2",
        _ => "v1",
    };
    Kind { name, group, version, plural, namespaced: true, rank, labels, owned: false }
}

const fn cluster_scoped(
    group: &'static str,
    name: &'static str,
    plural: &'static str,
    rank: Rank,
    labels: &'static [&'static str],
) -> Kind {
    Kind { namespaced: false, ..namespaced(group, name, plural, rank, labels) }
}

const fn owned(kind: Kind) -> Kind {
    Kind { owned: true, ..kind }
}

use Rank::{Controller, Leaf, Managed};

/// All kinds, by name: the order breaks ties.
///
/// `job`, `service`, `instance`, `endpoint`, `container` and `namespace` describe where Prometheus scraped, and are never
/// a target. `role`, `lease` and `secret` are left out too: other exporters use these words for other things, and reading
/// Secrets is a permission that this gateway does without.
pub(crate) static KINDS: [Kind; 24] = [
    namespaced("", "ConfigMap", "configmaps", Managed, &["configmap"]),
    namespaced("batch", "CronJob", "cronjobs", Controller, &["cronjob"]),
    namespaced("apps", "DaemonSet", "daemonsets", Controller, &["daemonset"]),
    namespaced("apps", "Deployment", "deployments", Controller, &["deployment"]),
    namespaced("discovery.k8s.io", "EndpointSlice", "endpointslices", Managed, &["endpointslice"]),
    namespaced(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        Controller,
        &["horizontalpodautoscaler", "hpa"],
    ),
    namespaced("networking.k8s.io", "Ingress", "ingresses", Managed, &["ingress"]),
    owned(namespaced("batch", "Job", "jobs", Controller, &["job_name"])),
    namespaced("", "LimitRange", "limitranges", Managed, &["limitrange"]),
    cluster_scoped("", "Namespace", "namespaces", Managed, &[]),
    namespaced("networking.k8s.io", "NetworkPolicy", "networkpolicies", Managed, &["networkpolicy"]),
    cluster_scoped("", "Node", "nodes", Controller, &["node"]),
    cluster_scoped("", "PersistentVolume", "persistentvolumes", Managed, &["persistentvolume"]),
    namespaced("", "PersistentVolumeClaim", "persistentvolumeclaims", Controller, &["persistentvolumeclaim"]),
    owned(namespaced("", "Pod", "pods", Leaf, &["pod", "pod_name"])),
    namespaced("policy", "PodDisruptionBudget", "poddisruptionbudgets", Managed, &["poddisruptionbudget"]),
    owned(namespaced("apps", "ReplicaSet", "replicasets", Leaf, &["replicaset"])),
    namespaced("", "ReplicationController", "replicationcontrollers", Controller, &["replicationcontroller"]),
    namespaced("", "ResourceQuota", "resourcequotas", Managed, &["resourcequota"]),
    namespaced("", "Service", "services", Managed, &[]),
    namespaced("", "ServiceAccount", "serviceaccounts", Managed, &["serviceaccount"]),
    namespaced("apps", "StatefulSet", "statefulsets", Controller, &["statefulset"]),
    cluster_scoped("storage.k8s.io", "StorageClass", "storageclasses", Managed, &["storageclass"]),
    cluster_scoped("storage.k8s.io", "VolumeAttachment", "volumeattachments", Managed, &["volumeattachment"]),
];

impl Kind {
    /// The kind called `name`, if this gateway knows it.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.binary_search_by(|kind| kind.name.cmp(name)).ok().and_then(|index| KINDS.get(index))
    }

    /// The kind that `api_version` (of any version) and `name` mean; an empty `api_version` means the built-in one.
    pub(crate) fn of(api_version: &str, name: &str) -> Option<&'static Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self::named(name).filter(|kind| api_version.is_empty() || kind.group == group)
    }

    /// Whether a controller of this kind stands for its pods: the kinds that Kubernetes itself runs workloads with.
    ///
    /// A Node, which is the controller of its static pods, is none: it would make one incident of all of them.
    pub(crate) fn controls_pods(&self) -> bool {
        const WORKLOADS: [&str; 7] =
            ["CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"];
        WORKLOADS.contains(&self.name)
    }

    /// `group/version`, or the version alone in the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// As kube addresses it.
    pub(crate) fn resource(&self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(self.group, self.version, self.name);
        ApiResource::from_gvk_with_plural(&gvk, self.plural)
    }
}
