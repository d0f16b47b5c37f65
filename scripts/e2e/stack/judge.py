"""Compares what the gateway chose with what was broken."""

import collections
import dataclasses
import re
import textwrap

import kube
from stack import events
from stack.rules import RULES

BY_ALERT = {rule.alert: rule for rule in RULES}
# Said by every alert of a rule alike.
DULL = {"alertname", "severity"}
# Other names of a label.
ALIASES = {"service": "kubernetes_name"}
RIGHT, WRONG, UNKNOWABLE = "right", "WRONG", "unknowable"


@dataclasses.dataclass
class Row:
    """One alert or event, what is broken there (None: nothing that is known), the gateway's choice and its verdict."""

    labels: dict
    breakage: object
    chosen: str
    request: str
    verdict: str


def breakage_of(labels, breakages):
    """What it is about, by the label that its rule, or the kind of an event's object, says so with."""
    rule = BY_ALERT.get(labels["alertname"])
    label = rule.subject if rule else events.LABELS[labels["kind"]]
    value = labels.get(f"exported_{label}") or labels.get(label) or labels.get(ALIASES.get(label), "")
    found = (one for one in breakages if label in one.names and re.fullmatch(one.names[label], value))
    return next(found, None)


def target_text(request):
    """The target of a RemediationRequest, as `Kind namespace/name`."""
    target = request["spec"]["targetResource"]
    return f"{target['kind']} {target.get('namespace', '')}/{target['name']}"


def chosen(result, requests):
    """What the gateway made of an alert: a target, or a word."""
    name = result.get("remediationRequestName")
    if name in requests:
        return target_text(requests[name]), name
    if result.get("status") == "ignored":
        return "ignored", None
    return f"{result.get('status')}: {result.get('message') or result.get('detail') or name}", None


def verdict(labels, breakage, choice, honor):
    """right, WRONG, or why it is not judged."""
    if breakage and re.fullmatch(re.escape(breakage.target).replace(r"\*", "[0-9a-f]{16}"), choice):
        return RIGHT
    untold = breakage and labels["alertname"] in breakage.untold
    return UNKNOWABLE if untold or not knowable(labels["alertname"], honor) else WRONG


def rows(answers, breakages, honor):
    """One for each alert and choice."""
    items = kube.get("remediationrequests", f"--namespace={kube.NAMESPACE}")["items"]
    requests = {item["metadata"]["name"]: item for item in items}
    found = {}
    for labels, status, result in answers:
        if status >= 500:
            continue  # Alertmanager sends it again
        choice, request = chosen(result, requests)
        about = breakage_of(labels, breakages)
        found[(*sorted(labels.items()), choice, request)] = Row(labels, about, choice, request, verdict(labels, about, choice, honor))
    return list(found.values())


def knowable(alert, honor):
    """Whether the alert's labels name its subject where exporters' own labels are honored, or are not."""
    rule = BY_ALERT.get(alert)
    return honor or not (rule and rule.by_namespace)


def missing(answers, breakages, honor):
    """What must fire and was not yet answered, as `alert of Kind namespace/name`."""
    seen = collections.defaultdict(set)
    for labels, status, _ in answers:
        about = breakage_of(labels, breakages)
        if about and status < 500:
            seen[about.what].add(labels["alertname"])
    wanted = [(alert, one) for one in breakages for alert in one.alerts if knowable(alert, honor)]
    return [f"{alert} of {one.target}" for alert, one in wanted if alert not in seen[one.what]]


def unseen(answers, names):
    """Those of the pods that no alert was about."""
    return sorted(set(names) - {labels.get("exported_pod") or labels.get("pod") for labels, *_ in answers})


def incidents(found):
    """By subject its incidents, and by incident its subjects; what is unknowable does not count."""
    of_subject, of_request = collections.defaultdict(set), collections.defaultdict(set)
    for row in found:
        if row.breakage and row.request and row.verdict != UNKNOWABLE:
            of_subject[row.breakage.target].add(row.request)
            of_request[row.request].add(row.breakage.target)
    return of_subject, of_request


def several(of):
    """Those that have more than one, and which."""
    return [f"{one}: {', '.join(sorted(others))}" for one, others in sorted(of.items()) if len(others) > 1]


def print_table(found, breakages):
    """A line for each kind of alert about each broken thing, and its labels below."""
    order = [one.what for one in breakages]
    groups = collections.defaultdict(list)
    for row in found:
        place = order.index(row.breakage.what) if row.breakage else len(order)
        groups[(place, row.labels["alertname"], row.chosen, row.verdict)].append(row)
    lines = [("", "what is broken", "alert", "chosen", "expected")]
    labels = [""]
    for (_, alert, choice, word), members in sorted(groups.items()):
        times = f" ({len(members)})" if len(members) > 1 else ""
        about = members[0].breakage
        what, expected = (about.what, about.target) if about else ("?", "?" if word == UNKNOWABLE else "nothing: this should not fire")
        lines.append((word, what, alert + times, choice, expected))
        labels.append(" ".join(f"{name}={value}" for name, value in sorted(members[0].labels.items()) if name not in DULL))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line, below in zip(lines, labels):
        print("  " + "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip())
        for part in textwrap.wrap(below, 140, break_on_hyphens=False):
            print(" " * 14 + part)
    print(flush=True)
