//! The kinds that a signal can be about: built-in ones, and those that the operator adds.

use std::{borrow::Cow, ops::Deref, sync::Arc};

use kube::core::{ApiResource, GroupVersionKind};

use crate::config::TargetKind;

/// How strongly a label speaks for its kind when an alert names several resources (contract, Signals).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// What the operator's own labels name.
    Custom,
    /// What runs pods.
    Workload,
    /// What else is repaired: volume claims, autoscalers.
    Subject,
    /// What belongs to such a resource or to the cluster.
    Managed,
    /// What a controller replaces at any time.
    Leaf,
    /// Where something runs: a Node is meant only where nothing else is named.
    Place,
}

/// A kind of the Kubernetes API, ordered by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    /// In CamelCase, such as `VirtualMachine`.
    pub(crate) name: Cow<'static, str>,
    /// Empty for the core group.
    pub(crate) group: Cow<'static, str>,
    /// Served by every supported Kubernetes version.
    pub(crate) version: Cow<'static, str>,
    /// Plural, as in the API's paths and in RBAC rules.
    pub(crate) plural: Cow<'static, str>,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
    /// Against other kinds named by the same alert.
    pub(crate) rank: Rank,
    /// The labels of kube-state-metrics that name such an object, the usual spelling first; none for the operator's.
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
    Kind {
        name: Cow::Borrowed(name),
        group: Cow::Borrowed(group),
        version: Cow::Borrowed(version),
        plural: Cow::Borrowed(plural),
        namespaced: true,
        rank,
        labels,
        owned: false,
    }
}

const fn cluster_scoped(mut kind: Kind) -> Kind {
    kind.namespaced = false;
    kind
}

const fn owned(mut kind: Kind) -> Kind {
    kind.owned = true;
    kind
}

use Rank::{Leaf, Managed, Place, Subject, Workload};

/// All kinds, by name: the order breaks ties.
///
/// `job`, `service`, `instance`, `endpoint`, `container` and `namespace` describe where Prometheus scraped, and are never
/// a target. `role`, `lease` and `secret` are left out too: other exporters use these words for other things, and reading
/// Secrets is a permission that this gateway does without.
pub(crate) static KINDS: [Kind; 24] = [
    namespaced("", "ConfigMap", "configmaps", Managed, &["configmap"]),
    namespaced("batch", "CronJob", "cronjobs", Workload, &["cronjob"]),
    namespaced("apps", "DaemonSet", "daemonsets", Workload, &["daemonset"]),
    namespaced("apps", "Deployment", "deployments", Workload, &["deployment"]),
    namespaced("discovery.k8s.io", "EndpointSlice", "endpointslices", Managed, &["endpointslice"]),
    namespaced(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        Subject,
        &["horizontalpodautoscaler", "hpa"],
    ),
    namespaced("networking.k8s.io", "Ingress", "ingresses", Managed, &["ingress"]),
    owned(namespaced("batch", "Job", "jobs", Workload, &["job_name"])),
    namespaced("", "LimitRange", "limitranges", Managed, &["limitrange"]),
    cluster_scoped(namespaced("", "Namespace", "namespaces", Managed, &[])),
    namespaced("networking.k8s.io", "NetworkPolicy", "networkpolicies", Managed, &["networkpolicy"]),
    cluster_scoped(namespaced("", "Node", "nodes", Place, &["node"])),
    cluster_scoped(namespaced("", "PersistentVolume", "persistentvolumes", Managed, &["persistentvolume"])),
    namespaced("", "PersistentVolumeClaim", "persistentvolumeclaims", Subject, &["persistentvolumeclaim"]),
    owned(namespaced("", "Pod", "pods", Leaf, &["pod", "pod_name"])),
    namespaced("policy", "PodDisruptionBudget", "poddisruptionbudgets", Managed, &["poddisruptionbudget"]),
    owned(namespaced("apps", "ReplicaSet", "replicasets", Leaf, &["replicaset"])),
    owned(namespaced("", "ReplicationController", "replicationcontrollers", Workload, &["replicationcontroller"])),
    namespaced("", "ResourceQuota", "resourcequotas", Managed, &["resourcequota"]),
    namespaced("", "Service", "services", Managed, &[]),
    namespaced("", "ServiceAccount", "serviceaccounts", Managed, &["serviceaccount"]),
    namespaced("apps", "StatefulSet", "statefulsets", Workload, &["statefulset"]),
    cluster_scoped(namespaced("storage.k8s.io", "StorageClass", "storageclasses", Managed, &["storageclass"])),
    cluster_scoped(namespaced(
        "storage.k8s.io",
        "VolumeAttachment",
        "volumeattachments",
        Managed,
        &["volumeattachment"],
    )),
];

/// The group of `api_version`; empty for the core group.
pub(crate) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

impl Kind {
    /// The built-in kind called `name`, if this gateway knows it.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.binary_search_by(|kind| (*kind.name).cmp(name)).ok().and_then(|index| KINDS.get(index))
    }

    /// The built-in kind that `api_version` (of any version) and `name` mean; an empty `api_version` means the built-in one.
    pub(crate) fn of(api_version: &str, name: &str) -> Option<&'static Self> {
        Self::named(name).filter(|kind| api_version.is_empty() || kind.group == group_of(api_version))
    }

    /// Whether a controller of this kind stands for its pods: the kinds that Kubernetes itself runs workloads with.
    ///
    /// A Node, which is the controller of its static pods, is none: it would make one incident of all of them.
    pub(crate) fn controls_pods(&self) -> bool {
        self.rank == Rank::Workload || self.name == "ReplicaSet"
    }

    /// `group/version`, or the version alone in the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// As kube addresses it.
    pub(crate) fn resource(&self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(&self.group, &self.version, &self.name);
        ApiResource::from_gvk_with_plural(&gvk, &self.plural)
    }
}

/// A built-in kind or one of the operator's.
#[derive(Clone, Debug)]
pub(crate) enum KindRef {
    BuiltIn(&'static Kind),
    Custom(Arc<Kind>),
}

impl KindRef {
    /// The kind that the operator calls `target`: the built-in one if it is that, so that further words for a Pod name Pods
    /// whose owners are followed.
    pub(crate) fn of_target(target: &TargetKind) -> Self {
        let TargetKind { group, version, kind, plural, namespaced } = target.clone();
        if let Some(built_in) = Kind::named(&kind).filter(|built_in| built_in.group == group) {
            return Self::BuiltIn(built_in);
        }
        Self::Custom(Arc::new(Kind {
            name: kind.into(),
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            namespaced,
            rank: Rank::Custom,
            labels: &[],
            owned: false,
        }))
    }

    /// The plural as a label of metrics: the operator's kinds share one.
    pub(crate) fn plural(&self) -> &'static str {
        match self {
            Self::BuiltIn(Kind { plural: Cow::Borrowed(plural), .. }) => plural,
            Self::BuiltIn(_) | Self::Custom(_) => "custom",
        }
    }
}

impl From<&'static Kind> for KindRef {
    fn from(kind: &'static Kind) -> Self {
        Self::BuiltIn(kind)
    }
}

impl Deref for KindRef {
    type Target = Kind;

    fn deref(&self) -> &Kind {
        match self {
            Self::BuiltIn(kind) => kind,
            Self::Custom(kind) => kind,
        }
    }
}

impl PartialEq for KindRef {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for KindRef {}

impl PartialOrd for KindRef {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KindRef {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}
