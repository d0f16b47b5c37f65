"""kubectl, and what the checks ask of it again and again."""

import base64
import collections
import json
import os
import subprocess
import time

from checks import Failed

NAMESPACE = "kubernaut-system"
NEIGHBOURS = "e2e"
SELECTOR = "app.kubernetes.io/name=gateway,app.kubernetes.io/instance=gateway"
SIM_IMAGE = "localhost/signal-gateway-sim:e2e"

# The script of the cluster that is asked; `use` sets it.
_cluster = None

# A command that takes longer than this hangs.
COMMAND_SECONDS = 180


def use(cluster):
    """From now on, kubectl and helm talk to the cluster of this script."""
    global _cluster
    _cluster = cluster
    os.environ["KUBECONFIG"] = run(cluster, "kubeconfig").strip()


def run(*command, stdin=None, check=True):
    """Runs a command; returns what it prints."""
    try:
        done = subprocess.run(
            [str(word) for word in command], input=stdin, capture_output=True, text=True, timeout=COMMAND_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(map(str, command[:6]))} … took longer than {COMMAND_SECONDS} s") from error
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def kubectl(*arguments, stdin=None, check=True):
    """kubectl's output."""
    return run(_cluster, "kubectl", *arguments, stdin=stdin, check=check)


def get(*arguments):
    """kubectl get, parsed."""
    return json.loads(kubectl("get", *arguments, "--output=json"))


def raw(path):
    """The answer of the API server to a GET."""
    return kubectl("get", "--raw", path)


def server():
    """The API server's address, and the certificates of its authority."""
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
    cluster = config["clusters"][0]["cluster"]
    return cluster["server"], base64.b64decode(cluster["certificate-authority-data"]).decode()


def token(account):
    """A token of a service account of the neighbours' namespace."""
    return kubectl("create", "token", account, f"--namespace={NEIGHBOURS}", "--duration=1h").strip()


def cluster_ip(name, namespace):
    """The Service's address."""
    return get("service", name, f"--namespace={namespace}")["spec"]["clusterIP"]


def ready(pod):
    """Whether the pod is ready and not on its way out."""
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def gateway_pods():
    """The gateway's pods that are not on their way out."""
    pods = get("pods", f"--namespace={NAMESPACE}", f"--selector={SELECTOR}")["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def names(pods):
    """Their names."""
    return [pod["metadata"]["name"] for pod in pods]


def metrics_path(pod_name):
    """Where the API server passes on to the pod's metrics."""
    return f"/api/v1/namespaces/{NAMESPACE}/pods/{pod_name}:9090/proxy/metrics"


def metrics(pod_name):
    """What the pod's metrics port says."""
    return raw(metrics_path(pod_name))


def total(text, metric):
    """The sum of a metric over its labels; None if it is not there."""
    values = [
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith((metric + " ", metric + "{"))
    ]
    return sum(values) if values else None


def remediation_requests(prefix=""):
    """By the name of the resource they are about, as far as it begins with `prefix`: what each of them counted."""
    found = collections.defaultdict(list)
    for item in get("remediationrequests", f"--namespace={NAMESPACE}")["items"]:
        target = item["spec"]["targetResource"]["name"]
        if target.startswith(prefix):
            found[target].append(item["status"]["deduplication"]["occurrenceCount"] if "status" in item else 1)
    return dict(found)


def audit_report():
    """What DataStorage received."""
    return json.loads(raw(f"/api/v1/namespaces/{NEIGHBOURS}/services/datastorage:8080/proxy/report"))


class Load:
    """A Job in the cluster that sends signals to the gateway's Service."""

    def __init__(self, name, *options):
        self.name = name
        url = f"http://{cluster_ip('gateway', NAMESPACE)}:8080"
        token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        arguments = ["load", "--json", "--url", url, "--prefix", name, "--token-file", token_file, *map(str, options)]
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": NEIGHBOURS},
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "spec": {
                        "serviceAccountName": "sender",
                        "restartPolicy": "Never",
                        "containers": [
                            {"name": "load", "image": SIM_IMAGE, "imagePullPolicy": "Never", "args": arguments}
                        ],
                    }
                },
            },
        }
        kubectl("create", "--filename=-", stdin=json.dumps(job))

    def ended(self):
        """Whether it has."""
        status = get("job", self.name, f"--namespace={NEIGHBOURS}")["status"]
        return bool(status.get("succeeded") or status.get("failed"))

    def result(self, seconds):
        """What it prints, once it has ended."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > deadline:
                raise Failed(f"the load {self.name} did not end within {seconds} s")
            time.sleep(0.3)
        text = kubectl("logs", f"--namespace={NEIGHBOURS}", f"job/{self.name}")
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise Failed(f"the load {self.name} failed: {text}") from error


def log_lines(pod_name):
    """The pod's log; lines that are no JSON are (panics, say) as {"level": "ERROR"}."""
    lines = []
    for line in kubectl("logs", f"--namespace={NAMESPACE}", pod_name).splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            lines.append({"level": "ERROR", "message": line})
    return lines
