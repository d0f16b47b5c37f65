"""Static binaries for both architectures, the same bytes wherever they are built.

The C compiler and the linker are Zig's, which come as Python packages of fixed versions and know both targets: what a
distribution's gcc makes of jemalloc and ring would differ from one machine to the next.
"""

import json
import os
import pathlib
import subprocess
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PACKAGES = ["ziglang==0.17.1", "cargo-zigbuild==0.24.1"]
TARGETS = {"amd64": "x86_64-unknown-linux-musl", "arm64": "aarch64-unknown-linux-musl"}
PROGRAMS = ["gateway", "sim"]
# Beginnings of variables for other builds on this machine: they may make no difference here.
OTHERS = ("CARGO_BUILD_", "CARGO_ENCODED_", "CARGO_PROFILE_", "CARGO_TARGET_", "RUSTFLAGS", "CFLAGS", "CC_", "CXX", "LDFLAGS", "GATEWAY_COMMIT", "SIM_COMMIT")


class Failed(Exception):
    """What went wrong, and what to do."""


def output(*command, **more):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, **more).stdout


def python_packages(name, packages):
    """A folder of commands of Python packages, kept under a name that their versions are part of."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "signal-gateway"
    folder = cache / "-".join([name, *(package.partition("==")[2] for package in packages)])
    if not (folder / "complete").exists():
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *packages], check=True)
        (folder / "complete").touch()
    return folder / "bin"


def renamed_paths(target_dir):
    """Folders of this machine, by names that binaries have for them everywhere; rustc takes the last that fits."""
    sysroot = output("rustc", "--print", "sysroot").strip()
    version = dict(line.split(": ", 1) for line in output("rustc", "-vV").splitlines() if ": " in line)
    metadata = json.loads(output("cargo", "metadata", "--format-version", "1", "--locked"))
    # …/registry/src/NAME-HASH/crate-1.0.0/Cargo.toml; NAME and HASH are of the mirror that was asked.
    sources = {pathlib.Path(package["manifest_path"]).parent.parent for package in metadata["packages"] if package["source"]}
    return [
        (ROOT, "/source"),
        (target_dir, "/target"),
        *((folder, "/crates") for folder in sorted(sources)),
        (f"{sysroot}/lib/rustlib/src/rust", f"/rustc/{version['commit-hash']}"),
    ]


def build(program, arch, profile, target_dir, commit):
    """Builds `program` by itself, as its dependencies' features differ beside the other one; returns where it is."""
    target = TARGETS[arch]
    if target not in output("rustc", "--print", "target-list").split():
        raise Failed(f"this rustc knows no {target}; update it with `rustup update`")
    if not pathlib.Path(output("rustc", "--print", "target-libdir", "--target", target).strip()).is_dir():
        raise Failed(f"Rust's standard library for {target} is missing; install it with `rustup target add {target}`")
    tools = python_packages("zig", PACKAGES)
    renamed = renamed_paths(target_dir)
    flags = [f"--remap-path-prefix={path}={name}" for path, name in renamed]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(OTHERS)},
        "PATH": f"{tools}:{os.environ['PATH']}",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CFLAGS": " ".join(f"-ffile-prefix-map={path}={name}" for path, name in renamed),
        "CARGO_INCREMENTAL": "0",
        "SOURCE_DATE_EPOCH": "0",
        **({"GATEWAY_COMMIT": commit, "SIM_COMMIT": commit[:12]} if commit else {}),
    }
    command = ["cargo", "zigbuild", "--locked", "--profile", profile, "--package", program, "--target", target]
    built = subprocess.run([*command, "--target-dir", target_dir], cwd=ROOT, env=environment)
    if built.returncode != 0:
        raise Failed(f"{program} for {arch} was not built; Cargo said why")
    return pathlib.Path(target_dir) / target / ("debug" if profile == "dev" else profile) / program
