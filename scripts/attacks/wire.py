"""Requests byte by byte, for clients that do what libraries do not."""

import datetime
import json
import socket
import urllib.request

HEALTHY = "127.0.0.1"
PATH = "/api/v1/signals/prometheus"


def alert(resource, labels=None, annotations=None):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "status": "firing",
        "labels": {
            "alertname": "KubeDeploymentReplicasMismatch", "namespace": "shop", "deployment": resource, "severity": "warning",
            "prometheus": "monitoring/k8s", **(labels or {}),
        },
        "annotations": annotations if annotations is not None else {
            "description": f"Deployment shop/{resource} has not matched the expected number of replicas for longer than 15 minutes.",
            "summary": "Deployment has not matched the expected number of replicas.",
        },
        "startsAt": now, "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "c9f3b2e5a1d04c77",
        "generatorURL": "http://prometheus.example:9090/graph?g0.expr=kube_deployment_status_replicas_available&g0.tab=1",
    }


def webhook(resources, **more):
    return body([alert(resource, **more) for resource in resources])


def body(alerts):
    return json.dumps({"receiver": "gateway", "status": "firing", "version": "4", "groupKey": "{}", "alerts": alerts}).encode()


def head(token, *headers):
    lines = [f"POST {PATH} HTTP/1.1", "Host: gateway", "Content-Type: application/json", f"Authorization: Bearer {token}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Connection:
    """One to `port` of loopback, from the address `source` of it."""

    def __init__(self, port, source, timeout, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self.received = b""

    def send(self, data):
        self.socket.sendall(data)

    def status(self):
        """Of the next answer, which is read to its end."""
        while b"\r\n\r\n" not in self.received:
            self.receive()
        start, _, self.received = self.received.partition(b"\r\n\r\n")
        lines = start.decode().lower().split("\r\n")
        length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
        while len(self.received) < length:
            self.receive()
        self.received = self.received[length:]
        return int(lines[0].split()[1])

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("closed")
        self.received += data

    def post(self, data, token):
        self.send(head(token, f"Content-Length: {len(data)}") + data)
        return self.status()

    def close(self):
        self.socket.close()


def get(port, path, timeout):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
        return answer.read().decode()
