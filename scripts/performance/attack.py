"""Load by vegeta: its targets, attacks and reports."""

import base64
import collections
import datetime
import json

from plane import run

# A gateway answers within 30 s, whatever happens.
ANSWER_TIMEOUT = "60s"


def webhook(resource):
    """What Alertmanager sends about one firing alert on the Deployment `resource`."""
    labels = {
        "alertname": "KubeDeploymentReplicasMismatch", "namespace": "shop", "deployment": resource,
        "severity": "warning", "prometheus": "monitoring/k8s",
    }
    annotations = {
        "description": f"Deployment shop/{resource} has not matched the expected number of replicas for longer than 15 minutes.",
        "summary": "Deployment has not matched the expected number of replicas.",
    }
    return {
        "receiver": "gateway", "status": "firing", "version": "4", "truncatedAlerts": 0,
        "externalURL": "http://alertmanager.example:9093", "groupKey": '{}:{alertname="KubeDeploymentReplicasMismatch"}',
        "groupLabels": {"alertname": labels["alertname"]}, "commonLabels": labels, "commonAnnotations": annotations,
        "alerts": [{
            "status": "firing", "labels": labels, "annotations": annotations,
            "startsAt": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph?g0.expr=kube_deployment_status_replicas_available&g0.tab=1",
            "fingerprint": "c9f3b2e5a1d04c77",
        }],
    }


def same_resource(part, count):
    """All signals are about the same one."""
    return ["checkout"]


def unique_resources(part, count):
    """One for each of `count` signals; `part` keeps the resources of one attack from those of another."""
    return [f"checkout-{part}-{number}" for number in range(count)]


class Attacker:
    """Runs vegeta and keeps its files in `folder`."""

    def __init__(self, vegeta, folder):
        self.vegeta, self.folder = vegeta, folder

    def attack(self, fleet, part, rate, seconds, resources=same_resource):
        """Posts for `seconds`, spread over the gateways; returns the file of the results."""
        urls, named = fleet.urls(), resources(part, round(rate * seconds))
        targets = "".join(
            json.dumps({
                "method": "POST", "url": urls[number % len(urls)], "header": {"Content-Type": ["application/json"]},
                "body": base64.b64encode(json.dumps(webhook(named[number % len(named)])).encode()).decode(),
            }) + "\n"
            for number in range(max(len(named), len(urls)))
        )
        results = self.folder / f"{fleet.namespace}-{part}.bin"
        run(
            self.vegeta, "attack", "-format=json", "-targets=stdin", f"-rate={rate}/s",
            f"-duration={round(seconds * 1000)}ms", f"-timeout={ANSWER_TIMEOUT}", f"-name={fleet.protocol} {part}", f"-output={results}",
            stdin=targets.encode(),
        )
        return results

    def report(self, files):
        """vegeta's own report on all of `files` together."""
        return json.loads(run(self.vegeta, "report", "-type=json", *files))

    def plot(self, files, title, to):
        """vegeta's plot of latency over time."""
        to.write_text(run(self.vegeta, "plot", f"-title={title}", *files))

    def answers(self, files):
        """Every answer: HTTP status, 0 if there is none, milliseconds, and its body if that is JSON."""
        for line in run(self.vegeta, "encode", "-to=json", *files).splitlines():
            answer = json.loads(line)
            try:
                body = json.loads(base64.b64decode(answer["body"] or ""))
            except ValueError:
                body = {}
            yield answer["code"], answer["latency"] / 1e6, body


def acknowledged(answers):
    """Signals answered 201 or 202, by fingerprint."""
    return collections.Counter(body.get("fingerprint", "") for code, _, body in answers if code in (201, 202))
