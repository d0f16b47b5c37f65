"""A control plane, gateway processes of any protocol on it, and what is read from them."""

import collections
import json
import os
import pathlib
import re
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GATEWAYS = 3
# The sums of these are believed when they have not changed for so many looks in a row.
REST_LOOKS = 20
REST_PAUSE = 0.25
# Asserted against the gateway's own bound (harness, `virtual_time/bounds.rs`).
REST_SECONDS = 60
READY_SECONDS = 120


class Failed(Exception):
    """The run cannot go on; what is wrong is told."""


def run(*command, stdin=None):
    """Runs a command; returns what it prints."""
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command[:6]))}: {done.stderr.decode().strip()}")
    return done.stdout.decode()


class Plane:
    """etcd and kube-apiserver on loopback, with the CRD applied."""

    def __init__(self, folder):
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.script = ROOT / "scripts" / "control-plane"

    def start(self):
        # What is built for the first time is shown while it is.
        if subprocess.run([self.script, "up", self.folder], stdout=subprocess.DEVNULL).returncode != 0:
            raise Failed(f"{self.script} up failed")
        self.kubectl_path = pathlib.Path(run(self.script, "build").strip()) / "kubectl"
        self.kubectl("apply", "--server-side", f"--filename={ROOT / 'gateway' / 'deploy' / 'crd'}")
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/remediationrequests.kubernaut.ai")

    def stop(self):
        subprocess.run([self.script, "down", self.folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kubectl(self, *arguments):
        return run(self.kubectl_path, f"--kubeconfig={self.kubeconfig}", *arguments)

    def objects(self, resource, namespace):
        return json.loads(self.kubectl("get", resource, f"--namespace={namespace}", "--output=json"))["items"]


class Fleet:
    """Three gateway processes of one protocol, in a namespace of their own."""

    def __init__(self, plane, protocol, namespace):
        self.plane, self.protocol, self.namespace = plane, protocol, namespace
        self.processes, self.addresses = [], []

    def start(self, sim):
        """Returns when all are ready."""
        self.plane.kubectl("create", "namespace", self.namespace)
        for number in range(1, GATEWAYS + 1):
            self._start(sim, f"gateway-pod-{number}")
        for addresses, (process, log) in zip(self.addresses, self.processes):
            until_ready(addresses["health"], process, log)

    def _start(self, sim, name):
        addresses = {kind: f"127.0.0.1:{free_port()}" for kind in ["listen", "health", "metrics"]}
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.plane.kubeconfig),
            "POD_NAME": name,
            "POD_NAMESPACE": self.namespace,
            "GATEWAY__AUTH__MODE": "none",
            "GATEWAY__SCOPE__REQUIRE_MANAGED_LABEL": "false",
            **{f"GATEWAY__SERVER__{kind.upper()}_ADDR": address for kind, address in addresses.items()},
        }
        log = self.plane.folder / f"{self.namespace}-{name}.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [sim, "--log", "warn", "gateway", "--protocol", self.protocol],
                env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )
        self.processes.append((process, log))
        self.addresses.append(addresses)

    def stop(self):
        for process, _ in self.processes:
            process.terminate()
        for process, _ in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def urls(self):
        return [f"http://{addresses['listen']}/api/v1/signals/prometheus" for addresses in self.addresses]

    def metrics(self):
        """Values by series, added up over the gateways."""
        total = collections.Counter()
        for addresses in self.addresses:
            for line in get(f"http://{addresses['metrics']}/metrics").decode().splitlines():
                if not line.startswith("#"):
                    series, _, value = line.rpartition(" ")
                    total[series] += float(value)
        return total

    def requests_at_rest(self):
        """All RemediationRequests, and how many locks are left, once nothing changes any more."""
        seen, same, deadline = None, 0, time.monotonic() + REST_SECONDS
        while True:
            requests = self.plane.objects("remediationrequests", self.namespace)
            leases = [lease["metadata"]["name"] for lease in self.plane.objects("leases", self.namespace)]
            leases = sum(name.startswith("gw-lock-") for name in leases)
            now = (sum(map(occurrences, requests)), len(requests), leases)
            same = same + 1 if now == seen else 0
            if same >= REST_LOOKS or time.monotonic() > deadline:
                return requests, leases
            seen = now
            time.sleep(REST_PAUSE)


def occurrences(request):
    """How many signals a RemediationRequest counts; its first write is the creation, before there is a status."""
    return request.get("status", {}).get("deduplication", {}).get("occurrenceCount", 1)


def kubernetes_requests(metrics):
    """Number and mean milliseconds of requests to the Kubernetes API, by verb and resource."""
    pattern = re.compile(r"gateway_kubernetes_request_duration_seconds_(sum|count)\{(.*)\}")
    found = collections.defaultdict(dict)
    for series, value in metrics.items():
        if match := pattern.fullmatch(series):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2]))
            found[f"{labels['verb']} {labels['resource']}"][match[1]] = value
    return {
        what: {"count": int(of["count"]), "mean_ms": 1000 * of["sum"] / of["count"]}
        for what, of in sorted(found.items()) if of["count"]
    }


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def until_ready(address, process, log):
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            get(f"http://{address}/readyz")
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"a gateway does not become ready: {log.read_text()[-500:]}") from None
            time.sleep(0.05)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
