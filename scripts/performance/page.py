"""The result as a page of its own: no script, nothing loaded from elsewhere."""

import html
import math
import re

import judge
import one_resource
import tell
from plane import ROOT

STYLES = ROOT / "sim" / "src" / "report"
# Widths of the picture: in a window and on a phone. The page shows the one that fits, so that its text is never scaled much.
WIDE, NARROW, HEIGHT = 1000, 330, 340
LEFT, RIGHT, TOP, BOTTOM = 48, 84, 12, 40
# Room for the name of a percentile.
NAME = 44
STYLE = """
svg { height: auto; border: 0; }
svg.narrow { display: none; }
svg text { fill: var(--soft); font: 13px system-ui, sans-serif; }
path { stroke-width: 2px; }
path.grid { stroke: var(--rule); stroke-width: 1px; }
.fenced { --line: var(--created); } .lease-only { --line: var(--other); } .unlocked { --line: var(--soft); }
path.curve { stroke: var(--line); }
path.curve.unlocked { stroke-dasharray: 5 4; }
svg text.name { fill: var(--line); font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
table { font-size: .875rem; }
th, td { padding: .25rem .4rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child, .tail td:last-child, .tail th:last-child { text-align: left; }
th, td:first-child, td:last-child { white-space: normal; }
th { vertical-align: bottom; }
td { vertical-align: baseline; }
table.words th, table.words td { text-align: left; }
table.words td:last-child { white-space: normal; }
thead th { color: var(--soft); font-weight: 400; }
td.pass, td.fail { color: var(--verdict); font-weight: 600; }
h3 { color: inherit; }
main, footer { max-width: 72rem; }
/* A table is a list of its rows where it would be wider than the page. */
@media (max-width: 68rem) {
  svg.wide { display: none; }
  svg.narrow { display: block; max-width: 34rem; }
  table, tbody, tr, td { display: block; }
  thead { display: none; }
  tr { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 1.5rem; border-bottom: 1px solid var(--rule); padding: .4rem 0; }
  td:first-child, .tail td:last-child, .words td { grid-column: 1 / -1; }
  td:first-child { font-weight: 600; }
  td:empty { display: none; }
  td, td:last-child, .tail td:last-child { display: flex; justify-content: space-between; gap: 1rem; border: 0; padding: .1rem 0; text-align: right; white-space: normal; }
  td::before { content: attr(data-heading); color: var(--soft); text-align: left; font-weight: 400; }
  table.words td { text-align: right; }
}
"""


def page(result):
    """The whole page."""
    passed = all(check["holds"] for check in result["checks"])
    verdict = "PASS" if passed else "FAIL"
    styles = (STYLES / "palette.css").read_text() + (STYLES / "style.css").read_text() + STYLE
    before, after = result["load_average"]
    subject = (
        f"{result['rate']} signals/s for {result['duration_s']:g} s of each protocol in {result['rounds']} rounds, "
        f"three gateway processes each, and {result['load_s']:g} s of each load on one resource, on etcd and kube-apiserver; "
        f"{result['machine']}, load average {before} before and {after} after."
    )
    body = "".join(scenario(of) for of in result["scenarios"].values())
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{verdict}: what one RemediationRequest per resource costs</title>\n'
        f'<style>\n{styles}</style>\n</head>\n<body>\n<main>\n<header class="{verdict.lower()}">\n<p class="verdict">{verdict}</p>\n'
        f"<h1>What one RemediationRequest per resource costs</h1>\n<p>{html.escape(subject)}</p>\n</header>\n"
        f"{section('Verdicts', verdicts(result))}{body}{section('One resource', loads(result))}{section('Storms', storms(result))}"
        f"{section('Read with care', caveats(result))}</main>\n{made(result)}</body>\n</html>\n"
    )


def made(result):
    """What made the page."""
    facts = {"command": f"<code>{html.escape(result['command'])}</code>", "commit": html.escape(result["commit"]), "date": result["began"]}
    rows = "".join(f"<div><dt>{what}</dt><dd>{value}</dd></div>\n" for what, value in facts.items())
    return f'<footer>\n<dl class="made">\n{rows}</dl>\n</footer>\n'


def section(title, body):
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{body}</section>\n"


def verdicts(result):
    headings, rows = tell.verdicts(result)
    table = grid(headings, rows).replace("<table>", '<table class="words">')
    return re.sub(r"<td([^>]*)>(PASS|FAIL)", lambda cell: f'<td{cell[1]} class="{cell[2].lower()}">{cell[2]}', table)


def loads(result):
    note = (
        "Milliseconds. Requests: to the Kubernetes API, per signal. 409s: answered by it to gateways. Writes: of the RemediationRequest "
        "by gateways, as a watch saw them while the load lasted. First try, longest wait: of a controller that reads the "
        "RemediationRequest, works for 20 ms and writes its whole status, as Go types know it, several times a second."
    )
    return grid(one_resource.HEADINGS, result["load_rows"]) + f'<p class="key">{html.escape(note)}</p>\n'


def storms(result):
    return grid(one_resource.STORM_HEADINGS, result["storm_rows"])


def caveats(result):
    return "<ul>\n" + "".join(f"<li>{html.escape(caveat)}</li>\n" for caveat in result["caveats"]) + "</ul>\n"


def scenario(of):
    outcomes = of["outcomes"]
    rows = [judge.cells(outcomes, protocol) for protocol in outcomes]
    note = (
        "Milliseconds; + above unlocked. RRs: RemediationRequests. Requests: to the Kubernetes API, per signal. "
        f"Medians of rounds of one protocol differ by up to ×{of['drift']:.1f}."
    )
    requests = "".join(
        f"<h3>{protocol}</h3>\n" + grid(["request", "number", "mean ms"], [
            [what, str(request["count"]), f"{request['mean_ms']:.1f}"]
            for what, request in outcomes[protocol]["kubernetes_requests"].items() if not what.startswith("watch")
        ])
        for protocol in outcomes
    )
    folded = f"<details>\n<summary>Requests to the Kubernetes API</summary>\n{requests}</details>\n"
    return section(of["title"], f'{plot(outcomes, WIDE, "wide")}{plot(outcomes, NARROW, "narrow")}{grid(judge.HEADINGS, rows)}<p class="key">{html.escape(note)}</p>\n{folded}')


def grid(headings, rows):
    names = [html.escape(heading) for heading in headings]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f'<td data-heading="{name}">{html.escape(cell)}</td>' for name, cell in zip(names, cells)) + "</tr>\n"
        for cells in rows
    )
    # Words come after figures.
    tail = ' class="tail"' if headings[-1] == "answers" else ""
    return f"<table{tail}>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>\n</table>\n"


def plot(outcomes, width, name):
    """Latency by percentile, both axes logarithmic, as SVG."""
    curves = {protocol: of["curve_ms"] for protocol, of in outcomes.items()}
    far = max(-math.log10(1 - curve[-1][0]) for curve in curves.values()) or 1
    everything = [ms for curve in curves.values() for _, ms in curve]
    low, high = math.log10(max(min(everything), 0.1)), math.log10(max(everything))
    # Room above and below, so that no curve is the frame.
    low, high = low - 0.05 * (high - low) - 0.01, high + 0.05 * (high - low) + 0.01

    def x(part):
        return LEFT + -math.log10(1 - part) / far * (width - LEFT - RIGHT)

    def y(ms):
        return HEIGHT - BOTTOM - (math.log10(max(ms, 0.1)) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg class="{name}" viewBox="0 0 {width} {HEIGHT}" role="img" aria-label="Latency by percentile">\n']
    free = -math.inf
    for part, name in [(0, "min"), (0.5, "P50"), (0.75, "P75"), (0.9, "P90"), (0.95, "P95"), (0.99, "P99"), (0.999, "P99.9")]:
        if x(part) > width - RIGHT:
            continue
        parts.append(f'<path class="grid" d="M{x(part):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        # A name that would cover the one before it is left out; its line is not.
        if x(part) >= free:
            free = x(part) + NAME
            parts.append(f'<text x="{x(part):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{name}</text>\n')
    free = math.inf
    for ms in [of * 10**power for power in range(-1, 6) for of in (1, 2, 5)]:
        if low <= math.log10(ms) <= high:
            parts.append(f'<path class="grid" d="M{LEFT} {y(ms):.1f}H{width - RIGHT}"/>')
            if y(ms) > free:
                continue
            free = y(ms) - 14
            parts.append(f'<text x="{LEFT - 8}" y="{y(ms) + 4:.1f}" text-anchor="end">{ms:g}</text>\n')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 4}">milliseconds by percentile</text>\n')
    names = apart({protocol: y(curve[-1][1]) for protocol, curve in curves.items()})
    for protocol, curve in curves.items():
        line = "L".join(f"{x(part):.1f} {y(ms):.1f}" for part, ms in curve)
        parts.append(f'<path class="curve {protocol}" d="M{line}"/>\n')
        parts.append(f'<text class="name {protocol}" x="{x(curve[-1][0]) + 6:.1f}" y="{names[protocol] + 4:.1f}">{protocol}</text>\n')
    return "".join(parts) + "</svg>\n"


def apart(heights, least=16):
    """Heights of labels, moved down where they would cover each other."""
    placed, before = {}, -math.inf
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        before = placed[name] = max(height, before + least)
    return placed
