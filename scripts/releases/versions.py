"""One version: Cargo.toml's, which every other file that states it must agree with."""

import re

CARGO = "Cargo.toml"
CHART = "gateway/deploy/chart/Chart.yaml"
CHANGELOG = "CHANGELOG.md"
UNRELEASED = "Unreleased"
# What states the version, where, and how it is found there.
PLACES = [
    ("embedded-apiserver's requirement", CARGO, r'^embedded-apiserver = .*version = "(.+?)"'),
    ("gateway's entry", "Cargo.lock", r'^name = "gateway"\nversion = "(.+)"$'),
    ("version", CHART, r"^version: (.+)$"),
    ("appVersion", CHART, r"^appVersion: (.+)$"),
    ("the image in artifacthub.io/images", CHART, r"^ +image: \S+:(.+)$"),
    ("info.version", "gateway/docs/api/openapi.yaml", r"^  version: (.+)$"),
    ("the image's tag", "gateway/deploy/Dockerfile", r"^#.* signal-gateway:(\S+)"),
]


def found(root, path, pattern):
    match = re.search(pattern, (root / path).read_text(), re.MULTILINE)
    return match.group(1) if match else None


def version(root):
    return found(root, CARGO, r'^version = "(.+)"$')


def sections(root):
    """Of the changelog: a heading such as `0.2.0 - 2026-12-01`, and what is below it."""
    parts = re.split(r"^## (.+)\n", (root / CHANGELOG).read_text(), flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2]))


def notes(root):
    """What the newest section of the changelog says."""
    return sections(root)[0][1].strip() + "\n"


def disagreements(root, tag=None, released=True):
    """What has to be changed before this can be released; with `released` false, before it can be one day."""
    expected = version(root)
    told = []
    for what, path, pattern in PLACES:
        stated = found(root, path, pattern)
        if stated != expected:
            told.append(f"{path}: {what} is {stated}, but the version in {CARGO} is {expected}; change one of them")
    if tag not in (None, f"v{expected}"):
        told.append(f"the tag is {tag}, but the version in {CARGO} is {expected}; tag the commit v{expected}, or change the version")
    heading = sections(root)[0][0]
    if released and not re.fullmatch(re.escape(expected) + r" - \d{4}-\d\d-\d\d", heading):
        told.append(f"{CHANGELOG}: the first heading is `## {heading}`; make it `## {expected} - YYYY-MM-DD`, the day of the release")
    if not released and heading != UNRELEASED and heading.split()[0] != expected:
        told.append(f"{CHANGELOG}: the first heading is `## {heading}`; make it `## {UNRELEASED}` or `## {expected} - YYYY-MM-DD`")
    return told
