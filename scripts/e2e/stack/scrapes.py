"""How Prometheus finds and labels what it scrapes: the styles of clusters in the field, which give an alert different labels.

Debian's Prometheus is built without the discovery in Kubernetes. What discovery would have found is written down as targets
with the same `__meta_kubernetes_…` labels, so that each style's relabelling is really done.
"""

import dataclasses
import re

import kube
from stack.objects import NODE

# The exporters' Services, by the name of their jobs.
SERVICES = {"kube-state-metrics": "stack-kube-state-metrics", "node-exporter": "stack-prometheus-node-exporter"}
# The labels that tell which Service a target is of.
SERVICE = "namespace, service"
# What the cluster is called, by those who say so.
CLUSTER = "lab"


@dataclasses.dataclass(frozen=True)
class Style:
    """A way to scrape: `honor` as `honor_labels` of exporters, `selectors` as rules there know exporters and Services."""

    name: str
    operator: bool
    honor: bool
    # As Prometheus' own example does: the Service's labels under names that collide with nothing.
    classic: bool = False
    # As kube-prometheus does: targets without the labels that kube-state-metrics has itself.
    drop: bool = False
    # On every alert, such as the name of the cluster.
    external: dict = dataclasses.field(default_factory=dict)

    @property
    def selectors(self):
        """How the rules of such a cluster select an exporter's series."""
        if self.operator:
            return {
                "ksm": 'job="kube-state-metrics"',
                "kubelet": 'job="kubelet", metrics_path="/metrics"',
                "cadvisor": 'job="kubelet", metrics_path="/metrics/cadvisor"',
                "node": 'job="node-exporter"',
                "service": SERVICE,
            }
        endpoints = 'job="kubernetes-service-endpoints"'
        service = "kubernetes_namespace, kubernetes_name" if self.classic else SERVICE
        return {
            "ksm": endpoints,
            "kubelet": 'job="kubernetes-nodes"',
            "cadvisor": 'job="kubernetes-nodes-cadvisor"',
            "node": endpoints,
            "service": service,
        }


STYLES = [
    Style("operator, labels dropped", operator=True, honor=True, drop=True),
    Style("operator", operator=True, honor=True, external={"cluster": CLUSTER, "prometheus": "monitoring/stack"}),
    Style("operator, honorLabels false", operator=True, honor=False),
    Style("annotations", operator=False, honor=True),
    Style("annotations, honor_labels false", operator=False, honor=False),
    Style("annotations, classic labels", operator=False, honor=True, classic=True),
]


def meta(**labels):
    """Labels as discovery gives them."""
    return {f"__meta_kubernetes_{name}": value for name, value in labels.items()}


def service_target(service, pod):
    """One endpoint of a Service, a pod."""
    port = service["spec"]["ports"][0]
    labels = {f"service_label_{re.sub('[^a-zA-Z0-9_]', '_', key)}": value for key, value in service["metadata"]["labels"].items()}
    found = meta(
        namespace=service["metadata"]["namespace"],
        service_name=service["metadata"]["name"],
        endpoint_port_name=port["name"],
        pod_name=pod["metadata"]["name"],
        pod_node_name=pod["spec"]["nodeName"],
        pod_container_name=pod["spec"]["containers"][0]["name"],
        **labels,
    )
    return {"targets": [f"{pod['status']['podIP']}:{port['port']}"], "labels": found}


def service_targets():
    """The exporters, and a Service whose one pod is away."""
    found = []
    for name, service in SERVICES.items():
        service = kube.get("service", service, "--namespace=monitoring")
        pods = kube.get("pods", "--namespace=monitoring", f"--selector=app.kubernetes.io/name={name}")["items"]
        found += [service_target(service, pod) for pod in pods if kube.ready(pod)]
    away = {
        "metadata": {"name": "payments-7d4b9c6f58-x2x4k"},
        "spec": {"nodeName": NODE, "containers": [{"name": "payments"}]},
        # Nobody listens there.
        "status": {"podIP": "127.0.0.1"},
    }
    down = service_target(kube.get("service", "payments", "--namespace=shop"), away)
    return [*found, {**down, "targets": ["127.0.0.1:9"]}]


def copy(source, target):
    """One label from another."""
    return {"source_labels": [source], "target_label": target}


def fixed(target, value):
    """A label of one value."""
    return {"target_label": target, "replacement": value}


def operator_service(style, target):
    """A ServiceMonitor's job, as the Prometheus operator writes it."""
    name = target["labels"]["__meta_kubernetes_service_label_app_kubernetes_io_name"]
    relabel = [
        copy("__meta_kubernetes_namespace", "namespace"),
        copy("__meta_kubernetes_service_name", "service"),
        copy("__meta_kubernetes_pod_name", "pod"),
        copy("__meta_kubernetes_pod_container_name", "container"),
        copy("__meta_kubernetes_service_label_app_kubernetes_io_name", "job"),
        copy("__meta_kubernetes_endpoint_port_name", "endpoint"),
    ]
    if style.drop and name == "kube-state-metrics":
        relabel.append({"action": "labeldrop", "regex": "(pod|service|endpoint|namespace)"})
    if style.drop and name == "node-exporter":
        relabel.append(copy("__meta_kubernetes_pod_node_name", "instance"))
    # As in the charts: node-exporter's own labels collide with nothing, and are not honored.
    honor = style.honor and name == "kube-state-metrics"
    return {"job_name": f"serviceMonitor/monitoring/{name}/0", "honor_labels": honor, "static_configs": [target], "relabel_configs": relabel}


def operator_kubelet(path, access):
    """The kubelet's ServiceMonitor, once for each path."""
    labels = {
        "job": "kubelet",
        "namespace": "kube-system",
        "service": "kubelet",
        "endpoint": "https-metrics",
        "node": NODE,
        "instance": f"{access['node_address']}:10250",
        "metrics_path": path,
    }
    targets = [{"targets": [access["server"]], "labels": labels}]
    return {"job_name": f"serviceMonitor/monitoring/kubelet{path}", "honor_labels": True, **through_api(path, access), "static_configs": targets}


def annotation_services(style, targets):
    """One job for every Service that is annotated to be scraped."""
    names = ("kubernetes_namespace", "kubernetes_name", "kubernetes_node") if style.classic else ("namespace", "service", "node")
    found = ("__meta_kubernetes_namespace", "__meta_kubernetes_service_name", "__meta_kubernetes_pod_node_name")
    relabel = [{"action": "labelmap", "regex": "__meta_kubernetes_service_label_(.+)"}, *map(copy, found, names)]
    return {"job_name": "kubernetes-service-endpoints", "honor_labels": style.honor, "static_configs": targets, "relabel_configs": relabel}


def annotation_kubelet(job, path, access):
    """The kubelets, each with its node's own labels."""
    node = kube.get("node", NODE)
    labels = {re.sub("[^a-zA-Z0-9_]", "_", key): value for key, value in node["metadata"]["labels"].items()}
    targets = [{"targets": [access["server"]], "labels": {**labels, "instance": NODE}}]
    return {"job_name": job, **through_api(path, access), "static_configs": targets}


def through_api(path, access):
    """Options that reach a kubelet's path by way of the API server."""
    return {
        "scheme": "https",
        "tls_config": {"ca_file": access["ca_file"]},
        "authorization": {"credentials_file": access["credentials_file"]},
        "metrics_path": f"/api/v1/nodes/{NODE}/proxy{path}",
    }


def scrape_configs(style, access):
    """Prometheus' jobs in this style; `access` tells how the API server is reached."""
    services = service_targets()
    if style.operator:
        paths = ["/metrics", "/metrics/cadvisor"]
        return [*(operator_service(style, one) for one in services), *(operator_kubelet(path, access) for path in paths)]
    return [
        annotation_services(style, services),
        annotation_kubelet("kubernetes-nodes", "/metrics", access),
        annotation_kubelet("kubernetes-nodes-cadvisor", "/metrics/cadvisor", access),
    ]
