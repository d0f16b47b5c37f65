"""Somebody who reads the documents and types what they say: a shell, and an Alertmanager configured as connect.md says."""

import base64
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import tarfile

import commands
import kube
from checks import eventually
from commands import ROOT
from monitoring import free_port

# What a shell needs to run the pages' lines without a person: finding nothing is an answer, and a forwarded port may take a while.
PRELUDE = """
set -euo pipefail
shopt -s expand_aliases
alias k='kubectl --namespace kubernaut-system'
grep() { command grep "$@" || [ $? = 1 ]; }
curl() { command curl --retry 30 --retry-delay 1 --retry-connrefused "$@"; }
"""
STEP_SECONDS = 180


class Reader:
    """Somebody with a shell, kubectl, helm, amtool and a checkout."""

    def __init__(self, folder, cluster, helm, archive, url):
        self.folder, self.cluster, self.url = folder, cluster, url
        self.alertmanager = None
        bin_, work = folder / "bin", folder / "work"
        bin_.mkdir()
        work.mkdir()
        for name in ("gateway", "scripts"):
            (work / name).symlink_to(ROOT / name)
        (bin_ / "helm").symlink_to(helm)
        # The cluster's script may look for kubectl in the path, where this is not to be.
        self.executable("kubectl", f'#!/bin/sh\nPATH={os.environ["PATH"]} exec {cluster} kubectl "$@"\n'.encode())
        self.executable("gateway", binary(archive))
        self.work = work
        cache = os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")
        # amtool's settings are in the home folder, what scripts/cluster and scripts/tools have built in the cache.
        home = {"HOME": str(folder), "XDG_CACHE_HOME": str(cache)}
        self.environment = {**os.environ, **home, "PATH": f"{bin_}:{os.environ['PATH']}"}

    def executable(self, name, content):
        path = self.folder / "bin" / name
        path.write_bytes(content)
        path.chmod(0o755)

    def start_alertmanager(self):
        """As connect.md says, but for the Service's name and the mounted token, which are not those of a pod."""
        page = (ROOT / commands.PAGES["connect"]).read_text()
        config = re.search(r"```yaml\n(route:\n.*?)```", page, re.DOTALL)[1]
        token = kube.kubectl("get", "secret", "signal-sender-token", "--namespace=monitoring", "--output=jsonpath={.data.token}")
        (self.work / "token").write_bytes(base64.b64decode(token))
        config = config.replace("/etc/alertmanager/secrets/signal-sender-token/token", str(self.work / "token"))
        (self.work / "alertmanager.yml").write_text(config.replace("http://gateway.kubernaut-system:8080", self.url))
        address = f"127.0.0.1:{free_port()}"
        options = [f"--web.listen-address={address}", f"--storage.path={self.folder}/alertmanager", "--cluster.listen-address="]
        log = open(self.folder / "alertmanager.log", "w")
        self.alertmanager = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={self.work}/alertmanager.yml", *options], stdout=log, stderr=log
        )
        # amtool's own place, and Debian's.
        for settings in ("amtool/config.yml", "prometheus/amtool.yml"):
            settings = self.folder / ".config" / settings
            settings.parent.mkdir(parents=True, exist_ok=True)
            settings.write_text(f"alertmanager.url: http://{address}\n")
        eventually(30, lambda: self.shell("amtool alert query")[0], lambda code: code == 0)

    def stop(self):
        if self.alertmanager:
            self.alertmanager.kill()
            self.alertmanager.wait()

    def shell(self, script):
        """Exit code and output; whatever the script left in the background is ended."""
        output = self.folder / "output"
        with open(output, "w") as log:
            process = subprocess.Popen(
                ["bash", "-c", PRELUDE + script],
                cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )
            try:
                code = process.wait(STEP_SECONDS)
            except subprocess.TimeoutExpired:
                code = f"none within {STEP_SECONDS} s"
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
        return code, output.read_text(errors="replace")


def binary(archive):
    """The gateway of an image: static, so that it runs on this machine too."""
    with tarfile.open(archive) as image:
        layer = json.load(image.extractfile("manifest.json"))[0]["Layers"][0]
        with tarfile.open(fileobj=io.BytesIO(image.extractfile(layer).read())) as files:
            return files.extractfile("gateway").read()
