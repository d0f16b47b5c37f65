"""A typed neighbour of the gateways: a controller that reads a RemediationRequest, works, and writes its whole status."""

import http.client
import json
import random
import threading
import time

from api import REMEDIATION_REQUESTS

# Between its read and its write.
WORK_SECONDS = 0.020
# Between one write that is through and the next that is wanted.
PAUSE_SECONDS = (0.1, 0.3)
# What Go types of the predecessor service know of `status.deduplication`: a typed client drops everything else.
KNOWN = ("firstSeenAt", "lastSeenAt", "occurrenceCount")
# Both are active; each write changes something, or the API server would not write.
PHASES = ("Processing", "Analyzing")


class Neighbour(threading.Thread):
    """Wants to write again and again, and tries each write until it is through: GET, 20 ms, PUT, again at once after a 409."""

    def __init__(self, api, namespace):
        super().__init__(daemon=True)
        self.api = api.another()
        path = REMEDIATION_REQUESTS.format(namespace)
        self.path = f"{path}/{api.get(path)['items'][0]['metadata']['name']}"
        self.random = random.Random(1)
        self.ended = threading.Event()
        self.wanted, self.first_try, self.conflicts, self.longest = 0, 0, 0, 0.0
        self.versions = set()
        self.failure = None
        self.start()

    def run(self):
        try:
            while not self.ended.wait(self.random.uniform(*PAUSE_SECONDS)):
                self.write()
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.failure = error

    def write(self):
        """One write; when the load ends while it conflicts, it is given up."""
        began, tries = time.monotonic(), 0
        self.wanted += 1
        while not self.ended.is_set() or tries == 0:
            request = self.api.get(self.path)
            time.sleep(WORK_SECONDS)
            request["status"] = typed(request.get("status", {}), PHASES[self.wanted % 2])
            status, text = self.api.send("PUT", f"{self.path}/status", request)
            tries += 1
            self.longest = max(self.longest, time.monotonic() - began)
            if status == 200:
                self.versions.add(json.loads(text)["metadata"]["resourceVersion"])
                self.first_try += tries == 1
                return
            if status != 409:
                raise OSError(f"PUT {self.path}/status: {status} {text[:200]}")
            self.conflicts += 1

    def stop(self):
        """Ends it; returns its figures."""
        self.ended.set()
        self.join(60)
        if self.failure or self.is_alive():
            raise OSError(f"the neighbour failed: {self.failure or 'it does not end'}")
        return {
            "wanted": self.wanted, "first_try": self.first_try, "through": len(self.versions), "conflicts": self.conflicts,
            "longest_wait_s": self.longest,
        }


def typed(status, phase):
    """`status` as Go types know it, in `phase`."""
    counted = status.get("deduplication")
    known = {} if counted is None else {"deduplication": {name: counted[name] for name in KNOWN if name in counted}}
    return {**status, **known, "overallPhase": phase}
