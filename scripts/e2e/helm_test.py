"""`helm test` of the release, in an image with this machine's own shell and curl: the chart's has to be pulled."""

import subprocess

import kube
import local_image

IMAGE = "localhost/signal-gateway-test:e2e"
# What the chart's test calls; the shell is found as `sh`.
PROGRAMS = ["sh", "cat", "curl"]
POD = "gateway-test"


def image(folder):
    """The archive of the image."""
    return local_image.write(local_image.on_path(PROGRAMS), IMAGE, folder / "test.tar")


def values():
    """What the chart's test runs in."""
    registry, _, rest = IMAGE.partition("/")
    repository, _, tag = rest.partition(":")
    return {"image": {"registry": registry, "repository": repository, "tag": tag, "pullPolicy": "Never"}}


def run(checks, helm):
    """The chart's own test passes: a pod finds the gateways by their name and may send to them."""
    command = [helm, "test", "gateway", f"--namespace={kube.NAMESPACE}", "--timeout=2m"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    answer = kube.kubectl("logs", POD, f"--namespace={kube.NAMESPACE}", check=False).strip()
    passed = done.returncode == 0 and "the alert is resolved" in answer
    checks.check("`helm test` passes: its alert is taken and ignored as resolved", passed, answer or done.stderr.strip())
