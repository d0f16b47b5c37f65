"""`helm test` of the release, in an image with this machine's own shell and curl: the chart's has to be pulled."""

import pathlib
import platform
import re
import shutil
import subprocess
import sys

import kube
from deploy import ROOT

sys.path.insert(0, str(ROOT / "scripts" / "releases"))

import oci

IMAGE = "localhost/signal-gateway-test:e2e"
# What the chart's test calls; the shell is found as `sh`.
PROGRAMS = ["sh", "cat", "curl"]
POD = "gateway-test"


def files():
    """The programs and the libraries that they load, by where they are in the image."""
    found = {}
    for name in PROGRAMS:
        program = pathlib.Path(shutil.which(name)).resolve()
        found[f"bin/{name}"] = program
        for library in re.findall(r"(/\S+) \(0x", kube.run("ldd", program)):
            found[library.lstrip("/")] = pathlib.Path(library)
    return [(name, path.read_bytes(), 0o755) for name, path in sorted(found.items())]


def image(folder):
    """The archive of the image."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    settings = {"Env": ["PATH=/bin"], "User": oci.USER}
    blobs = _, _, manifest = oci.image_of(files(), arch, settings)
    entry = oci.descriptor("manifest.v1+json", manifest, annotations=oci.names(IMAGE), platform=oci.platform(arch))
    archive = folder / "test.tar"
    archive.write_bytes(oci.tar(oci.layout(blobs, entry)))
    return archive


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
