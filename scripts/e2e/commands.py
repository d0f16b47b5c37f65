"""The commands in the pages that users copy from, one by one: which there are, and how a line of a page becomes one that runs."""

import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = {"README": "README.md", "connect": "gateway/docs/connect.md", "runbook": "gateway/docs/runbook.md"}
# What begins a command between backticks. Whatever else is there is a name, a key or a query.
TOOLS = {"amtool", "cargo", "ctr", "curl", "docker", "etcdutl", "gateway", "helm", "jq", "just", "k", "kind", "kubectl", "sim"}

# `block` is the number of the block that it is a line of; None between backticks.
Command = collections.namedtuple("Command", "page text block")


def blocks(text):
    """The fenced blocks of shell commands, without their indentation."""
    for fence in re.finditer(r"^( *)```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        yield re.sub(rf"^{fence[1]}", "", fence[2], flags=re.MULTILINE)


def lines(block):
    """The commands of a block, each with the lines on which it goes on."""
    command = ""
    for line in block.splitlines():
        command = f"{command}\n{line}" if command else line
        here = re.search(r"<<'?(\w+)'?", command)
        goes_on = line.rstrip().endswith(("\\", "|")) or command.count("'") % 2 == 1
        if goes_on or (here and line != here[1]):
            continue
        if not command.startswith("#") and command.strip():
            yield command
        command = ""
    if command:
        raise ValueError(f"a command without an end: {command}")


def between_backticks(text):
    """The commands in the middle of sentences: a tool's name and something for it to do."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for code in re.finditer(r"(?<!`)`([^`]+)`(?!`)", prose):
        command = " ".join(code[1].split())
        tool, _, rest = command.partition(" ")
        if rest and (tool in TOOLS or re.fullmatch(r"(scripts|\.ci)/[\w/-]+", tool)):
            yield command


def of_page(page):
    """All commands of a page, each once."""
    text = (ROOT / PAGES[page]).read_text()
    found = [Command(page, line, number) for number, block in enumerate(blocks(text)) for line in lines(block)]
    found += [Command(page, command, None) for command in between_backticks(text)]
    return list(dict.fromkeys(found))


def everywhere():
    """All commands of all pages."""
    return [command for page in PAGES for command in of_page(page)]
