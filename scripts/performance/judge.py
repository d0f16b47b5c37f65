"""The protocols side by side: what came of the load, and whether it is within the limits."""

import collections
import statistics

import attack
from fleet import kubernetes_requests, occurrences

PRODUCT, BASELINE = "fenced", "unlocked"
PERCENTILES = ["50th", "95th", "99th"]
FAILURE_RATE_LIMIT = 0.001
# With fewer signals, the failure rate says nothing.
SIGNALS_MIN = 1000


class Comparison:
    """A load on each protocol; `limits` are the milliseconds by which the product's percentiles may be above the baseline's."""

    def __init__(self, name, title, resources, limits):
        self.name, self.title, self.resources, self.limits = name, title, resources, dict(zip(PERCENTILES, limits))


def check(figure, measured, limit, holds):
    """A row of the table of verdicts; whose scenario it is, is added later."""
    return {"figure": figure, "measured": measured, "limit": limit, "holds": bool(holds)}


def outcome(attacker, fleet, measured, warm_up, metrics_before, stored):
    """All figures of one protocol or load. Latencies and requests are of what came after `metrics_before` were read,
    accounts are of the warm-up too."""
    report = attacker.report(measured)
    answers = list(attacker.answers(measured))
    all_answers = answers + list(attacker.answers(warm_up))
    requests, locks = stored
    metrics = fleet.metrics()
    told = attack.acknowledged(all_answers)
    counts = collections.defaultdict(list)
    for request in requests:
        counts[request["spec"]["signalFingerprint"]].append(occurrences(request))
    return {
        "protocol": fleet.protocol,
        "measured_signals": report["requests"],
        "latency_ms": {name: report["latencies"][name] / 1e6 for name in [*PERCENTILES, "mean", "max"]},
        # Each attack by itself, to see how much the machine varied.
        "p50_of_each_attack_ms": [attacker.report([file])["latencies"]["50th"] / 1e6 for file in measured],
        "signals": len(all_answers),
        "statuses": dict(sorted(collections.Counter(code for code, _, _ in all_answers).items())),
        "acknowledged": sum(told.values()),
        "counted": sum(map(occurrences, requests)),
        "fingerprints": len(told),
        "remediation_requests": len(requests),
        "more_than_one": sum(len(of) > 1 for of in counts.values()),
        "miscounted": sum(sum(counts[fingerprint]) != told[fingerprint] for fingerprint in counts.keys() | told.keys()),
        "locks_left": locks,
        "lock_acquisition_failures": int(metrics["gateway_lock_acquisition_failures_total"]),
        "kubernetes_requests": kubernetes_requests({series: value - metrics_before[series] for series, value in metrics.items()}),
        "curve_ms": curve([took for _, took, _ in answers]),
    }


def curve(took, points=160):
    """Latency at evenly spaced points of the scale 1/(1-p), on which P90, P99 and P99.9 are equally far apart: [p, ms]."""
    ranked, count = sorted(took), len(took)
    ranks = {min(count - 1, int(count * (1 - count ** (-point / points)))) for point in range(points + 1)}
    return [[rank / count, ranked[rank]] for rank in sorted(ranks)]


def increases(outcomes, protocol):
    """By how many milliseconds each percentile is above the baseline's."""
    of, base = outcomes[protocol]["latency_ms"], outcomes[BASELINE]["latency_ms"]
    return {name: of[name] - base[name] for name in PERCENTILES}


def checks(comparison, outcomes):
    """What must hold of the product beside the baseline."""
    more = increases(outcomes, PRODUCT)
    for name, limit in comparison.limits.items():
        yield check(f"P{name[:2]} above {BASELINE}", f"{more[name]:+.1f} ms", f"≤ {limit} ms", more[name] <= limit)
    yield from exactness(outcomes[PRODUCT])


def exactness(of):
    """What must hold of the product under every load."""
    refused = {code: count for code, count in of["statuses"].items() if code not in (201, 202)}
    yield check("answers", statuses(of), "201 or 202", not refused)
    exact = of["acknowledged"] == of["counted"] == of["signals"] and not of["miscounted"]
    figures = f"{of['signals']} sent, {of['acknowledged']} acknowledged, {of['counted']} counted"
    yield check("counts", figures, "all the same", exact)
    one = of["remediation_requests"] == of["fingerprints"] and not of["more_than_one"]
    yield check("RemediationRequests", f"{of['remediation_requests']} for {of['fingerprints']} fingerprints", "one for each", one)


def failure_rate(outcomes):
    """The check of section 4.2 of the test plan over all that the product was sent, with figures."""
    failures, signals = (sum(of[key] for of in outcomes) for key in ["lock_acquisition_failures", "signals"])
    figures = f"{failures} of {signals} signals"
    if signals < SIGNALS_MIN:
        return check("lock acquisition failures", f"{figures}: too few to say", f"of {SIGNALS_MIN} signals", False)
    return check("lock acquisition failures", figures, f"< {FAILURE_RATE_LIMIT:.1%}", failures / signals < FAILURE_RATE_LIMIT)


def statuses(of):
    """How many answers of each status, in words."""
    return ", ".join(f"{count} × {code or 'no answer'}" for code, count in of["statuses"].items())


def requests_per_signal(of):
    """Requests to the Kubernetes API."""
    requests = sum(request["count"] for what, request in of["kubernetes_requests"].items() if not what.startswith("watch"))
    return f"{requests / of['measured_signals']:.2f}"


def cells(outcomes, protocol):
    """A protocol's row of the table: percentiles, increases, accounts."""
    of, more = outcomes[protocol], increases(outcomes, protocol)
    return [
        protocol,
        *(f"{of['latency_ms'][name]:.1f}" for name in [*PERCENTILES, "max"]),
        *("" if protocol == BASELINE else f"{more[name]:+.1f}" for name in PERCENTILES),
        f"{of['remediation_requests']} / {of['fingerprints']}",
        f"{of['counted']} / {of['acknowledged']}",
        f"{of['lock_acquisition_failures']}",
        requests_per_signal(of),
        statuses(of),
    ]


HEADINGS = [
    "protocol", "P50", "P95", "P99", "max", "+P50", "+P95", "+P99",
    "RRs / resources", "counted / acked", "lock failures", "requests", "answers",
]


def drift(outcomes):
    """How far apart the medians of a protocol's own attacks are, as the largest ratio: what the machine did by itself."""
    medians = [of["p50_of_each_attack_ms"] for of in outcomes.values()]
    return max((max(of) / statistics.median(of) for of in medians), default=1.0)
