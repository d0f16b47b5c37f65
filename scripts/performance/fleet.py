"""Gateway processes of any protocol, and what is read from them."""

import collections
import os
import random
import re
import socket
import subprocess
import time
import urllib.request

from api import LEASES, REMEDIATION_REQUESTS
from plane import Failed

# The sums of these are believed when they have not changed for so many looks in a row: longer than any count waits to be projected.
REST_LOOKS = 14
REST_PAUSE = 0.25
# Asserted against the gateway's own bound (harness, `virtual_time/bounds.rs`).
REST_SECONDS = 60
READY_SECONDS = 120


class Fleet:
    """Gateway processes of one protocol, in a namespace of their own."""

    def __init__(self, plane, protocol, namespace, gateways=3):
        self.plane, self.protocol, self.namespace, self.gateways = plane, protocol, namespace, gateways
        self.processes, self.addresses = [], []

    def start(self, sim):
        """Returns when all are ready."""
        self.plane.kubectl("create", "namespace", self.namespace)
        for number in range(1, self.gateways + 1):
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

    def stored(self):
        """All RemediationRequests, and how many locks are left."""
        requests = self.plane.api.get(REMEDIATION_REQUESTS.format(self.namespace))["items"]
        leases = self.plane.api.get(LEASES.format(self.namespace))["items"]
        return requests, sum(lease["metadata"]["name"].startswith("gw-lock-") for lease in leases)


def at_rest(fleets):
    """What each fleet has stored, once nothing changes any more."""
    seen, same, deadline = None, 0, time.monotonic() + REST_SECONDS
    while True:
        stored = [fleet.stored() for fleet in fleets]
        now = [(sum(map(occurrences, requests)), len(requests), locks) for requests, locks in stored]
        same = same + 1 if now == seen else 0
        if same >= REST_LOOKS or time.monotonic() > deadline:
            return stored
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
    """Below the ports that the system gives to connections, one of which might take it before the gateway does."""
    for _ in range(100):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", random.randrange(20000, 32000)))
                return listener.getsockname()[1]
            except OSError:
                continue
    raise Failed("no free port between 20000 and 32000")
