"""Pods that are killed, restarted, added and taken away while signals and alerts keep coming: nothing acknowledged is
lost."""

import time

import kube
from checks import Failed, eventually, say

RATE = 20
SECONDS = 90
RESOURCES = 20
# Less than Alertmanager, which keeps at it for a group_interval: five minutes by default.
TIMEOUT = 120


def settled(replicas, seconds=90):
    """Waits until there are so many pods, all ready, and none on its way out."""

    def look():
        pods = kube.get("pods", f"--namespace={kube.NAMESPACE}", f"--selector={kube.SELECTOR}")["items"]
        return [kube.ready(pod) for pod in pods]

    seen = eventually(seconds, look, lambda pods: pods == [True] * replicas)
    if seen != [True] * replicas:
        raise Failed(f"{replicas} ready gateways were awaited for {seconds} s; ready: {seen}")


def sigkill(ctr):
    """SIGKILL to the process of one pod, which its kubelet starts again."""
    pod = kube.gateway_pods()[0]
    name, status = pod["metadata"]["name"], pod["status"]["containerStatuses"][0]
    kube.run(*ctr, "tasks", "kill", "--signal", "SIGKILL", status["containerID"].removeprefix("containerd://"))

    def restarts():
        found = kube.get("pod", name, f"--namespace={kube.NAMESPACE}")
        return found["status"]["containerStatuses"][0]["restartCount"], kube.ready(found)

    wanted = (status["restartCount"] + 1, True)
    if eventually(60, restarts, lambda seen: seen == wanted) != wanted:
        raise Failed(f"{name} was sent SIGKILL and did not come back")
    settled(3)


def force_delete():
    """A pod that is gone without a chance to drain."""
    pod = kube.gateway_pods()[-1]["metadata"]["name"]
    kube.kubectl("delete", "pod", pod, f"--namespace={kube.NAMESPACE}", "--grace-period=0", "--force")
    settled(3)
    if pod in kube.names(kube.gateway_pods()):
        raise Failed(f"{pod} was deleted by force and is still there")


def rolling_restart():
    """All pods anew, one by one."""
    kube.kubectl("rollout", "restart", "deployment/gateway", f"--namespace={kube.NAMESPACE}")
    kube.kubectl("rollout", "status", "deployment/gateway", f"--namespace={kube.NAMESPACE}", "--timeout=120s")
    settled(3)


def scale(replicas):
    """More pods, or fewer."""
    kube.kubectl("scale", "deployment/gateway", f"--namespace={kube.NAMESPACE}", f"--replicas={replicas}")
    settled(replicas)


def run(checks, ctr):
    """All of it under load; then the counts."""
    name = "disrupted"
    load = kube.Load(name, "--signals", RATE * SECONDS, "--rate", RATE, "--resources", RESOURCES, "--concurrency", 200, "--retry-for", TIMEOUT)
    eventually(30, lambda: kube.remediation_requests(name), lambda seen: len(seen) == RESOURCES)
    for what, disrupt in [
        ("SIGKILL to one container", lambda: sigkill(ctr)),
        ("a pod deleted by force", force_delete),
        ("rolling restart", rolling_restart),
        ("scaled 3 → 5", lambda: scale(5)),
        ("scaled 5 → 2", lambda: scale(2)),
    ]:
        began = time.monotonic()
        disrupt()
        say(f"{what}: {time.monotonic() - began:.1f} s")
    checks.check("the load outlasted the disruptions", not load.ended())
    result = load.result(SECONDS + TIMEOUT + 60)
    scale(3)
    judge(checks, name, result)


def judge(checks, name, result):
    """acknowledged ≤ occurrenceCount ≤ attempted, for each resource, on one RemediationRequest."""
    signals, acknowledged = result["signals"], result["acknowledged"]
    attempted = sum(resource["attempted"] for resource in result["resources"].values())
    checks.check(
        "each signal sent during the disruptions was acknowledged in the end",
        acknowledged == signals == RATE * SECONDS,
        f"{acknowledged} of {signals}, {attempted} tries, answers {result['statuses']}, p99 {result['latency_ms']['p99']:.0f} ms",
    )

    def projected(found):
        of = {target: sum(counts) for target, counts in found.items()}
        return all(of.get(target, 0) >= resource["acknowledged"] for target, resource in result["resources"].items())

    # What a killed pod counted is written into the status by another's next sweep.
    found = eventually(150, lambda: kube.remediation_requests(f"{name}-"), projected)
    checks.check(
        "they make one RemediationRequest per resource",
        sorted(found) == sorted(result["resources"]) and all(len(counts) == 1 for counts in found.values()),
        f"{sum(map(len, found.values()))} for {len(result['resources'])} resources",
    )
    wrong = [
        f"{target}: {resource['acknowledged']} ≤ {sum(found.get(target, []))} ≤ {resource['attempted']}"
        for target, resource in result["resources"].items()
        if not resource["acknowledged"] <= sum(found.get(target, [])) <= resource["attempted"]
    ]
    counted = sum(count for counts in found.values() for count in counts)
    checks.check("acknowledged ≤ occurrenceCount ≤ attempted for each", not wrong, wrong[:3] or f"{acknowledged} ≤ {counted} ≤ {attempted}")
