"""The end-to-end scenarios of the test plan: deployment, one RemediationRequest for a hundred signals, load
distribution, permissions, logs, metrics, audit."""

import json
import subprocess

import kube
from checks import eventually

REPLICAS = 3
SIGNALS = 100
ACCOUNT = f"system:serviceaccount:{kube.NAMESPACE}:gateway"


def deployment(checks):
    """Three replicas, all of them ready, each on its own."""
    status = kube.get("deployment", "gateway", f"--namespace={kube.NAMESPACE}")["status"]
    pods = kube.gateway_pods()
    restarts = sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods)
    checks.check(
        "the chart's deployment has 3 replicas, all ready, none restarted",
        status.get("readyReplicas") == REPLICAS and len(pods) == REPLICAS and restarts == 0,
        f"{status.get('readyReplicas', 0)} ready, {restarts} restarts",
    )


def production(checks):
    """100 concurrent signals with the same fingerprint."""
    name = "e2e-production-test"
    sent = kube.Load(name, "--signals", SIGNALS, "--concurrency", SIGNALS).result(120)
    statuses = sent["statuses"]
    checks.check(
        "100 concurrent signals through the Service are answered 201 or 202, nothing else",
        set(statuses) <= {"201", "202"} and sum(statuses.values()) == SIGNALS,
        f"{statuses}, p95 {sent['latency_ms']['p95']:.1f} ms",
    )

    def look():
        return kube.remediation_requests(name)

    counts = eventually(60, look, lambda seen: seen == {f"{name}-0": [SIGNALS]})
    requests = [count for found in counts.values() for count in found]
    checks.check("they make 1 RemediationRequest", len(requests) == 1, len(requests))
    checks.check("its occurrenceCount is 100", requests == [SIGNALS], requests)
    return sent


def audit(checks, sent):
    """Every audit event matches its schema, and there is one for all that was done."""
    (resource,) = sent["resources"].values()
    (request,) = resource["remediation_requests"]
    expected = {
        "gateway.signal.received": SIGNALS,
        "gateway.signal.deduplicated": SIGNALS - 1,
        "gateway.crd.created": 1,
    }

    def look():
        return kube.audit_report()

    report = eventually(30, look, lambda seen: seen["correlations"].get(request) == expected)
    seen = report["correlations"].get(request)
    checks.check("DataStorage received each audit event of the 100 signals, once", seen == expected, seen)
    all_valid(checks, report)


def all_valid(checks, report):
    """No event was refused."""
    events = sum(report["events"].values())
    checks.check(
        "every audit event matched its schema",
        report["faulty"] == 0 and events > 0,
        f"{events} events in {report['batches']} batches, {report['faulty']} faulty {report['faults'][:1] or ''}",
    )


def distribution(checks):
    """30 signals reach all pods."""
    signals, metric = 30, "gateway_signals_received_total"
    pods = kube.names(kube.gateway_pods())
    before = {pod: kube.total(kube.metrics(pod), metric) or 0 for pod in pods}
    sent = kube.Load("load-test", "--signals", signals, "--resources", signals, "--concurrency", 1).result(120)
    shares = {pod: int((kube.total(kube.metrics(pod), metric) or 0) - before[pod]) for pod in pods}
    checks.check("30 signals with fingerprints of their own are acknowledged", sent["acknowledged"] == signals, sent["statuses"])
    checks.check(
        "each of the 3 pods processed some of them, by its metrics",
        len(pods) == REPLICAS and min(shares.values()) > 0 and sum(shares.values()) == signals,
        sorted(shares.values()),
    )
    found = kube.remediation_requests("load-test-")
    checks.check("they make 30 RemediationRequests that count 1 each", sorted(found.values()) == [[1]] * signals, len(found))


def permissions(checks):
    """What the gateway may do, as its role says and as the API server decides."""
    role = kube.get("clusterrole", "gateway-role")
    verbs = set()
    for rule in role["rules"]:
        if "coordination.k8s.io" in rule.get("apiGroups", []) and "leases" in rule.get("resources", []):
            verbs |= set(rule["verbs"])
    wanted = {"get", "create", "update", "patch", "delete"}
    checks.check("ClusterRole gateway-role holds get, create, update, patch, delete of leases", wanted <= verbs, sorted(verbs))

    def may(verb, resource, namespace):
        answer = kube.kubectl("auth", "can-i", verb, resource, f"--namespace={namespace}", f"--as={ACCOUNT}", check=False)
        return answer.strip() == "yes"

    denied = [verb for verb in sorted(wanted) if not may(verb, "leases.coordination.k8s.io", kube.NAMESPACE)]
    checks.check("SubjectAccessReview allows the gateway these in its namespace", not denied, f"denied: {denied or 'none'}")
    beyond = [
        (verb, resource, namespace)
        for verb, resource, namespace in [
            ("get", "leases.coordination.k8s.io", "kube-system"),
            ("update", "leases.coordination.k8s.io", "shop"),
            ("delete", "remediationrequests.kubernaut.ai", kube.NAMESPACE),
            ("create", "remediationrequests.kubernaut.ai", "shop"),
            ("get", "secrets", kube.NAMESPACE),
            ("delete", "pods", "shop"),
            ("create", "pods", kube.NAMESPACE),
        ]
        if may(verb, resource, namespace)
    ]
    checks.check("and refuses what it does not need, there and elsewhere", not beyond, f"allowed: {beyond or 'none'}")


def senders(checks, url):
    """Who has no token, or a token without the right to send, is refused."""
    statuses = {"no token": post(url, None), "a stranger's token": post(url, kube.token("stranger"))}
    expected = {"no token": 401, "a stranger's token": 403}
    checks.check("senders without the right to send are refused", statuses == expected, statuses)


def post(url, token):
    """The status of an empty webhook."""
    command = ["curl", "--silent", "--max-time", "10", "--output", "/dev/null", "--write-out", "%{http_code}"]
    command += ["--header", "content-type: application/json", "--data", json.dumps({"alerts": []})]
    if token:
        command += ["--header", f"authorization: Bearer {token}"]
    return int(kube.run(*command, f"{url}/api/v1/signals/prometheus", check=False) or 0)


def pod_metrics(checks):
    """The failure metric of each pod, and the whole output as promtool reads it."""
    metric = "gateway_lock_acquisition_failures_total"
    help_line = f"# HELP {metric} Total number of failed distributed lock acquisitions"
    pods = kube.names(kube.gateway_pods())
    texts = {pod: kube.metrics(pod) for pod in pods}
    told = [pod for pod, text in texts.items() if help_line in text.splitlines() and kube.total(text, metric) is not None]
    checks.check(f"{metric} with its help text is on each of the 3 pods", len(told) == REPLICAS, f"{len(told)} pods")
    failures = {pod: kube.total(text, metric) or 0 for pod, text in texts.items()}
    received = sum(kube.total(text, "gateway_signals_received_total") or 0 for text in texts.values())
    rate = sum(failures.values()) / max(received, 1)
    checks.check("less than 0.1 % of the signals failed to lock", rate < 0.001, f"{sum(failures.values()):.0f} of {received:.0f}")
    complaints = {}
    for pod, text in texts.items():
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
        if done.returncode != 0 or done.stderr.strip():
            complaints[pod] = done.stderr.strip()
    checks.check("promtool check metrics is content with each pod's output", not complaints, complaints or f"{len(texts)} pods")


def logs(checks, when):
    """No error lines, nothing refused for want of permission."""
    pods = kube.names(kube.gateway_pods())
    lines = [line for pod in pods for line in kube.log_lines(pod)]
    errors = [line for line in lines if line.get("level") == "ERROR"]
    # What the gateways themselves were refused: that they refuse a stranger is checked elsewhere, and logged.
    refused_us = [line for line in lines if line.get("target") != "gateway::http::auth"]
    denied = [line for line in refused_us if "forbidden" in json.dumps(line).lower()]
    warnings = sum(line.get("level") == "WARN" for line in lines)
    checks.check(
        f"no errors in the pods' logs {when}",
        bool(lines) and not errors,
        f"{len(lines)} lines of {len(pods)} pods, {len(errors)} errors {errors[:1] or ''}, {warnings} warnings",
    )
    checks.check(f"no permission denied in the pods' logs {when}", not denied, denied[:1] or "none")


# How long a killed pod's lease and claims may stay: asserted against the gateway's own bounds (harness, `virtual_time/bounds.rs`).
LEFT_BEHIND_SECONDS = 420
# How long after its last answer a gateway may take to release its locks.
SETTLED_SECONDS = 60


def leases(checks, seconds):
    """Locks are released, or collected."""

    def look():
        items = kube.get("leases", f"--namespace={kube.NAMESPACE}")["items"]
        return [name for name in kube.names(items) if name.startswith("gw-lock-")]

    left = eventually(seconds, look, lambda seen: not seen)
    checks.check("no lease is left", not left, f"{len(left)} left")
