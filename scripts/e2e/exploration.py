"""Seeds explored on the cluster: the Indexed Job of sim/deploy, and its results merged, as harness/README.md says."""

import json
import re
import subprocess

import kube
from checks import Failed, eventually
from deploy import ROOT

JOB = ROOT / "sim" / "deploy" / "explore.yaml"
# A few seconds on a machine that has other things to do.
SEEDS, SHARES = 600, 3
JOB_SECONDS = 300
# In the place of what one sets for an exploration: the image, fewer seeds, and a share of the processor that this node has left.
SET = {
    r"image: .*": f"image: {kube.SIM_IMAGE}",
    r"--seeds=\d+": f"--seeds={SEEDS}",
    r'cpu: "1"': "cpu: 100m",
    r"completions: \d+": f"completions: {SHARES}",
    r"--shares=\d+": f"--shares={SHARES}",
}


def manifest():
    """The Job, with what is to be set in it."""
    text = JOB.read_text()
    for pattern, value in SET.items():
        text, times = re.subn(pattern, value, text)
        if times == 0:
            raise Failed(f"{JOB.name} has no `{pattern}`")
    return text


def job():
    return kube.get("job", "sim-explore", f"--namespace={kube.NEIGHBOURS}")["status"]


def ended(status):
    return any(condition["type"] in ("Complete", "Failed") and condition["status"] == "True" for condition in status.get("conditions", []))


def run(checks):
    """All shares are explored, each by a pod of its own, and their logs are one whole result."""
    namespace = f"--namespace={kube.NEIGHBOURS}"
    kube.kubectl("apply", namespace, "--filename=-", stdin=manifest())
    status = eventually(JOB_SECONDS, job, ended)
    indexes = status.get("completedIndexes", "none")
    checks.check(f"an Indexed Job explores {SHARES} shares of {SEEDS} seeds", indexes == f"0-{SHARES - 1}", f"completed {indexes}")
    selector = "--selector=batch.kubernetes.io/job-name=sim-explore"
    logs = kube.kubectl("logs", namespace, selector, "--prefix", "--tail=-1")
    merge = ["cargo", "run", "--quiet", "--release", "-p", "sim", "--", "explore", "merge", "--json"]
    merged = subprocess.run(merge, cwd=ROOT, input=logs, capture_output=True, text=True)
    result = json.loads(merged.stdout) if merged.returncode == 0 else {}
    figures = {name: result.get(name) for name in ["seeds", "violations"]}
    whole = merged.returncode == 0 and figures == {"seeds": SEEDS, "violations": 0}
    checks.check("their logs, merged, are the whole of it without a violation", whole, f"{figures} {merged.stderr.strip()}")
    kube.kubectl("delete", "job", "sim-explore", namespace)
