# SPDX-License-Identifier: Apache-2.0
"""What a suite's output says: how many tests passed and failed, and how long each took."""

import re

PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")
CATCH_GOOD = re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)")
CATCH_BAD = re.compile(r"^test cases:\s+(\d+) \|(?:\s+(\d+) passed)?.*?(\d+) failed")
TIMED = re.compile(r"^(?:ok|FAIL) (\S.*) (\d+\.\d+)(?: s)?$")  # our own suites
CATCH_TIMED = re.compile(r"^(\d+\.\d+) s: (.*)$")  # Catch2's --durations


def counts_in(lines):
    """(passed, failed) of the last summary line, or None. A skipped test counts as failed: nobody has seen it pass."""
    for line in reversed(lines):
        if found := PLAIN.match(line):
            return int(found[1]), int(found[2]) + int(found[3] or 0)
        if found := CATCH_GOOD.match(line):
            return int(found[1]), 0
        if found := CATCH_BAD.match(line):
            return int(found[1]) - int(found[3]), int(found[3])
    return None


def durations_in(lines):
    """(seconds, test) of every line that tells them, the longest first."""
    found = []
    for line in lines:
        if match := TIMED.match(line):
            found.append((float(match[2]), match[1]))
        elif match := CATCH_TIMED.match(line):
            found.append((float(match[1]), match[2].strip()))
    return sorted(found, reverse=True)
