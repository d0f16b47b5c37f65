"""The list of what was checked, as it grows: a line each, and a summary."""

import sys
import time


class Failed(Exception):
    """The run cannot go on; what is wrong is told."""


class Checks:
    """Prints a line for each check, and remembers which failed."""

    def __init__(self):
        self.began = time.monotonic()
        self.failed = []
        self.passed = 0
        self.steps = []

    def step(self, what):
        """Says what begins now, and how long what was before it took."""
        now = time.monotonic()
        self.steps.append((what, now))
        print(f"\n{what} …", flush=True)

    def check(self, what, holds, figures=""):
        """One check; `figures` are shown whether it holds or not."""
        print(f"{'PASS' if holds else 'FAIL'}  {what}{': ' if figures != '' else ''}{figures}", flush=True)
        if holds:
            self.passed += 1
        else:
            self.failed.append(what)
        return holds

    def summary(self):
        """Prints how long each step took and what failed; returns the exit code."""
        ends = [at for _, at in self.steps[1:]] + [time.monotonic()]
        print("\nseconds")
        for (what, at), end in zip(self.steps, ends):
            print(f"  {end - at:6.1f}  {what}")
        print(f"  {time.monotonic() - self.began:6.1f}  in all")
        total = self.passed + len(self.failed)
        if self.failed or total == 0:
            print(f"\nFAIL  {len(self.failed)} of {total} checks:")
            for what in self.failed:
                print(f"      {what}")
            return 1
        print(f"\nPASS  {total} checks")
        return 0


def eventually(seconds, look, holds):
    """Looks until what is seen `holds`, for so many seconds; returns what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if holds(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(0.5)


def say(what):
    """Something that is no check."""
    print(f"      {what}", file=sys.stdout, flush=True)
