"""What is linked into a binary, as a CycloneDX document: https://cyclonedx.org/docs/1.6/json."""

import datetime
import functools
import json
import re
import tomllib
import uuid

from toolchain import PACKAGES, ROOT, TARGETS, Failed, output, python_packages

VALIDATOR = ["cyclonedx-python-lib[json-validation]==11.12.0"]
SCHEMA = "1.6"
# Of a crate's file, in messages of panics; the folder is as toolchain.renamed_paths calls it.
SOURCE = re.compile(rb"/crates/([A-Za-z0-9_-]+)-(\d+\.\d+\.\d+[A-Za-z0-9.+-]*)/")
LINE = re.compile(r"(\d+)(\S+) v(\S+)(?: \(.*?\))?\|(.*?)\|(.*?)(?: \(\*\))?$")


@functools.cache
def linked(program, arch):
    """The crates in `program` by (name, version), with license, repository and what each depends on: as Cargo selects them for
    this program alone, without those that only run while it is built."""
    # cargo-cyclonedx and cargo-sbom list what any target or feature might need, and macros.
    tree = output(
        "cargo", "tree", "--locked", "--package", program, "--target", TARGETS[arch],
        "--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", "{p}|{l}|{r}",
    )  # fmt: skip
    crates, above = {}, []
    for line in tree.splitlines():
        depth, name, version, license, repository = LINE.fullmatch(line).groups()
        crate = crates.setdefault((name, version), {"license": license, "repository": repository, "needs": set()})
        del above[int(depth) :]
        if above:
            crates[above[-1]]["needs"].add((name, version))
        above.append((name, version))
    return crates


def reference(key):
    return "{}@{}".format(*key)


def component(key, crate, checksums):
    name, version = key
    # MIT/Apache-2.0 is how crates wrote it before SPDX expressions.
    license = crate["license"].replace("/", " OR ")
    described = {"type": "library", "bom-ref": reference(key), "name": name, "version": version}
    if license:
        described["licenses"] = [{"expression": license}]
    if key in checksums:
        described["purl"] = f"pkg:cargo/{name}@{version}"
        described["hashes"] = [{"alg": "SHA-256", "content": checksums[key]}]
    if crate["repository"].startswith("http"):
        described["externalReferences"] = [{"type": "vcs", "url": crate["repository"]}]
    return described


def document(program, arch, binary, digest, commit, epoch):
    """The document of `program`'s `binary`; ends in Failed if the binary has code of a crate that is not in it."""
    crates = linked(program, arch)
    unlisted = {tuple(part.decode() for part in found) for found in SOURCE.findall(binary)} - set(crates)
    if unlisted:
        raise Failed(f"{program} for {arch} has code of {', '.join(map(reference, sorted(unlisted)))}, which `cargo tree` does not list")
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(package["name"], package["version"]): package["checksum"] for package in lock["package"] if "checksum" in package}
    compiler = dict(line.split(": ", 1) for line in output("rustc", "-vV").splitlines() if ": " in line)
    (main,) = (key for key in crates if key[0] == program)
    std = {"type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": compiler["release"]}
    std["licenses"] = [{"expression": "MIT OR Apache-2.0"}]
    tools = [{"type": "application", "name": "rustc", "version": f"{compiler['release']}+{compiler['commit-hash'][:9]}"}]
    tools += [{"type": "application", "name": name, "version": version} for name, _, version in (p.partition("==") for p in PACKAGES)]
    about = component(main, crates[main], checksums)
    about |= {"type": "application", "hashes": [{"alg": "SHA-256", "content": digest}]}
    properties = [{"name": "target", "value": TARGETS[arch]}] + ([{"name": "commit", "value": commit}] if commit else [])
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SCHEMA}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SCHEMA,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": tools},
            "component": about,
            "properties": properties,
        },
        "components": [component(key, crate, checksums) for key, crate in sorted(crates.items()) if key != main] + [std],
        "dependencies": [
            {"ref": reference(key), "dependsOn": sorted(map(reference, crate["needs"])) + (["rust-std"] if key == main else [])}
            for key, crate in sorted(crates.items())
        ],
    }


def validate(files):
    """Against CycloneDX' own schema, which a Python package of theirs has."""
    program = f"""
import pathlib, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for file in sys.argv[1:]:
    error = JsonStrictValidator(SchemaVersion.V{SCHEMA.replace(".", "_")}).validate_str(pathlib.Path(file).read_text())
    if error:
        sys.exit(f"{{file}} is no CycloneDX {SCHEMA}: {{error}}")
"""
    try:
        output(python_packages("cyclonedx", VALIDATOR) / "python", "-c", program, *files)
    except Exception as error:
        raise Failed(getattr(error, "stderr", None) or str(error)) from error


def encoded(value):
    return (json.dumps(value, indent=1) + "\n").encode()
