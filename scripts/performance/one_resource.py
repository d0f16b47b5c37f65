"""Loads on one resource: beside a neighbour, at a high rate, there beside the first version's way to count, and as a storm."""

import json
import subprocess

import judge
from api import Watch
from fleet import Fleet, at_rest
from neighbour import Neighbour
from plane import Failed

WARM_UP_RATE, WARM_UP_SECONDS = 50, 2
# Of the neighbour's writes, and how long it may wait for one.
FIRST_TRY_LIMIT, WAIT_LIMIT_SECONDS = 0.9, 1
# Of a RemediationRequest by gateways.
WRITES_PER_SECOND_LIMIT = 1


class Load:
    """Signals about one resource, `rate` per second over `gateways` of a protocol; P99 is limited to a tenth of that of the load
    `tenth_of`. Only the product must bear it."""

    def __init__(self, name, title, rate, gateways=3, neighbour=False, protocol=judge.PRODUCT, tenth_of=None, conflicts_limit=None):
        self.name, self.title, self.rate, self.gateways, self.neighbour = name, title, rate, gateways, neighbour
        self.protocol, self.tenth_of, self.conflicts_limit = protocol, tenth_of, conflicts_limit


class Storm:
    """Webhooks about one resource, all at once (`sim storm`), with a limit on requests to the Kubernetes API."""

    def __init__(self, signals, replicas, limit):
        self.name, self.title = f"storm-{signals}", f"Storm of {signals:,} over {replicas} gateways"
        self.signals, self.replicas, self.limit = signals, replicas, limit


LOADS = [
    Load("neighbour-50", "One resource, 50/s, a typed controller beside it", 50, neighbour=True),
    Load("neighbour-1000", "One resource, 1,000/s, a typed controller beside it", 1000, neighbour=True),
    # Its writers conflict with each other.
    Load("many-first", "One resource, 300/s, 6 gateways, first-count", 300, gateways=6, protocol="first-count"),
    Load("many", "One resource, 300/s, 6 gateways", 300, gateways=6, tenth_of="many-first", conflicts_limit=0),
]
STORMS = [Storm(100, 3, 24), Storm(1000, 7, 60)]


def measure(plane, attacker, sim, load, seconds):
    """Puts a protocol under `load`; returns its figures."""
    fleet = Fleet(plane, load.protocol, f"perf-{load.name}", load.gateways)
    try:
        fleet.start(sim)
        warm_up = attacker.attack(fleet, "warm-up", WARM_UP_RATE, WARM_UP_SECONDS)
        before, conflicts = fleet.metrics(), plane.api.answers("409")
        watch = Watch(plane.api, fleet.namespace, seconds)
        neighbour = Neighbour(plane.api, fleet.namespace) if load.neighbour else None
        measured = attacker.attack(fleet, "load", load.rate, seconds)
        beside = neighbour.stop() if neighbour else None
        writes = watch.by_others(neighbour.versions if neighbour else set())
        conflicts = plane.api.answers("409") - conflicts
        [stored] = at_rest([fleet])
        return {
            **judge.outcome(attacker, fleet, [measured], [warm_up], before, stored),
            "neighbour": beside,
            "writes_per_second": len(writes) / seconds,
            "writes_in_one_second": most_within(writes, 1),
            "conflicts": conflicts - (beside or {"conflicts": 0})["conflicts"],
        }
    finally:
        fleet.stop()


def most_within(times, seconds):
    """How many of the sorted `times` are at most within `seconds`."""
    return max((sum(start <= at < start + seconds for at in times) for start in times), default=0)


def storm(plane, sim, of):
    """Runs a storm; returns sim's own report."""
    options = ["--json", f"--kubeconfig={plane.kubeconfig}", f"--signals={of.signals}", f"--replicas={of.replicas}"]
    done = subprocess.run([sim, "storm", *options], stdin=subprocess.DEVNULL, capture_output=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise Failed(f"sim storm {' '.join(options)}: {done.stderr.decode().strip()}") from None


def checks(load, outcomes):
    """What must hold of a load, given the outcomes of all by name."""
    if load.protocol != judge.PRODUCT:
        return
    of = outcomes[load.name]
    if beside := of["neighbour"]:
        enough = beside["wanted"] and beside["first_try"] / beside["wanted"] >= FIRST_TRY_LIMIT
        yield judge.check("neighbour's writes at the first try", f"{beside['first_try']} of {beside['wanted']}", "≥ 9 of 10", enough)
        longest = beside["longest_wait_s"]
        yield judge.check("neighbour's longest wait", f"{longest:.2f} s", f"< {WAIT_LIMIT_SECONDS} s", longest < WAIT_LIMIT_SECONDS)
    if load.tenth_of is not None:
        p99, first = (outcomes[name]["latency_ms"]["99th"] for name in (load.name, load.tenth_of))
        measured = f"{p99:.1f} of {first:.1f} ms, 1/{first / p99:.0f}"
        yield judge.check("P99, of that of first-count", measured, "≤ 1/10", p99 <= first / 10)
    if load.conflicts_limit is not None:
        yield judge.check("409 Conflict by the API", str(of["conflicts"]), f"≤ {load.conflicts_limit}", of["conflicts"] <= load.conflicts_limit)
    writes = of["writes_per_second"]
    within = writes <= WRITES_PER_SECOND_LIMIT
    yield judge.check("writes of the RemediationRequest", f"{writes:.2f}/s", f"≤ {WRITES_PER_SECOND_LIMIT}/s", within)
    yield from judge.exactness(of)


def storm_checks(of, report):
    """What must hold of a storm."""
    total = report["api_requests"]["total"]
    yield judge.check("requests to the Kubernetes API", str(total), f"≤ {of.limit}", total <= of.limit)
    broken = [violation["message"] for violation in report["violations"]]
    yield judge.check("violations", "; ".join(broken) or "none", "none", not broken)


HEADINGS = [
    "load", "P50", "P95", "P99", "max", "counted / acked", "requests", "409s", "writes/s", "in one second",
    "first try / wanted", "longest wait", "answers",
]


def cells(load, of):
    """A load's row of the table."""
    beside = of["neighbour"]
    return [
        load.title,
        *(f"{of['latency_ms'][name]:.1f}" for name in [*judge.PERCENTILES, "max"]),
        f"{of['counted']} / {of['acknowledged']}",
        judge.requests_per_signal(of),
        f"{of['conflicts']}",
        f"{of['writes_per_second']:.2f}",
        f"{of['writes_in_one_second']}",
        f"{beside['first_try']} / {beside['wanted']}" if beside else "",
        f"{beside['longest_wait_s']:.2f} s" if beside else "",
        judge.statuses(of),
    ]


STORM_HEADINGS = ["storm", "RemediationRequests", "counted", "requests", "P50", "P99"]


def storm_cells(of, report):
    """A storm's row of the table."""
    latency = report["latency_ms"]
    return [
        of.title, str(report["remediation_requests"]), str(sum(report["occurrence_counts"])), str(report["api_requests"]["total"]),
        f"{latency['p50']:.1f}", f"{latency['p99']:.1f}",
    ]
