"""A result of scripts/perf, for whoever has none: made-up figures in the form of real ones."""

import json


def read(path):
    """A result that scripts/perf has kept."""
    return json.loads(path.read_text())


def outcome(factor, statuses, fingerprints):
    """One protocol's: `factor` times as slow as the fastest."""
    points = [rank / 160 for rank in range(160)] + [0.999]
    return {
        "latency_ms": {name: factor * ms for name, ms in [("50th", 18.4), ("95th", 61.2), ("99th", 140.9), ("max", 291.5), ("mean", 24.0)]},
        "curve_ms": [[part, factor * 12 / (1 - part) ** 0.5] for part in points],
        "measured_signals": 3000,
        "remediation_requests": fingerprints,
        "fingerprints": fingerprints,
        "counted": 3000,
        "acknowledged": 3000,
        "lock_acquisition_failures": 0,
        "statuses": statuses,
        "kubernetes_requests": {
            what: {"count": count, "mean_ms": 4.2}
            for what, count in [("create leases", 3000), ("create remediationrequests", 3000), ("patch remediationrequests/status", 6121)]
        },
    }


def result():
    """Everything."""
    scenarios = {
        name: {"title": title, "outcomes": {protocol: outcome(factor, statuses, number) for protocol, factor in factors}, "drift": 1.3}
        for name, title, statuses, number in [
            ("unique", "A resource for each signal", {"201": 3000}, 3000),
            ("same", "All signals about one resource", {"201": 1, "202": 2999}, 1),
        ]
        # Lines that end close to each other, as real ones do.
        for factors in [[("fenced", 1.0), ("lease-only", 1.05), ("unlocked", 1.1)]]
    }
    load = ["One resource, 1,000/s, a typed controller beside it", *["1234.5"] * 12]
    storm = ["Storm of 1,000 over 7 gateways", *["1234"] * 12]
    import one_resource

    return {
        "began": "2026-01-02T03:04:05+00:00", "machine": "Linux x86_64, 2 cores", "load_average": [0.1, 1.2],
        "command": "scripts/perf", "commit": "0123456789ab",
        "rate": 50, "duration_s": 60, "rounds": 3, "load_s": 15, "scenarios": scenarios,
        "load_rows": [load[: len(one_resource.HEADINGS)]] * 3, "storm_rows": [storm[: len(one_resource.STORM_HEADINGS)]] * 2,
        "checks": [
            {"scenario": scenario["title"], "figure": "RemediationRequests", "limit": "one for each", "measured": "3000 for 3000 fingerprints", "holds": holds}
            for scenario in scenarios.values() for holds in (True, False)
        ],
        "caveats": ["These figures are made up."],
    }
