"""The Kubernetes API over a connection that is kept, for what kubectl is too slow for."""

import http.client
import json
import re
import ssl
import threading
import time
import urllib.parse

REQUEST_TIMEOUT = 30
REMEDIATION_REQUESTS = "/apis/kubernaut.ai/v1alpha1/namespaces/{}/remediationrequests"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


class Api:
    """One connection; each thread has its own."""

    def __init__(self, config):
        """`config` is a kubeconfig as JSON."""
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.config = config
        self.server = urllib.parse.urlparse(cluster["server"])
        self.tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self.headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json", "Accept": "application/json"}
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPSConnection(self.server.hostname, self.server.port, timeout=REQUEST_TIMEOUT, context=self.tls)

    def another(self):
        """For another thread."""
        return Api(self.config)

    def send(self, method, path, body=None):
        """Status and text of the answer."""
        data = None if body is None else json.dumps(body)
        try:
            self.connection.request(method, path, data, self.headers)
            answer = self.connection.getresponse()
        except http.client.RemoteDisconnected:
            # Idle for too long; a write that took effect nevertheless conflicts with itself.
            self.connection.close()
            self.connection.request(method, path, data, self.headers)
            answer = self.connection.getresponse()
        return answer.status, answer.read().decode()

    def get(self, path):
        """The object at `path`."""
        status, text = self.send("GET", path)
        if status != 200:
            raise OSError(f"GET {path}: {status} {text[:200]}")
        return json.loads(text)

    def answers(self, code):
        """How many requests for Leases and RemediationRequests the API server has answered with `code`."""
        status, text = self.send("GET", "/metrics")
        if status != 200 or "\napiserver_request_total{" not in text:
            raise OSError(f"GET /metrics: {status}, without apiserver_request_total: {text[:200]}")
        total = 0
        for line in text.splitlines():
            if line.startswith("apiserver_request_total{"):
                series, _, value = line.rpartition(" ")
                labels = dict(re.findall(r'(\w+)="([^"]*)"', series))
                if labels["code"] == code and labels["resource"] in ("leases", "remediationrequests"):
                    total += float(value)
        return int(total)


class Watch(threading.Thread):
    """Notes every change of the RemediationRequests of `namespace` for `seconds`: how many, by whom is told by their versions."""

    def __init__(self, api, namespace, seconds):
        super().__init__(daemon=True)
        path = REMEDIATION_REQUESTS.format(namespace)
        version = api.get(path)["metadata"]["resourceVersion"]
        self.api = api.another()
        self.path = f"{path}?watch=1&resourceVersion={version}&timeoutSeconds={round(seconds)}"
        self.changes = []
        self.failure = None
        self.start()

    def run(self):
        try:
            connection = self.api.connect()
            connection.request("GET", self.path, headers=self.api.headers)
            # The answer ends with the watch.
            for line in connection.getresponse():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise OSError(event["object"].get("message"))
                if event["type"] == "MODIFIED":
                    self.changes.append((time.monotonic(), event["object"]["metadata"]["resourceVersion"]))
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.failure = error

    def by_others(self, own):
        """When, of changes whose versions are not among `own`; once the watch has ended."""
        self.join(2 * REQUEST_TIMEOUT)
        if self.failure or self.is_alive():
            raise OSError(f"the watch of RemediationRequests failed: {self.failure or 'it does not end'}")
        return [at for at, version in self.changes if version not in own]
