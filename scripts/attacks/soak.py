"""What goes on during a soak: senders that keep account, a neighbour that deletes, and a DataStorage that misbehaves."""

import collections
import http.client
import http.server
import os
import random
import threading
import time

import wire
from api import REMEDIATION_REQUESTS

SIGNALS_PER_RESOURCE = 40
LIVE = 100
# Longer than any count waits to be projected: about a minute where the replica that counted was killed (gateway/docs/contract.md).
REST_SECONDS = 90
# What attacks have created goes sooner: nobody counts it.
OTHERS_SECONDS = 20
TIMEOUT_SECONDS = 35


class Resource:
    """What was sent about one resource, and what became of it."""

    def __init__(self, name):
        self.name, self.left, self.attempted, self.acknowledged, self.unknown = name, SIGNALS_PER_RESOURCE, 0, 0, 0
        self.under_way, self.last = 0, time.monotonic()


class Senders:
    """Alertmanagers that send at a steady rate to all gateways in turn, about resources that come and go."""

    def __init__(self, gateways, token, threads=24):
        self.gateways, self.token, self.period = gateways, token, 0.0
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.live, self.resting, self.number = [], [], 0
        self.statuses, self.took = collections.Counter(), []
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def pace(self, per_second):
        """Webhooks in a second, of all senders together; as fast as they are answered if 0."""
        self.period = len(self.threads) / per_second if per_second else 0.0

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(2 * TIMEOUT_SECONDS)

    def take(self):
        with self.lock:
            while len(self.live) < LIVE:
                self.number += 1
                self.live.append(Resource(f"soak-{self.number}"))
            resource = random.choice(self.live)
            resource.left -= 1
            resource.attempted += 1
            resource.under_way += 1
            if resource.left == 0:
                self.live.remove(resource)
                self.resting.append(resource)
            return resource

    def done(self, resource, status, took):
        with self.lock:
            resource.under_way -= 1
            resource.last = time.monotonic()
            resource.acknowledged += status in (201, 202)
            resource.unknown += status not in (201, 202)
            self.statuses[status] += 1
            self.took.append(took)

    def run(self, number):
        connections, turn = {}, number
        while not self.ended.is_set():
            start, resource = time.monotonic(), self.take()
            turn = (turn + 1) % len(self.gateways)
            try:
                connection = connections.get(turn) or wire.Connection(
                    self.gateways[turn].ports["listen"], wire.HEALTHY, TIMEOUT_SECONDS,
                )
                connections[turn] = connection
                status = connection.post(wire.webhook([resource.name]), self.token)
            except OSError as error:
                connections.pop(turn, None)
                status = type(error).__name__
            took = time.monotonic() - start
            self.done(resource, status, took)
            self.ended.wait(max(0, self.period - took))

    def summary(self):
        """Statuses and percentiles in ms since the last one."""
        with self.lock:
            statuses, took = self.statuses, sorted(self.took)
            self.statuses, self.took = collections.Counter(), []
        percentiles = [1000 * took[len(took) * percent // 100] if took else 0 for percent in (50, 95, 99)]
        return statuses, percentiles


class Neighbour(threading.Thread):
    """Deletes RemediationRequests once their resource has come to rest, and compares what they count with what was answered."""

    def __init__(self, api, namespace, senders):
        super().__init__(daemon=True)
        self.api, self.path, self.senders = api.another(), REMEDIATION_REQUESTS.format(namespace), senders
        self.ended, self.checked, self.exact, self.wrong, self.stored = threading.Event(), 0, 0, [], 0
        self.first_seen = {}

    def run(self):
        while not self.ended.wait(5):
            try:
                self.sweep()
            except (OSError, ValueError, http.client.HTTPException):
                # The API server stands still now and then; the next sweep does it.
                self.api = self.api.another()

    def sweep(self):
        requests, now = collections.defaultdict(list), time.monotonic()
        for item in self.api.get(self.path)["items"]:
            requests[item["spec"]["targetResource"]["name"]].append(item)
        self.stored = sum(map(len, requests.values()))
        with self.senders.lock:
            resting = [one for one in self.senders.resting if one.under_way == 0 and now - one.last > REST_SECONDS]
            for one in resting:
                self.senders.resting.remove(one)
            known = {one.name for one in self.senders.live + self.senders.resting}
        for one in resting:
            self.check(one, requests.pop(one.name, []))
        # What attacks have created: after a while, and not all at once.
        others = [item for name, items in requests.items() if name not in known and name != "healthy" for item in items]
        for item in others:
            self.first_seen.setdefault(item["metadata"]["uid"], now)
        old = [item for item in others if now - self.first_seen[item["metadata"]["uid"]] > OTHERS_SECONDS]
        for item in old[:500]:
            self.delete(item)

    def check(self, resource, items):
        counted = sum(item.get("status", {}).get("deduplication", {}).get("occurrenceCount", 1) for item in items)
        self.checked += 1
        self.exact += counted == resource.acknowledged
        if not resource.acknowledged <= counted <= resource.attempted or len(items) > 1:
            self.wrong.append(
                f"{resource.name}: {len(items)} RemediationRequests count {counted}, "
                f"{resource.acknowledged} of {resource.attempted} were acknowledged"
            )
        for item in items:
            self.delete(item)

    def delete(self, item):
        self.first_seen.pop(item["metadata"]["uid"], None)
        self.api.send("DELETE", f"{self.path}/{item['metadata']['name']}")


class Storage(http.server.BaseHTTPRequestHandler):
    """A DataStorage that takes batches, refuses them, stands still or goes away, a minute each."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        turn = int(time.monotonic() / 60) % 4
        if turn == 2:
            time.sleep(20)
        if turn == 3:
            self.close_connection = True
            return
        self.send_response(503 if turn == 1 else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def storage():
    """Its address; it ends with the process."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
