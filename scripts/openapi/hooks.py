"""What of the rules cannot be said in a schema: times lie between the year 2000 and tomorrow."""

import re

import schemathesis

TIMES = ("startsAt", "lastTimestamp", "deprecatedLastTimestamp", "eventTime", "creationTimestamp")
YEAR = re.compile(r"^\d{4}(?=-\d\d-\d\d[Tt])")


@schemathesis.hook
def map_body(context, body):
    """Moves times that are well formed into years that are allowed."""
    return moved(body)


def moved(value, key=None):
    if isinstance(value, dict):
        return {key: moved(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [moved(item) for item in value]
    if isinstance(value, str) and key in TIMES and not value.startswith("0001-01-01T00:00:00Z"):
        return YEAR.sub("2024", value)
    return value
