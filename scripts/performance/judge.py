"""What came of the load, and whether it is within the test plan's limits."""

import collections
import statistics

import attack
from plane import kubernetes_requests, occurrences

PROTOCOLS = ["fenced", "lease-only", "unlocked"]
PRODUCT, BASELINE = "fenced", "unlocked"
PERCENTILES = ["50th", "95th", "99th"]
# Milliseconds by which the product may be slower than the baseline; the limit on P95 is the scenario's.
P50_LIMIT, P99_LIMIT = 10, 30
FAILURE_RATE_LIMIT = 0.001
# With fewer signals, the failure rate says nothing.
SIGNALS_MIN = 1000


def outcome(attacker, fleet, measured, warm_up, metrics_before):
    """All figures of one protocol in one scenario. Latencies and requests are of what came after `metrics_before` were read,
    accounts are of the warm-up too."""
    report = attacker.report(measured)
    answers = list(attacker.answers(measured))
    all_answers = answers + list(attacker.answers(warm_up))
    requests, leases = fleet.requests_at_rest()
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
        "leases_left": leases,
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


def checks(scenario, outcomes):
    """What must hold of the product, as (what, whether it holds, figures)."""
    of, more = outcomes[PRODUCT], increases(outcomes, PRODUCT)
    limits = zip(PERCENTILES, [P50_LIMIT, scenario.p95_limit, P99_LIMIT])
    for name, limit in limits:
        yield f"P{name[:2]} less than {limit} ms above {BASELINE}", more[name] < limit, f"{more[name]:+.1f} ms"
    refused = {code: count for code, count in of["statuses"].items() if code not in (201, 202)}
    yield "every signal is answered 201 or 202", not refused, statuses(of)
    exact = of["acknowledged"] == of["counted"] == of["signals"] and not of["miscounted"]
    yield "counts are exact", exact, f"{of['signals']} sent, {of['acknowledged']} acknowledged, {of['counted']} counted"
    one = of["remediation_requests"] == of["fingerprints"] and not of["more_than_one"]
    yield "one RemediationRequest for each fingerprint", one, f"{of['remediation_requests']} for {of['fingerprints']}"


def failure_rate(results):
    """The check of section 4.2 over all that the product was sent, with figures."""
    outcomes = [outcomes[PRODUCT] for outcomes in results.values()]
    failures, signals = (sum(of[key] for of in outcomes) for key in ["lock_acquisition_failures", "signals"])
    what, figures = "Lock acquisitions fail for less than 0.1 % of signals", f"{failures} of {signals} signals"
    if signals < SIGNALS_MIN:
        return what, False, f"{figures}; it takes {SIGNALS_MIN} to say so: raise --duration or --rate"
    return what, failures / signals < FAILURE_RATE_LIMIT, figures


def statuses(of):
    """How many answers of each status, in words."""
    return ", ".join(f"{count} × {code or 'no answer'}" for code, count in of["statuses"].items())


def cells(outcomes, protocol):
    """A protocol's row of the table: percentiles, increases, accounts."""
    of, more = outcomes[protocol], increases(outcomes, protocol)
    requests = sum(request["count"] for what, request in of["kubernetes_requests"].items() if not what.startswith("watch"))
    return [
        protocol,
        *(f"{of['latency_ms'][name]:.1f}" for name in [*PERCENTILES, "max"]),
        *("" if protocol == BASELINE else f"{more[name]:+.1f}" for name in PERCENTILES),
        f"{of['remediation_requests']} / {of['fingerprints']}",
        f"{of['counted']} / {of['acknowledged']}",
        f"{of['lock_acquisition_failures']}",
        f"{requests / of['measured_signals']:.2f}",
        statuses(of),
    ]


HEADINGS = [
    "protocol", "P50", "P95", "P99", "max", "+P50", "+P95", "+P99",
    "RRs / resources", "counted / acked", "lock failures", "requests", "answers",
]


def table(outcomes):
    """The table as lines of text."""
    rows = [HEADINGS] + [cells(outcomes, protocol) for protocol in PROTOCOLS]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    last = len(HEADINGS) - 1
    for row in rows:
        aligned = [cell.rjust(width) for cell, width in zip(row, widths)]
        aligned[0], aligned[last] = row[0].ljust(widths[0]), row[last]
        yield "  " + "  ".join(aligned)


def drift(outcomes):
    """How far apart the medians of a protocol's own attacks are, as the largest ratio: what the machine did by itself."""
    medians = [of["p50_of_each_attack_ms"] for of in outcomes.values()]
    return max((max(of) / statistics.median(of) for of in medians), default=1.0)
