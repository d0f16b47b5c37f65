"""Container images of one static binary each, from scratch, as OCI image layouts: without Docker, the same bytes every time."""

import hashlib
import io
import json
import struct
import tarfile

# As Debian's and distroless images call someone who is nobody.
USER = "65532:65532"
PORTS = {"8080/tcp": {}, "8081/tcp": {}, "9090/tcp": {}}
# Of ELF, by the name that images have for them.
MACHINES = {62: "amd64", 183: "arm64"}
PT_INTERP = 3
OCI = "application/vnd.oci.image"
TITLE = "org.opencontainers.image"


class Unusable(Exception):
    """A binary that cannot be the image's only file."""


def architecture(binary, path):
    """Of a static executable for Linux."""
    if len(binary) < 64 or binary[:6] != b"\x7fELF\x02\x01":
        raise Unusable(f"{path} is no 64-bit executable for Linux; leave out --binary to build one")
    (machine,) = struct.unpack_from("<H", binary, 18)
    (offset,) = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    if any(struct.unpack_from("<I", binary, offset + i * size)[0] == PT_INTERP for i in range(count)):
        raise Unusable(f"{path} is linked dynamically and cannot run in an empty image; build it with --target x86_64-unknown-linux-musl")
    if machine not in MACHINES:
        raise Unusable(f"{path} is for ELF machine {machine}; known are {MACHINES}")
    return MACHINES[machine]


def tar(files, epoch=0):
    """An archive of (name, bytes, mode) with nothing in it that differs from one run to the next."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for name, data, mode in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, epoch
            out.addfile(info, io.BytesIO(data))
    return archive.getvalue()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def encoded(value):
    return json.dumps(value, sort_keys=True).encode()


def blob_name(data):
    return f"blobs/sha256/{sha256(data)}"


def descriptor(kind, data, **more):
    return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{sha256(data)}", "size": len(data), **more}


def image(name, binary, arch, labels, epoch=0, created=None):
    """The blobs of an image of one static binary, and of them its configuration, its layer and its manifest."""
    settings = {
        "Entrypoint": [f"/{name}"],
        "User": USER,
        "ExposedPorts": PORTS if name == "gateway" else {},
        "Labels": {f"{TITLE}.{key}": value for key, value in labels.items()},
    }
    more = {"created": created, "history": [{"created": created, "created_by": f"/{name}, a static binary"}]} if created else {}
    return image_of([(name, binary, 0o755)], arch, settings, epoch, more)


def image_of(files, arch, settings, epoch=0, more=None):
    """The blobs of an image with one layer of these files."""
    # Not compressed: compressors differ between versions, and registries' clients compress what they push.
    layer = tar(files, epoch)
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]}
    config = encoded({"architecture": arch, "os": "linux", "config": settings, "rootfs": rootfs, **(more or {})})
    manifest = encoded({
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar", layer)],
    })
    return config, layer, manifest


def platform(arch):
    return {"architecture": arch, "os": "linux"}


def names(reference):
    """What an image is called: the first is OCI's, which has room for the tag alone; containerd and Docker read the second."""
    return {f"{TITLE}.ref.name": reference.rpartition(":")[2], "io.containerd.image.name": reference}


def layout(blobs, entry, **more):
    """The files of an image layout with one `entry`, and with further JSON files."""
    texts = {"index.json": {"schemaVersion": 2, "manifests": [entry]}, "oci-layout": {"imageLayoutVersion": "1.0.0"}} | more
    # Layers that are the same are there once.
    files = {blob_name(data): data for data in blobs} | {name: encoded(text) for name, text in texts.items()}
    return [(name, data, 0o644) for name, data in sorted(files.items())]


def index_of(images, labels):
    """The index of images by architecture: a registry gives each node the one that it can run."""
    entries = [descriptor("manifest.v1+json", manifest, platform=platform(arch)) for arch, (_, _, manifest) in sorted(images.items())]
    return encoded({
        "schemaVersion": 2,
        "mediaType": f"{OCI}.index.v1+json",
        "manifests": entries,
        "annotations": {f"{TITLE}.{key}": value for key, value in labels.items()},
    })
