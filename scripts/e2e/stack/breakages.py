"""What is broken, how, and which resource every alert about it must be said to be about."""

import dataclasses

from stack.objects import (
    DEAF,
    HASHED,
    LOST_NODE,
    NODE,
    ORDINAL,
    RANDOM,
    ROLLOUTS,
    claim,
    local_volume,
    manifest,
    pod,
    shell,
    workload,
)


@dataclasses.dataclass(frozen=True)
class Breakage:
    """One broken thing.

    `target` is what the gateway must choose, as `Kind namespace/name`; `Alert namespace/*` is the alert itself, `ignored`
    none. `names` says by label which values name it, as a regular expression; `alerts` are those that must fire. The first of
    `objects` controls those of `owned`. Alerts of `untold` have too few labels to tell their subject.
    """

    what: str
    target: str
    names: dict
    alerts: list
    objects: list = dataclasses.field(default_factory=list)
    owned: list = dataclasses.field(default_factory=list)
    untold: tuple = ()


def pods():
    """Workloads whose pods do not do their work."""
    once = {"restartPolicy": "Never"}
    failing = {"backoffLimit": 0, "template": {"spec": shell("work", "exit 1", **once)}}
    return [
        Breakage(
            "a container that ends again and again",
            "Deployment shop/checkout",
            {"pod": "checkout" + HASHED, "deployment": "checkout"},
            ["KubePodCrashLooping", "KubeDeploymentReplicasMismatch"],
            [workload("Deployment", "checkout", shell("checkout", "exit 3"))],
        ),
        Breakage(
            "an image that cannot be pulled",
            "Deployment shop/catalog",
            {"pod": "catalog" + HASHED, "deployment": "catalog"},
            ["KubeContainerWaiting", "KubePodNotReady"],
            [workload("Deployment", "catalog", pod("catalog", {"image": "localhost/no-such-image:1"}))],
        ),
        Breakage(
            "a container killed for its memory",
            "StatefulSet shop/cache",
            {"pod": "cache" + ORDINAL, "statefulset": "cache"},
            ["ContainerOomKilled", "KubePodCrashLooping"],
            [workload("StatefulSet", "cache", shell("cache", "exec tail /dev/zero", {"limits": {"memory": "16Mi"}}), serviceName="cache")],
        ),
        Breakage(
            "a container that wants more CPU than it may have",
            "Deployment shop/encoder",
            {"pod": "encoder" + HASHED},
            ["CPUThrottlingHigh"],
            [workload("Deployment", "encoder", shell("encoder", "while :; do :; done", {"limits": {"cpu": "20m"}}))],
        ),
        Breakage(
            "a Job of a CronJob that failed",
            "CronJob shop/report",
            {"job_name": "report-[0-9]+", "pod": "report-[0-9]+" + RANDOM},
            ["KubeJobFailed"],
            [manifest("CronJob", "report", {"schedule": "* * * * *", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": failing}})],
        ),
        Breakage(
            "a Job of nobody that failed",
            "Job shop/migrate",
            {"job_name": "migrate", "pod": "migrate" + RANDOM},
            ["KubeJobFailed"],
            [manifest("Job", "migrate", failing)],
        ),
        Breakage(
            "a Deployment without its replicas",
            "Deployment shop/search",
            {"deployment": "search", "pod": "search" + HASHED},
            ["KubeDeploymentReplicasMismatch", "KubePodNotReady"],
            [workload("Deployment", "search", pod("search", DEAF), replicas=2)],
        ),
        Breakage(
            "a StatefulSet without its replicas",
            "StatefulSet shop/orders",
            {"statefulset": "orders", "pod": "orders" + ORDINAL},
            ["KubeStatefulSetReplicasMismatch", "KubePodNotReady"],
            [workload("StatefulSet", "orders", pod("orders", DEAF), serviceName="orders")],
        ),
        Breakage(
            "a DaemonSet without its replicas",
            "DaemonSet shop/agent",
            {"daemonset": "agent", "pod": "agent" + RANDOM},
            ["KubeDaemonSetRolloutStuck", "KubePodNotReady"],
            [workload("DaemonSet", "agent", pod("agent", DEAF))],
        ),
        Breakage(
            "a ReplicationController's pod that is not ready",
            "ReplicationController shop/legacy",
            {"pod": "legacy" + RANDOM},
            ["KubePodNotReady"],
            [workload("ReplicationController", "legacy", pod("legacy", DEAF), replicas=1)],
        ),
        # Their pods are gone when the alert comes: see `lab.vanish`. A pod with a node needs no scheduler, which would refuse.
        Breakage(
            "a Deployment's pod that is gone",
            "Deployment shop/worker",
            {"pod": "worker" + HASHED, "deployment": "worker"},
            ["KubePodNeverReady"],
            [workload("Deployment", "worker", pod("worker", DEAF, nodeName=NODE))],
        ),
        Breakage(
            "a DaemonSet's pod that is gone",
            "DaemonSet shop/relay",
            {"pod": "relay" + RANDOM, "daemonset": "relay"},
            ["KubePodNeverReady"],
            [workload("DaemonSet", "relay", pod("relay", DEAF))],
        ),
        Breakage(
            "a pod of a controller that is not Kubernetes' own",
            "Rollout shop/canary",
            {"pod": "canary" + HASHED},
            ["KubePodNotReady"],
            [manifest("Rollout", "canary", {"replicas": 1})],
            [workload("ReplicaSet", "canary-6b7f9c5d84", pod("canary", DEAF), replicas=1)],
        ),
        Breakage(
            "an exporter that is not ready",
            "Deployment monitoring/pushgateway",
            {"pod": "pushgateway" + HASHED, "deployment": "pushgateway"},
            ["KubeDeploymentReplicasMismatch", "KubePodNotReady"],
            [workload("Deployment", "pushgateway", pod("pushgateway", DEAF), namespace="monitoring")],
        ),
        Breakage(
            "a node-exporter that is not ready",
            "DaemonSet monitoring/edge-prometheus-node-exporter",
            {"pod": "edge-prometheus-node-exporter" + RANDOM, "daemonset": "edge-prometheus-node-exporter"},
            ["KubeDaemonSetRolloutStuck", "KubePodNotReady"],
            [workload("DaemonSet", "edge-prometheus-node-exporter", pod("node-exporter", DEAF), namespace="monitoring")],
        ),
        # Without its uid, such a pod is the one that measures as well as the one that was measured.
        Breakage(
            "a kube-state-metrics that is not ready",
            "Deployment monitoring/edge-kube-state-metrics",
            {"pod": "edge-kube-state-metrics" + HASHED, "deployment": "edge-kube-state-metrics"},
            ["KubeDeploymentReplicasMismatch", "KubePodNeverReady"],
            [workload("Deployment", "edge-kube-state-metrics", pod("kube-state-metrics", DEAF), namespace="monitoring")],
            untold=("KubePodNotReady",),
        ),
        Breakage(
            "a pod of nobody that is not ready",
            "Pod shop/debug",
            {"pod": "debug"},
            ["KubePodNotReady"],
            [manifest("Pod", "debug", pod("debug", DEAF))],
        ),
    ]


def first():
    """What must be in place before the rest: a kind, the namespace, and its quota, which counts what is made from then on."""
    version = {"name": "v1alpha1", "served": True, "storage": True}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": "Rollout", "plural": "rollouts"}
    kind = {"group": ROLLOUTS, "scope": "Namespaced", "names": names, "versions": [{**version, "schema": schema}]}
    return [
        manifest("CustomResourceDefinition", f"rollouts.{ROLLOUTS}", kind, namespace=None),
        manifest("Namespace", "shop", namespace=None),
        manifest("ResourceQuota", "team", {"hard": {"services": "1"}}),
    ]


def policies():
    """What limits workloads."""
    front = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "front"}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    return [
        Breakage(
            "an autoscaler at its maximum",
            "HorizontalPodAutoscaler shop/front",
            {"horizontalpodautoscaler": "front"},
            ["KubeHpaMaxedOut"],
            # More replicas than it allows: it scales down to its maximum, for which it needs no metrics.
            [
                workload("Deployment", "front", pod("front"), replicas=3),
                manifest("HorizontalPodAutoscaler", "front", {"scaleTargetRef": front, "minReplicas": 1, "maxReplicas": 2, "metrics": [cpu]}),
            ],
        ),
        Breakage(
            "a disruption budget with too few healthy pods",
            "PodDisruptionBudget shop/search-budget",
            {"poddisruptionbudget": "search-budget"},
            ["KubePdbNotEnoughHealthyPods"],
            [manifest("PodDisruptionBudget", "search-budget", {"minAvailable": 1, "selector": {"matchLabels": {"app": "search"}}})],
        ),
        Breakage(
            "a quota that is used up",
            "ResourceQuota shop/team",
            {"resourcequota": "team"},
            ["KubeQuotaFullyUsed"],
            [manifest("Service", "payments", {"ports": [{"name": "http", "port": 80}]}, metadata={"labels": {"app.kubernetes.io/name": "payments"}})],
        ),
    ]


def storage(folder):
    """Claims and volumes; `folder` holds the file systems that are full."""
    mounts = [{"name": "data", "mountPath": "/data"}]
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "photos"}}]
    return [
        Breakage(
            "a claim whose volume is full",
            "PersistentVolumeClaim shop/photos",
            {"persistentvolumeclaim": "photos"},
            ["KubePersistentVolumeFillingUp"],
            [
                local_volume("full", f"{folder}/full-claim", "photos"),
                claim("photos", "full"),
                workload("Deployment", "album", pod("album", {"volumeMounts": mounts}, volumes=volumes)),
            ],
        ),
        Breakage(
            "a claim that nobody serves",
            "PersistentVolumeClaim shop/invoices",
            {"persistentvolumeclaim": "invoices"},
            ["KubePersistentVolumeClaimPending"],
            [claim("invoices", storage_class="no-such-class")],
        ),
        Breakage(
            "a volume that cannot be reclaimed",
            "PersistentVolume /scratch",
            {"persistentvolume": "scratch"},
            ["KubePersistentVolumeErrors"],
            [local_volume("scratch", f"{folder}/scratch", "scratch"), claim("scratch", "scratch")],
        ),
    ]


def cluster():
    """Nodes, namespaces, and what is measured about no object."""
    return [
        Breakage(
            "a namespace that never goes",
            "Namespace /leaving",
            {"namespace": "leaving"},
            ["KubeNamespaceTerminating"],
            [
                manifest("Namespace", "leaving", namespace=None),
                manifest("ConfigMap", "held", namespace="leaving", metadata={"finalizers": ["e2e.example/held"]}),
            ],
        ),
        Breakage(
            "a node whose kubelet is silent",
            f"Node /{LOST_NODE}",
            {"node": LOST_NODE},
            ["KubeNodeNotReady"],
            [manifest("Node", LOST_NODE, namespace=None, metadata={"labels": {"kubernetes.io/hostname": LOST_NODE}})],
        ),
        # One incident about one node, whatever measures it.
        Breakage(
            "a node that is cordoned, with a full disk and many pods",
            f"Node /{NODE}",
            {"node": NODE, "instance": r"(node1|10\.254\.0\.1:\d+)"},
            ["KubeNodeCordoned", "NodeFilesystemAlmostOutOfSpace", "KubeletTooManyPods", "KubeletRunningManyContainers"],
        ),
        Breakage("a Service that cannot be scraped", "Alert shop/*", {"service": "payments"}, ["TargetDown"]),
        Breakage("a component that nobody scrapes", "Alert default/*", {"alertname": "KubeSchedulerDown"}, ["KubeSchedulerDown"]),
        Breakage("nothing: the alert that always fires", "ignored", {"alertname": "Watchdog"}, ["Watchdog"]),
    ]


def breakages(folder):
    """All of them."""
    return [*pods(), *policies(), *storage(folder), *cluster()]
