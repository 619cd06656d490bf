#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the unit tests in several processes at once: many of them wait for a timer or for a worker process.

  tests/proof/unit.py build/release/unit_tests [TEST-SPEC]
"""

import concurrent.futures
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import counts  # noqa: E402
import pace  # noqa: E402

CHUNK = 16  # tests of one process: some start-up time, against waiting for the last one at the end
SIDE_BY_SIDE = 2  # processes for each core
# With the address sanitizer a quarter of the time went into the backtrace of each allocation and into fresh pages for what
# is kept after it was freed: eight frames and 64 MiB show the same faults.
os.environ.setdefault("ASAN_OPTIONS", "malloc_context_size=8:quarantine_size_mb=64")


def names_of(binary, spec):
    """Names of the tests; Catch2 3 and 2 have different options for that."""
    for options in (["--list-tests", "--verbosity", "quiet"], ["--list-test-names-only"]):
        done = subprocess.run([binary, *options, *spec], capture_output=True, text=True)
        names = [line.strip() for line in done.stdout.splitlines()]
        if names and not any(line.startswith(("All available", "Matching test")) for line in names):
            return [name for name in names if name]
    sys.exit(f"{binary} lists no tests: {done.stdout}{done.stderr}")


def run(binary, names):
    """(exit status, lines) of these tests."""
    with tempfile.NamedTemporaryFile("w", prefix="devbindd-tests-") as file:
        # Catch2 2 takes a comma for the end of a name, even in a file of names.
        file.write("".join(name.replace("\\", "\\\\").replace(",", "\\,") + "\n" for name in names))
        file.flush()
        done = subprocess.run([binary, "--durations", "yes", "--input-file", file.name], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode, done.stdout.splitlines()


def main():
    binary, *spec = sys.argv[1:]
    names = names_of(binary, spec)
    chunks = [names[start:start + CHUNK] for start in range(0, len(names), CHUNK)]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(pace.cores() * SIDE_BY_SIDE) as pool:
        for chunk, (status, lines) in zip(chunks, pool.map(lambda chunk: run(binary, chunk), chunks)):
            good, bad = counts.counts_in(lines) or (0, 0)
            if good + bad != len(chunk) or (status != 0 and bad == 0):
                print(f"FAIL of {len(chunk)} tests from '{chunk[0]}' on, {good + bad} were run; exit status {status}")
                bad = len(chunk) - good
            if bad:
                print(*(line for line in lines if not counts.CATCH_TIMED.match(line)), sep="\n")
            print(*(line for line in lines if counts.CATCH_TIMED.match(line)), sep="\n")
            passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


main()
