"""The cluster in which things are broken, and the Prometheus that sees it."""

import json
import os
import pathlib
import shutil
import string
import subprocess
import time

import deploy
import kube
from checks import Failed, eventually, say
from monitoring import Monitoring
from stack import rules, scrapes
from stack.breakages import breakages, first
from stack.objects import LOST_NODE, NODE, ROLLOUTS

HERE = pathlib.Path(__file__).resolve().parent
EXPORTER = "prometheus-node-exporter"
# Of the file systems that are full.
FULL_MIB = 4


def node_exporter():
    """The folder of node-exporter's binary: the host's, else from Debian's package, unpacked without installing its service."""
    found = shutil.which(EXPORTER)
    if found:
        return pathlib.Path(found).parent
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "signal-gateway" / EXPORTER
    folder = cache / "usr" / "bin"
    if not (folder / EXPORTER).exists():
        say(f"fetching {EXPORTER}, once")
        cache.mkdir(parents=True, exist_ok=True)
        commands = [["apt-get", "download", "-q", EXPORTER], ["sh", "-c", f"dpkg-deb -x {EXPORTER}_*.deb . && rm {EXPORTER}_*.deb"]]
        for command in commands:
            done = subprocess.run(command, cwd=cache, capture_output=True, text=True)
            if done.returncode != 0:
                raise Failed(f"{EXPORTER} cannot be fetched: {done.stderr.strip()}; try: apt-get update, or apt-get install {EXPORTER}")
    return folder


def kube_state_metrics(folder):
    """The archive of its image."""
    return deploy.image("kube-state-metrics", "localhost/kube-state-metrics:e2e", folder, "--binary", deploy.tool("kube-state-metrics"))


def node_address():
    """Where the node is reached."""
    addresses = {one["type"]: one["address"] for one in kube.get("node", NODE)["status"]["addresses"]}
    return addresses["InternalIP"]


def apply(objects):
    """All of these objects."""
    kube.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def exporters(folder, state):
    """kube-state-metrics and node-exporter, ready; and before that the full file systems in `state`, which node-exporter must find there.

    They are unmounted by the cluster's end.
    """
    for name in ["full-claim", "full-disk"]:
        fill(state / name)
    settings = {"NODE_EXPORTER": folder, "NODE_ADDRESS": node_address()}
    kube.kubectl("apply", "--filename=-", stdin=string.Template((HERE / "monitoring.yaml").read_text()).substitute(settings))
    for name in ["deployment/stack-kube-state-metrics", "daemonset/stack-prometheus-node-exporter"]:
        kube.kubectl("rollout", "status", name, "--namespace=monitoring", "--timeout=120s")


def fill(path):
    """A small file system in memory, full to the last block but one."""
    path.mkdir(parents=True, exist_ok=True)
    kube.run("mount", "-t", "tmpfs", "-o", f"size={FULL_MIB}m", "tmpfs", path)
    (path / "photos").write_bytes(b"\0" * (FULL_MIB * 1024 - 8) * 1024)


def break_everything(state):
    """Everything of `breakages`; returns them once it is all under way."""
    found = breakages(state)
    apply(first())
    kube.kubectl("wait", "--for=condition=Established", f"crd/rollouts.{ROLLOUTS}", "--timeout=60s")
    awaited("the quota to count", lambda: kube.get("quota", "team", "--namespace=shop").get("status", {}).get("hard"))
    apply([one for breakage in found for one in breakage.objects])
    apply([owned(breakage.objects[0], one) for breakage in found for one in breakage.owned])
    lose_node()
    awaited("a volume of its own for the claim scratch", lambda: phase("pvc", "scratch") == "Bound")
    kube.kubectl("delete", "pvc/scratch", "--namespace=shop")
    kube.kubectl("delete", "namespace/leaving", "--wait=false")
    awaited("the autoscaler, and pods that are to be well", healthy)
    # Until then, pods must find a place.
    awaited("a failed Job of the CronJob", report_failed, 90)
    kube.kubectl("cordon", NODE)
    return found


def vanish(stack):
    """Deletes pods that Prometheus has just seen, so that alerts about them come when they are gone; returns their names."""
    selected = ["--namespace=shop", "--selector=app in (worker, relay)"]
    names = kube.names(kube.get("pods", *selected)["items"])
    query = f'{{__name__="kube_pod_status_ready", condition="true", {stack.pod_label}=~"{"|".join(names)}"}}'
    if not eventually(30, lambda: len(stack.query(query)) == len(names), bool):
        raise Failed(f"Prometheus was to see the pods {', '.join(names)} within 30 s")
    kube.kubectl("delete", "pods", *selected, "--grace-period=1", "--timeout=30s")
    return names


def owned(owner, one):
    """The object, under the control of `owner`, which exists."""
    uid = kube.get(owner["kind"].lower(), owner["metadata"]["name"], "--namespace=shop")["metadata"]["uid"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": uid, "controller": True}
    return {**one, "metadata": {**one["metadata"], "ownerReferences": [reference]}}


def nudge():
    """Makes the kubelet look at the pods that crash: it writes their CrashLoopBackOff when it comes by during the pause."""
    kube.kubectl("annotate", "pods", "--namespace=shop", "--selector=app in (checkout, cache)", f"e2e.example/nudge={time.time():.0f}", "--overwrite")


def lose_node():
    """A kubelet that told once that it is not ready, and nothing since."""
    condition = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "container runtime is down"}
    patch = json.dumps({"status": {"conditions": [condition]}})
    kube.kubectl("patch", "node", LOST_NODE, "--subresource=status", "--type=merge", f"--patch={patch}")


def phase(kind, name):
    """Of an object in the shop."""
    return kube.get(kind, name, "--namespace=shop")["status"].get("phase")


def healthy():
    """Whether the autoscaler has done its work, and nothing is unready but what is to be."""
    pods = kube.get("pods", "--namespace=shop", "--selector=app in (album, encoder, front)")["items"]
    scaled = kube.get("hpa", "front", "--namespace=shop")["status"].get("currentReplicas") == 2
    return scaled and len(pods) == 4 and all(kube.ready(pod) for pod in pods)


def report_failed():
    """Whether the CronJob has made a Job and the Job has failed."""
    jobs = kube.get("jobs", "--namespace=shop")["items"]
    return any(job["metadata"]["name"].startswith("report-") and job["status"].get("failed") for job in jobs)


def awaited(what, look, seconds=60):
    """Waits for it, and says so now and then."""
    say(f"waiting for {what}, {seconds} s at most")
    began = time.monotonic()
    if not eventually(seconds, look, bool):
        raise Failed(f"{what} was awaited for {seconds} s")
    say(f"  there after {time.monotonic() - began:.0f} s")


class Stack(Monitoring):
    """Prometheus in a style, its rules, and a pair of Alertmanagers that send to `url`."""

    # What fires before Prometheus knows its Alertmanagers would be sent again after a minute.
    prometheus_options = ["--rules.alert.resend-delay=5s"]

    def __init__(self, folder, url, style):
        self.style = style
        # Which label names a pod that kube-state-metrics tells of.
        self.pod_label = "pod" if style.honor or not style.operator else "exported_pod"
        folder.mkdir()
        super().__init__(folder, url, folder / "stack.rules.yml")

    def route(self):
        """Grouped as the charts do, but soon."""
        return {"group_by": ["namespace"], "group_wait": "1s", "group_interval": "3s", "repeat_interval": "1h"}

    def write_prometheus(self):
        address, authority = kube.server()
        access = {
            "server": address.removeprefix("https://"),
            "ca_file": self.write_secret("ca.crt", authority),
            "credentials_file": self.write_secret("prometheus.token", kube.token("prometheus")),
            "node_address": node_address(),
        }
        config = {
            "global": {
                "scrape_interval": "3s",
                "scrape_timeout": "3s",
                "evaluation_interval": "2s",
                "external_labels": self.style.external,
            },
            "rule_files": [str(self.rules)],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": self.alertmanagers}]}]},
            "scrape_configs": scrapes.scrape_configs(self.style, access),
        }
        self.write("prometheus.yml", config)
        self.write("stack.rules.yml", rules.groups(self.style.selectors))
