"""Alerting rules with the aggregations, and so the labels, of those that most clusters run, but soon firing."""

import dataclasses
import string

PENDING = "4s"


@dataclasses.dataclass(frozen=True)
class Rule:
    """An alert; `subject` is the label that names what it is about.

    In `expr`, $ksm, $kubelet, $cadvisor and $node select the series of an exporter, and $service are the labels that tell a
    target's Service. `by_namespace` says that it is aggregated by the plain label, which is the exporter's own where a scrape
    has honor_labels false: nobody can know the subject then.
    """

    alert: str
    subject: str
    expr: str
    by_namespace: bool = False
    severity: str = "warning"


NOT_READY = """
sum by (namespace, pod, job, cluster) (
  max by (namespace, pod, job, cluster) (
    (kube_pod_status_phase{$ksm, phase=~"Pending|Unknown"} == 1)
    or (kube_pod_status_phase{$ksm, phase="Running"} == 1 and on (namespace, pod, cluster) kube_pod_status_ready{$ksm, condition="true"} == 0)
  )
  * on (namespace, pod, cluster) group_left ()
  max by (namespace, pod, cluster) (kube_pod_owner{$ksm, owner_kind!="Job"})
) > 0
"""

QUOTA = """
max without (instance, job, type) (kube_resourcequota{$ksm, type="used"})
/ on (cluster, namespace, resource, resourcequota) group_left ()
max without (instance, job, type) (kube_resourcequota{$ksm, type="hard"} > 0)
== 1
"""

THROTTLED = """
sum without (id, metrics_path, name, image, endpoint, job, node) (increase(container_cpu_cfs_throttled_periods_total{$cadvisor, container!=""}[1m]))
/ on (cluster, namespace, pod, container, instance) group_left ()
sum without (id, metrics_path, name, image, endpoint, job, node) (increase(container_cpu_cfs_periods_total{$cadvisor, container!=""}[1m]))
> 0.25
"""

MANY_PODS = """
max by (cluster, instance) (kubelet_running_pods{$kubelet}) * on (cluster, instance) group_left (node)
max by (cluster, instance, node) (kubelet_node_name{$kubelet})
> 10
"""

DAEMON_SET = """
kube_daemonset_status_number_available{$ksm} != kube_daemonset_status_desired_number_scheduled{$ksm}
and changes(kube_daemonset_status_updated_number_scheduled{$ksm}[30s]) == 0
"""

DEPLOYMENT = """
kube_deployment_spec_replicas{$ksm} > kube_deployment_status_replicas_available{$ksm}
and changes(kube_deployment_status_replicas_updated{$ksm}[30s]) == 0
"""

STATEFUL_SET = """
kube_statefulset_status_replicas_ready{$ksm} != kube_statefulset_replicas{$ksm}
and changes(kube_statefulset_status_replicas_updated{$ksm}[30s]) == 0
"""

MAXED_OUT = """
kube_horizontalpodautoscaler_status_current_replicas{$ksm} == kube_horizontalpodautoscaler_spec_max_replicas{$ksm}
and on (namespace, horizontalpodautoscaler, cluster)
kube_horizontalpodautoscaler_spec_max_replicas{$ksm} != kube_horizontalpodautoscaler_spec_min_replicas{$ksm}
"""

NODE_NOT_READY = """
kube_node_status_condition{$ksm, condition="Ready", status="true"} == 0
and on (cluster, node) kube_node_spec_unschedulable{$ksm} == 0
"""

TARGET_DOWN = "100 * (count by (cluster, job, $service) (up == 0) / count by (cluster, job, $service) (up)) > 10"

RULES = [
    Rule("KubePodCrashLooping", "pod", 'max_over_time(kube_pod_container_status_waiting_reason{$ksm, reason="CrashLoopBackOff"}[1m]) >= 1'),
    Rule("KubeContainerWaiting", "pod", 'kube_pod_container_status_waiting_reason{$ksm, reason!="CrashLoopBackOff"} > 0'),
    Rule("ContainerOomKilled", "pod", 'kube_pod_container_status_last_terminated_reason{$ksm, reason="OOMKilled"} == 1'),
    Rule("KubePodNeverReady", "pod", 'max_over_time(kube_pod_status_ready{$ksm, condition="true"}[1m]) == 0'),
    Rule("KubePodNotReady", "pod", NOT_READY, by_namespace=True),
    Rule("CPUThrottlingHigh", "pod", THROTTLED, severity="info"),
    Rule("KubeJobFailed", "job_name", "kube_job_failed{$ksm} > 0"),
    Rule("KubeDeploymentReplicasMismatch", "deployment", DEPLOYMENT),
    Rule("KubeStatefulSetReplicasMismatch", "statefulset", STATEFUL_SET),
    Rule("KubeDaemonSetRolloutStuck", "daemonset", DAEMON_SET),
    Rule("KubeHpaMaxedOut", "horizontalpodautoscaler", MAXED_OUT),
    Rule(
        "KubePdbNotEnoughHealthyPods",
        "poddisruptionbudget",
        "(kube_poddisruptionbudget_status_desired_healthy{$ksm} - kube_poddisruptionbudget_status_current_healthy{$ksm}) > 0",
    ),
    Rule("KubeQuotaFullyUsed", "resourcequota", QUOTA, severity="info"),
    Rule(
        "KubePersistentVolumeFillingUp",
        "persistentvolumeclaim",
        "kubelet_volume_stats_available_bytes{$kubelet} / kubelet_volume_stats_capacity_bytes{$kubelet} < 0.03 and kubelet_volume_stats_used_bytes{$kubelet} > 0",
        severity="critical",
    ),
    Rule("KubePersistentVolumeClaimPending", "persistentvolumeclaim", 'kube_persistentvolumeclaim_status_phase{$ksm, phase="Pending"} == 1'),
    Rule("KubePersistentVolumeErrors", "persistentvolume", 'kube_persistentvolume_status_phase{$ksm, phase=~"Failed|Pending"} > 0', severity="critical"),
    Rule("KubeNamespaceTerminating", "namespace", 'kube_namespace_status_phase{$ksm, phase="Terminating"} == 1'),
    Rule("KubeNodeNotReady", "node", NODE_NOT_READY),
    Rule("KubeNodeCordoned", "node", "kube_node_spec_unschedulable{$ksm} == 1"),
    Rule("KubeletTooManyPods", "instance", MANY_PODS, severity="info"),
    Rule("KubeletRunningManyContainers", "instance", 'kubelet_running_containers{$kubelet, container_state="running"} > 10', severity="info"),
    Rule(
        "NodeFilesystemAlmostOutOfSpace",
        "instance",
        'node_filesystem_avail_bytes{$node, fstype!=""} / node_filesystem_size_bytes{$node, fstype!=""} * 100 < 3 and node_filesystem_readonly{$node, fstype!=""} == 0',
    ),
    Rule("TargetDown", "service", TARGET_DOWN),
    Rule("KubeSchedulerDown", "alertname", 'absent(up{job="kube-scheduler"} == 1)', severity="critical"),
    Rule("Watchdog", "alertname", "vector(1)", severity="none"),
]


def groups(selectors):
    """The rules as Prometheus reads them, for a style whose exporters are selected so."""

    def rule(one):
        expr = " ".join(string.Template(one.expr).substitute(selectors).split())
        return {"alert": one.alert, "expr": expr, "for": PENDING, "labels": {"severity": one.severity}}

    return {"groups": [{"name": "stack", "interval": "2s", "rules": [rule(one) for one in RULES]}]}
