"""A control plane of its own."""

import json
import pathlib
import subprocess

from api import Api

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Failed(Exception):
    """The run cannot go on; what is wrong is told."""


def run(*command, stdin=None):
    """Runs a command; returns what it prints."""
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command[:6]))}: {done.stderr.decode().strip()}")
    return done.stdout.decode()


def build(package):
    """The binary of `package`, optimised as the image's is."""
    print(f"building {package} with the profile dist …", flush=True)
    if subprocess.run(["cargo", "build", "--quiet", "--profile=dist", "--locked", f"--package={package}"], cwd=ROOT).returncode != 0:
        raise Failed(f"{package} could not be built")
    metadata = json.loads(run("cargo", "metadata", "--format-version=1", "--no-deps", f"--manifest-path={ROOT / 'Cargo.toml'}"))
    return pathlib.Path(metadata["target_directory"]) / "dist" / package


def resident(pid, name="VmRSS"):
    """Bytes of memory of the process `pid`; `name` is that of a line of its /proc/PID/status."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


class Plane:
    """etcd and kube-apiserver on loopback, with the CRD applied."""

    def __init__(self, folder):
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.script = ROOT / "scripts" / "control-plane"

    def start(self):
        # What is built for the first time is shown while it is.
        if subprocess.run([self.script, "up", self.folder], stdout=subprocess.DEVNULL).returncode != 0:
            raise Failed(f"{self.script} up failed")
        self.kubectl_path = pathlib.Path(run(self.script, "build").strip()) / "kubectl"
        self.kubectl("apply", "--server-side", f"--filename={ROOT / 'gateway' / 'deploy' / 'crd'}")
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/remediationrequests.kubernaut.ai")
        self.api = Api(json.loads(self.kubectl("config", "view", "--raw", "--output=json")))

    def stop(self):
        subprocess.run([self.script, "down", self.folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kubectl(self, *arguments):
        return run(self.kubectl_path, f"--kubeconfig={self.kubeconfig}", *arguments)
