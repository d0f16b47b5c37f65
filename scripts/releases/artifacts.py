"""What a release consists of beside its binaries, as (name, bytes)."""

import datetime
import gzip
import pathlib

import notices
import oci
from toolchain import ROOT

DEPLOY = ROOT / "gateway/deploy"
CHART = DEPLOY / "chart"
# As they are, for those who use them without helm.
FILES = {
    "remediationrequests.kubernaut.ai.yaml": DEPLOY / "crd/remediationrequests.kubernaut.ai.yaml",
    "openapi.yaml": ROOT / "gateway/docs/api/openapi.yaml",
    "alerts.yaml": DEPLOY / "alerts/gateway.yaml",
    "dashboard.json": DEPLOY / "dashboards/gateway.json",
    "config.example.yaml": DEPLOY / "config.example.yaml",
}
# Of images in a registry, by the program that they run.
IMAGES = {"gateway": "signal-gateway", "sim": "signal-gateway-sim"}
TITLES = {
    "gateway": "Turns Alertmanager webhooks and Kubernetes events into one active RemediationRequest per resource",
    "sim": "Simulates replicas of the signal gateway, and tries to break it",
}


class Source:
    """Where the repository can be read, if anywhere, such as https://git.example.com/team/gateway: then links lead there."""

    PLACEHOLDER = b"https://runbook.example.com"

    def __init__(self, repository, version):
        self.repository = repository
        self.runbook = f"{repository}/blob/v{version}/gateway/docs/runbook.md" if repository else ""

    def linked(self, path):
        """The content of a file, with links to the runbook of this version instead of an example."""
        content = path.read_bytes()
        if not self.repository:
            return content
        if path == CHART / "values.yaml":
            content = content.replace(b'\nrunbookUrl: ""\n', f'\nrunbookUrl: "{self.runbook}"\n'.encode())
        elif path == CHART / "Chart.yaml":
            content += f"sources:\n  - {self.repository}\n".encode()
        elif CHART not in path.parents:
            # The chart's templates look for the placeholder in its files.
            content = content.replace(self.PLACEHOLDER, self.runbook.encode())
        return content


def compressed(files, epoch):
    """A .tar.gz; gzip's own header has a time too. The content is always the same, what zlib makes of it may be another's."""
    return gzip.compress(oci.tar(files, epoch), mtime=0)


def binary_archive(program, arch, binary, epoch):
    licenses = [("LICENSE", (ROOT / "LICENSE").read_bytes(), 0o644), ("THIRD-PARTY-LICENSES", notices.text(program, arch).encode(), 0o644)]
    return compressed([(program, binary, 0o755), *licenses], epoch)


def chart_package(source, epoch):
    """What `helm package` makes, which puts the time of the day into it."""
    # .helmignore names what editors leave behind.
    ignored = (".git", ".swp", "~")
    files = sorted(path for path in CHART.rglob("*") if path.is_file() and not path.name.endswith(ignored))
    return compressed([(f"signal-gateway/{path.relative_to(CHART)}", source.linked(path), 0o644) for path in files], epoch)


def image_archive(program, binaries, version, commit, repository, epoch):
    """An OCI image layout with one index, of the images of `binaries` by architecture; and what a registry will call it."""
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {"title": IMAGES[program], "description": TITLES[program], "version": version, "licenses": "Apache-2.0", "created": created}
    if commit:
        labels["revision"] = commit
    if repository:
        labels["source"] = repository
    images = {arch: oci.image(program, binary, arch, labels, epoch, created) for arch, binary in binaries.items()}
    index = oci.index_of(images, labels)
    entry = oci.descriptor("index.v1+json", index, annotations=oci.names(f"{IMAGES[program]}:{version}"))
    archive = oci.tar(oci.layout([blob for blobs in images.values() for blob in blobs] + [index], entry), epoch)
    return archive, f"{IMAGES[program]}:{version}@{entry['digest']}\n"


def sums(folder):
    """SHA256SUMS, as `sha256sum --check` reads it."""
    files = sorted(path for path in pathlib.Path(folder).iterdir() if path.name != "SHA256SUMS")
    return "".join(f"{oci.sha256(path.read_bytes())}  {path.name}\n" for path in files).encode()
