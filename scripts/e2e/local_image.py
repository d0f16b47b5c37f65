"""Images of this machine's own programs with the libraries that they load: ready at once, for tests only."""

import pathlib
import platform
import re
import shutil
import subprocess
import sys

from checks import Failed

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "releases"))

import oci


def libraries(program):
    """Those that the loader finds for a program, and the loader itself."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"ldd does not know what {program} loads: {(done.stdout + done.stderr).strip()}")
    return [pathlib.Path(library) for library in re.findall(r"(/\S+) \(0x", done.stdout)]


def files(programs):
    """The programs and their libraries, by where they are in the image."""
    found = {}
    for name, path in programs.items():
        program = pathlib.Path(path).resolve()
        found[f"bin/{name}"] = program
        found |= {str(library).lstrip("/"): library for library in libraries(program)}
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
