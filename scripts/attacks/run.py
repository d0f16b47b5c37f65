"""A gateway under attack, and its healthy client."""

import os
import subprocess
import threading
import time

import wire
from fleet import free_port, until_ready
from plane import Failed, resident

BEFORE_SECONDS = 4
# The longest that an attack goes on.
DURING_SECONDS = 10
HEALTHY_PER_SECOND = 20
# A gateway answers within 30 s; who waits for longer is told nothing.
TIMEOUT_SECONDS = 35
OPERATIONS = [("health", "/livez"), ("health", "/readyz"), ("metrics", "/metrics")]
HEADINGS = [
    "attack", "P50", "during", "P95", "during", "not 2xx", "operations ms", "peak MiB", "log KB", "reviews", "attackers were answered",
]
# The P95 of the healthy client during an attack is at most so many times the one before, and this much more on a busy machine.
SLOWER, SLOWER_MS = 1.5, 25
# And so much more where the attackers use up the processors, which the Kubernetes API needs, too.
FLOOD_MS = 100
# The container's limit is 256 MiB.
PEAK_MIB = 128
OPERATIONS_MS = 1000
# auth.maxReviewsPerSecond, by default.
REVIEWS_PER_SECOND = 20
LOG_KB = 200

USER = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: sender, namespace: NAMESPACE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: sender}
rules: [{nonResourceURLs: ["/api/v1/signals/*"], verbs: [post]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: sender}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sender}
subjects: [{kind: ServiceAccount, name: sender, namespace: NAMESPACE}]
"""
NAMESPACE = "attacked"


class World:
    """A control plane, and a binary to be attacked."""

    def __init__(self, plane, binary, logs):
        self.plane, self.binary, self.logs = plane, binary, logs or plane.folder
        plane.kubectl("create", "namespace", NAMESPACE)
        manifest = plane.folder / "user.yaml"
        manifest.write_text(USER.replace("NAMESPACE", NAMESPACE))
        plane.kubectl("apply", f"--filename={manifest}")
        self.token = plane.kubectl("create", "token", "sender", f"--namespace={NAMESPACE}").strip()

    def row(self, attack):
        print(f"  {attack.__name__} …", flush=True)
        more = attack.settings() if hasattr(attack, "settings") else None
        gateway = Gateway(self, attack.__name__, getattr(attack, "files", None), more=more)
        gateway.keeps_log = getattr(attack, "keeps_log", True)
        try:
            gateway.start()
            return Row(attack, gateway)
        finally:
            gateway.stop()


class Gateway:
    """A process of its own."""

    def __init__(self, world, name, files, pod="gateway-0", more=None):
        self.world, self.files, self.pod, self.more = world, files, pod, more or {}
        # If not, it is a pipe that nobody reads.
        self.keeps_log = True
        self.log = world.logs / f"{name}.log"
        self.ports = {kind: free_port() for kind in ["listen", "health", "metrics"]}

    def start(self):
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.world.plane.kubeconfig),
            "POD_NAME": self.pod,
            "POD_NAMESPACE": NAMESPACE,
            "GATEWAY__SCOPE__REQUIRE_MANAGED_LABEL": "false",
            **{f"GATEWAY__SERVER__{kind.upper()}_ADDR": f"127.0.0.1:{port}" for kind, port in self.ports.items()},
            **self.more,
        }
        limit = ["prlimit", f"--nofile={self.files}"] if self.files else []
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                [*limit, self.world.binary], env=environment, stdin=subprocess.DEVNULL,
                stdout=output if self.keeps_log else subprocess.PIPE, stderr=output,
            )
        until_ready(f"127.0.0.1:{self.ports['health']}", self.process, self.log)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def peak_mib(self):
        return resident(self.process.pid, "VmHWM") / 2**20

    def reviews(self):
        text = wire.get(self.ports["metrics"], "/metrics", TIMEOUT_SECONDS)
        lines = [line for line in text.splitlines() if 'resource="tokenreviews"' in line and "requests_total" in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


class Healthy(threading.Thread):
    """Posts at a steady rate until told to stop; a late answer delays none of the others by more than it takes itself."""

    def __init__(self, gateway, fresh):
        super().__init__(daemon=True)
        self.gateway, self.fresh = gateway, fresh
        self.told, self.took, self.failed = threading.Event(), [], 0

    def run(self):
        body = wire.webhook(["healthy"])
        connection = None
        while not self.told.is_set():
            start = time.monotonic()
            try:
                if connection is None or self.fresh:
                    connection = wire.Connection(self.gateway.ports["listen"], wire.HEALTHY, TIMEOUT_SECONDS)
                status = connection.post(body, self.gateway.world.token)
                self.failed += status // 100 != 2
            except OSError:
                connection = None
                self.failed += 1
            took = time.monotonic() - start
            self.took.append(took * 1000)
            self.told.wait(max(0, 1 / HEALTHY_PER_SECOND - took))

    def stop(self):
        self.told.set()
        self.join(TIMEOUT_SECONDS)

    def percentile(self, percent):
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0


class Probes(threading.Thread):
    """Asks what kubelet and Prometheus ask."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway, self.told, self.longest = gateway, threading.Event(), 0

    def run(self):
        while not self.told.is_set():
            for kind, path in OPERATIONS:
                start = time.monotonic()
                try:
                    wire.get(self.gateway.ports[kind], path, DURING_SECONDS)
                except OSError:
                    self.longest = max(self.longest, DURING_SECONDS * 1000)
                self.longest = max(self.longest, (time.monotonic() - start) * 1000)
            self.told.wait(0.5)


def complaints(log, start):
    """Bytes of warnings and errors from `start` on; each RemediationRequest that is created has a line, too, as it should."""
    with open(log, "rb") as file:
        file.seek(start)
        return sum(len(line) for line in file if b'"level":"INFO"' not in line)


class Row:
    """What an attack came to."""

    def __init__(self, attack, gateway):
        self.name, self.is_work = attack.__name__, getattr(attack, "is_work", False)
        self.slower_ms = FLOOD_MS if getattr(attack, "is_flood", False) else SLOWER_MS
        fresh = getattr(attack, "fresh", False)
        self.before = self.measure(gateway, fresh, lambda: time.sleep(BEFORE_SECONDS))
        logged, probes = gateway.log.stat().st_size, Probes(gateway)
        probes.start()
        answers, began = {}, time.monotonic()
        self.during = self.measure(gateway, fresh, lambda: answers.update(attack(gateway, DURING_SECONDS)))
        probes.told.set()
        probes.join(TIMEOUT_SECONDS)
        if gateway.process.poll() is not None:
            raise Failed(f"{self.name}: the gateway ended")
        self.operations, self.peak = probes.longest, gateway.peak_mib()
        self.logged = complaints(gateway.log, logged) / 1000
        self.reviews, self.answers, self.seconds = gateway.reviews(), answers, time.monotonic() - began

    def measure(self, gateway, fresh, act):
        healthy = Healthy(gateway, fresh)
        healthy.start()
        act()
        healthy.stop()
        return healthy

    def cells(self):
        numbers = [self.before.percentile(50), self.during.percentile(50), self.before.percentile(95), self.during.percentile(95)]
        answers = ", ".join(f"{count} × {answer}" for answer, count in sorted(self.answers.items()))
        return [
            self.name, *(f"{number:.0f}" for number in numbers), f"{self.during.failed}/{len(self.during.took)}",
            f"{self.operations:.0f}", f"{self.peak:.0f}", f"{self.logged:.0f}", f"{self.reviews:.0f}", answers,
        ]

    def broken(self):
        """The limits that it is beyond."""
        before, during = self.before.percentile(95), self.during.percentile(95)
        # What is accepted costs the machine what it costs, and the Kubernetes API on it more than the gateway.
        if not self.is_work and during > SLOWER * before + self.slower_ms:
            yield f"P95 of the healthy client is {during:.0f} ms, {before:.0f} ms before"
        if self.during.failed * 100 > len(self.during.took):
            yield f"{self.during.failed} of {len(self.during.took)} healthy requests were not answered 2xx"
        if self.reviews > REVIEWS_PER_SECOND * (self.seconds + 2):
            yield f"{self.reviews:.0f} tokens were reviewed in {self.seconds:.0f} s"
        if all(answer.endswith("Error") for answer in self.answers):
            yield "no attacker reached it"
        if self.operations > OPERATIONS_MS:
            yield f"/livez, /readyz or /metrics took {self.operations:.0f} ms"
        if self.peak > PEAK_MIB:
            yield f"the peak of memory is {self.peak:.0f} MiB"
        if self.logged > LOG_KB:
            yield f"{self.logged:.0f} KB of log"
