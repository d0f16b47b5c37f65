"""Images of this machine's own programs with the libraries that they load: ready at once, for tests only."""

import pathlib
import platform
import re
import shutil
import sys

import kube

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "releases"))

import oci


def files(programs):
    """The programs and their libraries, by where they are in the image."""
    found = {}
    for name, path in programs.items():
        program = pathlib.Path(path).resolve()
        found[f"bin/{name}"] = program
        for library in re.findall(r"(/\S+) \(0x", kube.run("ldd", program)):
            found[library.lstrip("/")] = pathlib.Path(library)
    return [(name, path.read_bytes(), 0o755) for name, path in sorted(found.items())]


def on_path(names):
    """Commands by their names: where a shell finds them."""
    return {name: shutil.which(name) for name in names}


def write(programs, reference, archive, **settings):
    """Writes the image's archive: `programs` is a file for each name in its /bin."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    settings = {"Env": ["PATH=/bin"], "User": oci.USER, **settings}
    blobs = _, _, manifest = oci.image_of(files(programs), arch, settings)
    entry = oci.descriptor("manifest.v1+json", manifest, annotations=oci.names(reference), platform=oci.platform(arch))
    archive.write_bytes(oci.tar(oci.layout(blobs, entry)))
    return archive
