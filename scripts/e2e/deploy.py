"""Brings images into a cluster and installs the chart; what the end-to-end tests have in common before they check."""

import json
import pathlib
import subprocess

import kube
import local_image
from checks import Failed

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "gateway" / "deploy" / "chart"
IMAGE = "localhost/signal-gateway:e2e"
# Of the network of Services, here as with Kind. Fixed, so that pods can be told it: the cluster on this machine has no DNS.
SERVICE_IP = "10.96.0.80"


def script(*command):
    """Runs one of the project's scripts, whose output is for the reader."""
    if subprocess.run([str(word) for word in command]).returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} failed")


def tool(name):
    """Where a tool of `scripts/tools` is, built if need be."""
    done = subprocess.run([ROOT / "scripts" / "tools", name], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"{name} could not be built")
    return done.stdout.strip()


def image(name, reference, folder, *options):
    """The archive of an image, built."""
    archive = folder / f"{name}.tar"
    script(ROOT / "scripts" / "image", "--name", name, "--reference", reference, "--output", archive, *options)
    return archive


def gateway_image(options, folder):
    """The archive of the gateway: a ready one if the options say where, else built into `folder`."""
    if options.images:
        return options.images / "gateway.tar"
    return image("gateway", IMAGE, folder, "--profile", options.profile)


def sim_image(options, folder):
    """The archive of sim, in the same way; of a program that is there already if the options name one."""
    if options.images:
        return options.images / "sim.tar"
    if options.sim:
        return local_image.write({"sim": options.sim}, kube.SIM_IMAGE, folder / "sim.tar", Entrypoint=["/bin/sim"])
    return image("sim", kube.SIM_IMAGE, folder, "--profile", options.profile)


def load_images(ctr, archives):
    """Imports them into the node."""
    for archive in archives:
        with open(archive, "rb") as data:
            done = subprocess.run([*map(str, ctr), "images", "import", "-"], stdin=data, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"{archive} cannot be imported: {done.stderr.strip()}")


def values(replicas, **more):
    """What the chart is installed with: the image, who may send, and `more`."""
    repository, _, tag = IMAGE.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "replicaCount": replicas,
        # All pods are of the same version: a restart replaces them one by one, as an operator may choose then.
        "strategy": {"type": "RollingUpdate"},
        "service": {"clusterIP": SERVICE_IP},
        "hostAliases": [{"ip": SERVICE_IP, "hostnames": [f"gateway.{kube.NAMESPACE}"]}],
        "rbac": {"senders": [{"namespace": kube.NEIGHBOURS, "name": "sender"}]},
        **more,
    }


def install(helm, folder, wanted):
    """The chart with these values, for the first time or again; waits until all pods are ready."""
    file = folder / "values.json"
    file.write_text(json.dumps(wanted))
    kube.run(helm, "upgrade", "--install", "gateway", CHART, f"--namespace={kube.NAMESPACE}", f"--values={file}", "--wait", "--timeout=2m")
