"""The licenses of what is linked into a binary, as they ask to be handed on with it."""

import json
import pathlib
import re

from sbom import linked, reference
from toolchain import output

NAMES = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)([-_.].*)?", re.IGNORECASE)


def text(program, arch):
    """Each license's text once, below the crates that come under it."""
    metadata = json.loads(output("cargo", "metadata", "--format-version", "1", "--locked"))
    folders = {
        (package["name"], package["version"]): pathlib.Path(package["manifest_path"]).parent
        for package in metadata["packages"]
        if package["source"]
    }
    crates, under = linked(program, arch), {}
    for key, crate in sorted(crates.items()):
        if key not in folders:
            continue
        files = sorted(path for path in folders[key].iterdir() if path.is_file() and NAMES.fullmatch(path.name))
        for file in files:
            under.setdefault(file.read_text(errors="replace").strip(), []).append(f"{reference(key)}, {file.name}")
        if not files:
            # It says no more than this; the texts of these licenses are below other crates.
            under.setdefault(f"Its package has no text; it is licensed as {crate['license']}.", []).append(reference(key))
    parts = ["Crates that are linked into this program, and their licenses. Rust's standard library comes under MIT or Apache-2.0."]
    for license, names in sorted(under.items(), key=lambda item: item[1]):
        parts.append("\n".join(names) + f"\n\n{license}")
    return ("\n\n" + "=" * 80 + "\n\n").join(parts) + "\n"
