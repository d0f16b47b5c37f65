#!/usr/bin/env python3
"""Does what README, connect.md and the runbook tell their readers to type, as it is written, on a real cluster.

    scripts/e2e/documents.py --check                # only: is every command run, or said why not? Needs nothing
    scripts/e2e/documents.py [--images DIR]         # alone, on a cluster of its own (scripts/cluster)

`scripts/e2e/run` does the same at its end. A command that a page gains has to be added to a walk here, or to NOT_RUN with a reason.
Blocks run as a whole, without the lines that are in NOT_RUN.
"""

import argparse
import collections
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import commands
import deploy
import kube
from checks import Checks, Failed, eventually, say
from commands import ROOT
from reader import Reader

# Beginnings of commands that are not run here, and why.
NOT_RUN = {
    "cargo run --release -p sim -- storm": "`.ci/run` does",
    "cargo test --workspace": "`.ci/run` does",
    "scripts/image": "has built the images of this test",
    "docker load": "needs Docker",
    "gateway --config FILE": "is what the pods run",
    "k logs --previous": "needs a container that was restarted",
    "k logs job/gateway-release": "that Job is only there while an uninstallation fails",
    "k describe certificate": "needs cert-manager",
    "etcdutl snapshot restore": "is tested without a node: harness/tests/real_time/real_api",
}

# What stands for something of the reader's.
PUT = {
    "ALERT": "Try",
    "NAMESPACE": "shop",
    "RESOURCE": "cart",
    "SEVERITY": "warning",
    "POD": "alertmanager",
    "FILE": "gateway/deploy/config.example.yaml",
    "…": "--selector app.kubernetes.io/name=gateway --prefix --since 1h --tail -1",
}

# A command or the block that has it, by its beginning; a pattern that its output must have; and words to put into it.
Step = collections.namedtuple("Step", "page start expected put", defaults=("", {}))

# By each of the three pods.
LOADED = r"(\[pod/gateway-.*configuration reloaded.*\n){3}"
UNINSTALL = Step("runbook", "helm uninstall gateway", r'release "gateway" uninstalled\n\Z')
INSTALL = [
    Step("README", "scripts/tools helm", r"/helm\n"),
    Step("README", "helm install", r"successfully rolled out"),
    Step("README", "kubectl apply -f gateway/deploy/crd", r"remediationrequests.kubernaut.ai (created|configured|unchanged)"),
    Step("connect", "kubectl create namespace monitoring", r"clusterrolebinding.*created"),
]
# Before an Alertmanager runs: it needs the token, and the pages' test alert works without it.
TRY = [Step("connect", "kubectl label namespace shop", r"HTTP/1.1 201")]
SEND = [Step("connect", "amtool alert add")]
LOOK = [
    Step("README", "amtool alert query --output", r'"Try"'),
    Step("connect", "amtool alert query", r"it would be counted on"),
    Step("README", "kubectl label namespace shop", r"rr-[0-9a-f]{12}-.*\n(.*\n)*.*Deployment.*cart"),
    Step("README", "gateway config check", r"valid"),
    Step("README", "gateway config print", r"logging:"),
    Step("connect", "kubectl --namespace kubernaut-system get secret gateway-tls", r"secret/gateway-ca created"),
    Step("connect", "kubectl --namespace monitoring get pod", r"default"),
    Step("runbook", "alias k=", r"gateway_ready 1"),
    Step("runbook", "k get rr --output wide --sort-by .status", r"rr-.*\n.*active [2-9]"),
    Step("runbook", "k logs --selector app.kubernetes.io/name=gateway --prefix --since 1h --tail -1 | grep -E", r'"alert":"Try"'),
    Step("runbook", "amtool alert query alertname", r"it would be counted on"),
    Step("runbook", "k port-forward service/gateway 8080", r"HTTP/1.1 202"),
    Step("runbook", "k logs --selector app.kubernetes.io/name=gateway --prefix --since 1h --tail -1 | grep '\"alert\":\"ALERT\"'", r'"alert":"Try"'),
    Step("runbook", "k get remediationrequests --output json |\n  jq -r '.items[] | select(.metadata.deletionTimestamp)", r"\A\Z"),
    Step("runbook", "kubectl label namespace NAMESPACE", r"namespace/shop (not )?labeled"),
    Step("runbook", "k describe deployment gateway", r"Image:"),
    Step("runbook", "kubectl auth can-i watch", r"\Ayes"),
    Step("runbook", "kubectl auth can-i create leases", r"\Ayes"),
    Step("runbook", "kubectl auth can-i post", r"\Ayes", {"NAMESPACE": "monitoring", "NAME": "signal-sender"}),
    Step("runbook", "k describe pod", r"Node:"),
    Step("runbook", "k logs … | grep 'more than one active'", r"\A\Z"),
    Step("runbook", "k get remediationrequest NAME", r"managedFields:"),
    Step("runbook", "k get rr --output wide --sort-by .metadata", r"rr-"),
    Step("runbook", "k logs … | grep 'another version'", r"\A\Z"),
    Step("runbook", "k get pods --output wide", r"gateway-"),
    Step("runbook", "k get deployments,replicasets", r"replicaset.apps/gateway-"),
    Step("runbook", "k describe resourcequota"),
    Step("runbook", "kubectl get --raw", r"readyz check passed"),
    Step("runbook", "kubectl get endpointslices", r"kubernetes"),
    Step("runbook", "k logs … | grep rejected"),
    Step("runbook", "k logs … | grep 'refuses to create'", r"\A\Z"),
    Step("runbook", "amtool config routes test", r"signal-gateway"),
    Step("runbook", "amtool silence"),
    Step("runbook", "amtool alert query --inhibited"),
    Step("runbook", "kubectl get namespaces --selector", r"shop"),
    Step("runbook", "k logs … | grep out_of_scope", r"\A\Z"),
    Step("runbook", "k get secret gateway-tls", r"notAfter="),
    Step("runbook", "k logs --selector app.kubernetes.io/name=gateway --prefix --since 1h --tail -1 | grep 'the new configuration is not valid'", r"\A\Z"),
    Step("runbook", "k exec deployment/gateway -- /gateway config check", r"valid"),
]
RELOAD = [Step("runbook", "helm upgrade gateway gateway/deploy/chart --namespace kubernaut-system --reset-then-reuse-values \\", LOADED)]
CHANGE = [
    Step("runbook", "k patch deployment gateway", r"patched"),
    Step("runbook", "k rollout restart", r"restarted"),
    Step("runbook", "helm upgrade gateway gateway/deploy/chart --namespace kubernaut-system --reset-then-reuse-values", r"Recreate"),
    Step("runbook", "k scale deployment gateway", r"scaled"),
    Step("runbook", "k scale deployment/gateway", r"Rollback was a success"),
    Step("runbook", "gateway release-claims", r"released \d+ RemediationRequests and deleted \d+ leases"),
    UNINSTALL,
    Step("runbook", "kubectl delete crd", r'namespace "kubernaut-system" deleted\n\Z'),
]
WALK = [UNINSTALL, *INSTALL, *TRY, *SEND, *RELOAD, *LOOK, *CHANGE]

# In the place of what breaks in the reader's cluster: a Deployment whose image is nowhere; and for what needs more than this cluster has.
OBJECTS = ROOT / "scripts/e2e/manifests/documents.yaml"


def found(step, known):
    """The command that a step is, and all that runs with it."""
    matches = [command for command in known if command.page == step.page and command.text.startswith(step.start)]
    # The shortest: an inline command may be the beginning of another.
    command = min(matches, key=lambda command: len(command.text), default=None)
    if command is None:
        raise Failed(f"{step.page} has no command that begins with `{step.start}` any more")
    if command.block is None:
        return [command]
    return [other for other in known if (other.page, other.block) == (step.page, command.block)]


def not_run(command):
    """Why not; None if it is run."""
    return next((why for start, why in NOT_RUN.items() if command.text.startswith(start)), None)


def unclassified(known):
    """Commands that nothing runs and no reason excuses."""
    run = {command for step in WALK for command in found(step, known)}
    texts = [" ".join(command.text.split()) for command in run]
    # `helm upgrade` in a sentence is the command that a block has in full.
    mentioned = {command for command in known if command.block is None and any(command.text in text for text in texts)}
    return [command for command in known if command not in run | mentioned and not not_run(command)]


def check():
    """Whether every command is accounted for; returns what is wrong."""
    known = commands.everywhere()
    wrong = [f"{commands.PAGES[command.page]}: nothing runs `{command.text}`" for command in unclassified(known)]
    unused = [start for start in NOT_RUN if not any(command.text.startswith(start) for command in known)]
    wrong += [f"no page has `{start}`: take it out of NOT_RUN" for start in unused]
    ci = (ROOT / ".ci/run").read_text()
    wrong += [f".ci/run does not run `{start}`" for start, why in NOT_RUN.items() if why == "`.ci/run` does" and start not in ci]
    return wrong


def do(checks, reader, step):
    """One step, as it is written but for what stands for something of the reader's."""
    lines = [command.text for command in found(step, commands.everywhere()) if not not_run(command)]
    script = "\n".join(lines)
    put = {**PUT, "NAME": remediation_request, "REQUEST_ID": request_id, **step.put}
    for word, value in put.items():
        boundary = r"\b" if word.isalpha() else ""
        script = re.sub(f"{boundary}{re.escape(word)}{boundary}", lambda _: value() if callable(value) else value, script)
    code, output = reader.shell(script)
    holds = code == 0 and re.search(step.expected, output) is not None
    if not holds:
        say(f"exit code {code}, expected {step.expected!r}, of:\n{script}\n{output[-3000:]}")
    first = " ".join(lines[0].split())
    checks.check(f"{step.page}: {first[:90]}{'…' if len(first) > 90 else ''}", holds)


def remediation_request():
    """The name of one."""
    return kube.get("remediationrequests", f"--namespace={kube.NAMESPACE}")["items"][0]["metadata"]["name"]


def request_id():
    """Of the webhook that created the RemediationRequest of the pages' alert."""
    logs = kube.kubectl("logs", f"--selector={kube.SELECTOR}", f"--namespace={kube.NAMESPACE}", "--since=1h", "--tail=-1")
    created = next((line for line in logs.splitlines() if f'"alert":"{PUT["ALERT"]}"' in line), "")
    return next(iter(re.findall(r'"request_id":"([^"]+)"', created)), "NONE")


def certificate(folder):
    """The Secret that cert-manager would make."""
    options = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "90", "-subj", "/CN=gateway"]
    kube.run("openssl", "req", "-x509", *options, "-keyout", folder / "tls.key", "-out", folder / "tls.crt")
    files = [f"--from-file=tls.crt={folder}/tls.crt", f"--from-file=ca.crt={folder}/tls.crt"]
    kube.kubectl("create", "secret", "generic", "gateway-tls", f"--namespace={kube.NAMESPACE}", *files)


def counted():
    """What the RemediationRequest of the Deployment that alerts are about has counted."""
    return sum(kube.remediation_requests("cart").get("cart", []))


def left_behind():
    """What is in the cluster of the release, or of what the pages had its reader make."""
    kinds = "deployments,replicasets,pods,services,configmaps,secrets,serviceaccounts,jobs,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,networkpolicies"
    known = kube.kubectl("get", "crd,namespaces,clusterroles,clusterrolebindings", "--output=name").split()
    lines = [name for name in known if re.search("gateway-(role|cluster|release)|kubernaut|signal-sender", name)]
    lines += kube.kubectl("get", kinds, "--all-namespaces", "--selector=app.kubernetes.io/instance=gateway", "--output=name").split()
    return lines


def walk(checks, cluster, folder, helm, archive, url):
    """Everything that the pages tell. There is a release `gateway` in the cluster, which is uninstalled first; none is there at the end."""
    # The chart's own, so that it is installed as the page says.
    reference = f"docker.io/library/signal-gateway:{commands_version()}"
    kube.run(cluster, "ctr", "images", "tag", "--force", deploy.IMAGE, reference)
    folder = folder / "documents"
    folder.mkdir()
    reader = Reader(folder, cluster, helm, archive, "")
    try:
        do(checks, reader, UNINSTALL)
        for step in INSTALL:
            do(checks, reader, step)
        kube.kubectl("apply", f"--filename={OBJECTS}")
        certificate(folder)
        for step in TRY:
            do(checks, reader, step)
        reader.url = url or f"http://{kube.cluster_ip('gateway', kube.NAMESPACE)}:8080"
        reader.start_alertmanager()
        for step in [*SEND, *RELOAD]:
            do(checks, reader, step)
        seen = eventually(60, counted, lambda count: count >= 2)
        checks.check("an Alertmanager configured as connect.md says is counted", seen >= 2, seen)
        for step in LOOK:
            do(checks, reader, step)
        for step in CHANGE:
            do(checks, reader, step)
        left = left_behind()
        checks.check("nothing is left of all that the pages had their reader make", not left, left or "nothing")
    finally:
        reader.stop()


def commands_version():
    """As Cargo.toml has it."""
    return re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def alone(options):
    """On a cluster of its own."""
    checks = Checks()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="signal-gateway-documents-"))
    cluster = ROOT / "scripts" / "cluster"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        checks.step("building images and tools")
        archive = deploy.gateway_image(options, folder)
        helm = deploy.tool("helm")
        checks.step("starting the cluster")
        deploy.script(cluster, "up")
        kube.use(cluster)
        deploy.load_images([cluster, "ctr"], [archive])
        kube.kubectl("create", "namespace", kube.NAMESPACE)
        kube.kubectl("create", "namespace", "shop")
        deploy.install(helm, folder, deploy.values(1))
        checks.step("what the documents say")
        walk(checks, cluster, folder, helm, archive, None)
    except Failed as error:
        checks.check("the run could be carried out to its end", False, str(error))
    finally:
        if not options.keep:
            checks.step("taking the cluster down")
            down = subprocess.run([str(cluster), "down"])
            checks.check("the cluster is down and nothing of it is left", down.returncode == 0)
        shutil.rmtree(folder)
        code = checks.summary()
    return code


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only whether every command is accounted for")
    parser.add_argument("--keep", action="store_true", help="leave the cluster as it is at the end")
    parser.add_argument("--images", type=pathlib.Path, help="a folder with gateway.tar, instead of building it")
    parser.add_argument("--profile", default="dist", help="the Cargo profile that it is built with")
    options = parser.parse_args()
    if not options.check:
        sys.exit(alone(options))
    wrong = check()
    print("\n".join(wrong) if wrong else f"all of {len(commands.everywhere())} commands are run, or said why not")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
