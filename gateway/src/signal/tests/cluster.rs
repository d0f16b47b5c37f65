//! Random clusters: workloads of each kind with what they own, whose names are alike as far as Kubernetes allows it.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::select};

use super::world::World;

/// The namespaces of the workloads.
pub(super) const NAMESPACES: [&str; 3] = ["shop", "store", "monitoring"];
/// Where the monitoring itself runs.
pub(super) const MONITORING: &str = "monitoring";
/// The pod of kube-state-metrics, of the Service with its name.
pub(super) const STATE_METRICS_POD: &str = "stack-kube-state-metrics-6c9d4f7b8-x2k4q";
pub(super) const STATE_METRICS: &str = "stack-kube-state-metrics";
/// Nodes with their addresses.
pub(super) const NODES: [(&str, &str); 3] = [("worker-1", "10.0.0.1"), ("web", "10.0.0.2"), ("api-0", "fd00::3")];
/// The claim in each namespace.
pub(super) const CLAIM: &str = "data-db-0";

/// What runs pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Deployment,
    /// A controller that the gateway does not know, over ReplicaSets.
    Rollout,
    StatefulSet,
    DaemonSet,
    CronJob,
    Job,
    ReplicationController,
    /// One that it does not know, over a ReplicationController.
    DeploymentConfig,
    /// One that it does not know, over pods.
    PodSet,
    Bare,
    /// A static pod, whose controller is its node.
    Static,
}

use Family::*;

const FAMILIES: [Family; 11] = [
    Deployment,
    Rollout,
    StatefulSet,
    DaemonSet,
    CronJob,
    Job,
    ReplicationController,
    DeploymentConfig,
    PodSet,
    Bare,
    Static,
];

/// A workload with its pods.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) family: Family,
    pub(super) namespace: &'static str,
    pub(super) name: String,
    /// The ReplicaSet, Job or ReplicationController between it and its pods.
    pub(super) between: Option<String>,
    pub(super) pods: Vec<String>,
}

/// (apiVersion, kind, plural)
type Resource = (&'static str, &'static str, &'static str);

/// (apiVersion, kind, name)
type Controller<'a> = (&'a str, &'a str, &'a str);

const REPLICASET: Resource = ("apps/v1", "ReplicaSet", "replicasets");
const JOB: Resource = ("batch/v1", "Job", "jobs");
const CONTROLLER: Resource = ("v1", "ReplicationController", "replicationcontrollers");
const POD: Resource = ("v1", "Pod", "pods");

impl Workload {
    fn new(place: usize, family: Family, namespace: &'static str, name: &str, pods: usize) -> Self {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let letter = |at: usize| char::from(ALPHABET[at % ALPHABET.len()]);
        let between = match family {
            Deployment | Rollout => Some(format!("{name}-7d9f8b6c{}", letter(place))),
            CronJob => Some(format!("{name}-2941{:04}", place)),
            DeploymentConfig => Some(format!("{name}-1")),
            _ => None,
        };
        let owner = between.as_deref().unwrap_or(name);
        let pods = (0..pods).map(|pod| match family {
            StatefulSet | PodSet => format!("{owner}-{pod}"),
            Static => format!("{owner}-{}", NODES[pod].0),
            Bare => owner.to_owned(),
            _ => format!("{owner}-x2k{}{}", letter(place), letter(pod)),
        });
        let pods = pods.take(if family == Bare { 1 } else { usize::MAX }).collect();
        Self { family, namespace, name: name.to_owned(), between, pods }
    }

    /// What it is in the API; none where its pods stand for themselves.
    pub(super) fn resource(&self) -> Option<Resource> {
        Some(match self.family {
            Deployment => ("apps/v1", "Deployment", "deployments"),
            Rollout => ("argoproj.io/v1alpha1", "Rollout", "rollouts"),
            StatefulSet => ("apps/v1", "StatefulSet", "statefulsets"),
            DaemonSet => ("apps/v1", "DaemonSet", "daemonsets"),
            CronJob => ("batch/v1", "CronJob", "cronjobs"),
            Job => JOB,
            ReplicationController => CONTROLLER,
            DeploymentConfig => ("apps.openshift.io/v1", "DeploymentConfig", "deploymentconfigs"),
            PodSet => ("core.strimzi.io/v1beta2", "StrimziPodSet", "strimzipodsets"),
            Bare | Static => return None,
        })
    }

    pub(super) fn between_resource(&self) -> Option<Resource> {
        match self.family {
            Deployment | Rollout => Some(REPLICASET),
            CronJob => Some(JOB),
            DeploymentConfig => Some(CONTROLLER),
            _ => None,
        }
    }

    /// What alerts on its pod at `place` are about, as `Kind namespace/name`.
    pub(super) fn target(&self, place: usize) -> String {
        match self.resource() {
            Some((_, kind, _)) => format!("{kind} {}/{}", self.namespace, self.name),
            None => format!("Pod {}/{}", self.namespace, self.pods[place]),
        }
    }

    fn path(&self, (version, _, plural): Resource, name: &str) -> String {
        let api = if version == "v1" { "api/v1".to_owned() } else { format!("apis/{version}") };
        format!("{api}/namespaces/{}/{plural}/{name}", self.namespace)
    }

    /// The paths of all its objects, each with its controller.
    pub(super) fn objects(&self) -> Vec<(String, Option<Controller<'_>>)> {
        let top = self.resource().map(|resource| (resource, &*self.name));
        let between = self.between_resource().zip(self.between.as_deref());
        let reference = |(resource, name): (Resource, _)| (resource.0, resource.1, name);
        let mut objects = Vec::new();
        objects.extend(top.map(|(resource, name)| (self.path(resource, name), None)));
        objects.extend(between.map(|(resource, name)| (self.path(resource, name), top.map(reference))));
        let controller = between.or(top).map(reference);
        let node = (self.family == Static).then_some(("v1", "Node", "worker-1"));
        objects.extend(self.pods.iter().map(|pod| (self.path(POD, pod), controller.or(node))));
        objects
    }
}

/// What runs in a cluster.
pub(super) fn workloads() -> impl Strategy<Value = Vec<Workload>> {
    let names = vec!["web", "api", "web-api", "web-7d9f8b6cd", "web-29410080", "web-1", "kube-state-metrics"];
    let workload = (select(FAMILIES.to_vec()), select(NAMESPACES.to_vec()), select(names), 1..=3_usize);
    vec(workload, 1..12).prop_map(|drawn| {
        let mut taken = BTreeSet::new();
        let mut workloads = Vec::new();
        for (place, (family, namespace, name, pods)) in drawn.into_iter().enumerate() {
            let workload = Workload::new(place, family, namespace, name, pods);
            let paths: Vec<_> = workload.objects().into_iter().map(|(path, _)| path).collect();
            if paths.iter().all(|path| !taken.contains(path)) {
                taken.extend(paths);
                workloads.push(workload);
            }
        }
        workloads
    })
}

/// Puts the objects of the cluster into `world`, in the order that `keys` give.
pub(super) fn build(world: &World, workloads: &[Workload], keys: &[u8]) {
    let mut objects: Vec<_> = workloads.iter().flat_map(Workload::objects).collect();
    let key = |place: usize| keys.get(place % keys.len().max(1)).copied().unwrap_or_default();
    let mut order: Vec<_> = (0..objects.len()).collect();
    order.sort_by_key(|&place| key(place));
    for place in order {
        let (path, controller) = std::mem::take(&mut objects[place]);
        world.put(&path, controller, false);
    }
    for namespace in NAMESPACES.into_iter().chain(["kube-system", "observability"]) {
        world.put(&format!("api/v1/namespaces/{namespace}"), None, false);
        world.put(&format!("api/v1/namespaces/{namespace}/persistentvolumeclaims/{CLAIM}"), None, false);
    }
    for (name, address) in NODES {
        world.put_node(name, &[address]);
    }
    let replicaset = STATE_METRICS_POD.rsplit_once('-').unwrap().0;
    let path = |api: &str, plural: &str, name: &str| format!("{api}/namespaces/{MONITORING}/{plural}/{name}");
    world.put(&path("api/v1", "services", STATE_METRICS), None, false);
    world.put(&path("apis/apps/v1", "deployments", STATE_METRICS), None, false);
    let deployment = ("apps/v1", "Deployment", STATE_METRICS);
    world.put(&path("apis/apps/v1", "replicasets", replicaset), Some(deployment), false);
    world.put(&path("api/v1", "pods", STATE_METRICS_POD), Some(("apps/v1", "ReplicaSet", replicaset)), false);
}
