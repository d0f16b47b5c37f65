"""The result as text."""

import judge
import one_resource


def say(text):
    print(text, flush=True)


def tell(result, output):
    """Prints the result; returns whether all checks hold."""
    before, after = result["load_average"]
    say(f"\nload average {before} before, {after} after")
    say("latencies in ms, + above unlocked; requests to the Kubernetes API per signal")
    for scenario in result["scenarios"].values():
        say(f"\n{scenario['title']} (medians of rounds differ by up to ×{scenario['drift']:.1f})")
        outcomes = scenario["outcomes"]
        show(judge.HEADINGS, [judge.cells(outcomes, protocol) for protocol in outcomes])
    say("\n409s: by the API to gateways; writes/s: of the RemediationRequest by gateways, as a watch saw them")
    show(one_resource.HEADINGS, result["load_rows"])
    say("")
    show(one_resource.STORM_HEADINGS, result["storm_rows"])
    say("")
    for caveat in result["caveats"]:
        say(f"  note: {caveat}")
    say("")
    show(*verdicts(result))
    say(f"\nkept in {output}: result.json, page.html, vegeta's results and plots")
    return all(check["holds"] for check in result["checks"])


def verdicts(result):
    """Headings and rows of the table of verdicts."""
    return ["verdict", "scenario", "figure", "limit", "measured"], [
        ["PASS" if check["holds"] else "FAIL", check["scenario"], check["figure"], check["limit"], check["measured"]]
        for check in result["checks"]
    ]


def show(headings, rows):
    """Prints a table; its columns of numbers are aligned to the right, words to the left."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    numbers = [all(row[column][:1] in "+-−0123456789" for row in rows) for column in range(len(headings))]
    for line in lines:
        cells = [cell.rjust(width) if number else cell.ljust(width) for cell, width, number in zip(line, widths, numbers)]
        say(f"  {'  '.join(cells)}".rstrip())
