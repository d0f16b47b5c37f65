"""The cluster's own events about what is broken, as an event forwarder sends them."""

import json
import urllib.error
import urllib.request

import kube

# The label by which an alert would name an object of the kind.
LABELS = {
    "HorizontalPodAutoscaler": "horizontalpodautoscaler",
    "Job": "job_name",
    "Node": "node",
    "PersistentVolume": "persistentvolume",
    "PersistentVolumeClaim": "persistentvolumeclaim",
    "Pod": "pod",
}
# About this cluster, not about its workloads.
OURS = {"MissingClusterDNS", "CgroupV1"}


def warnings():
    """Labels that tell what each warning is about, and the event itself; one for each object and reason."""
    found = {}
    for event in kube.get("events", "--all-namespaces", "--field-selector=type=Warning")["items"]:
        about = event["involvedObject"]
        if about["kind"] in LABELS and event["reason"] not in OURS:
            labels = {"alertname": f"event {event['reason']}", "kind": about["kind"], LABELS[about["kind"]]: about["name"]}
            if about.get("namespace"):
                labels["namespace"] = about["namespace"]
            found[tuple(sorted(labels.items()))] = (labels, event)
    return list(found.values())


def send(gateway, labels_and_events):
    """Posts them one by one; answers as a Tap's."""
    token = kube.token("sender")
    return [(labels, *post(f"{gateway}/api/v1/signals/kubernetes-event", token, event)) for labels, event in labels_and_events]


def post(url, token, event):
    """Status and answer."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(event).encode(), headers), timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
