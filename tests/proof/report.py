# SPDX-License-Identifier: Apache-2.0
"""What a run prints of its suites: each one's output when it has ended, and a table of them all."""

import counts

SLOWEST = 10
MOST_FAILURES = 50  # of a suite, named at the end
SHOWN_LINES = 400  # of a suite's output, the last ones


def is_noise(line):
    """Ninja's progress, and how long each unit test took: the ten slowest are shown by themselves."""
    return line.startswith("[") or counts.CATCH_TIMED.match(line)


def show(outcome, passed, failed):
    """The output of a suite that has ended, or why it was not run."""
    name = outcome.suite.name
    if outcome.status is None:
        print(f"FAIL {name}: not run, {outcome.why}", flush=True)
        return
    print(f"\n=== {name}: {outcome.suite.command}")
    print(*[line for line in outcome.lines if not is_noise(line)][-SHOWN_LINES:], sep="\n")
    if failed and outcome.status != 0 and not counts.counts_in(outcome.lines):
        print(f"FAIL {name}: exit status {outcome.status}")
    if outcome.why:
        print(f"{name}: {outcome.why}")
    print(f"=== {name}: {passed} passed, {failed} failed in {outcome.wall:.0f} s\n", flush=True)


class Table:
    """A line for each suite, the sums, and the slowest tests."""

    def __init__(self):
        self.passed = self.failed = 0
        self._rows = []
        self._slowest = []
        self._failures = []

    def add(self, outcome, passed, failed):
        self.passed += passed
        self.failed += failed
        suite = outcome.suite
        if outcome.status is None:
            self._rows.append(f"{suite.name:16} not run: {outcome.why}")
            self._failures.append(f"{suite.name:16} not run")
            return
        self._rows.append(f"{suite.name:16} {passed:5} passed {failed:5} failed {outcome.wall:7.0f} s wall {outcome.processor:7.0f} s "
                          f"processor {100 * outcome.idle:4.0f} % of the cores idle meanwhile")
        if failed:
            named = [line for line in outcome.lines if line.startswith("FAIL")][:MOST_FAILURES]
            self._failures += [f"{suite.name:16} {line}" for line in named or [f"{failed} failed"]]
        for seconds, test in counts.durations_in(outcome.lines)[:SLOWEST]:
            self._slowest.append(f"{suite.name:16} {seconds:7.1f} s {test}")

    def print(self):
        print("\n=== the slowest tests of each suite", *self._slowest, "", "=== the suites", *self._rows, sep="\n")
        if self._failures:
            print("\n=== what failed", *self._failures, sep="\n")
