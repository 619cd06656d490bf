#!/usr/bin/python3
"""The suites of the test command, one after the other: builds, runs, counts. `tests/run NAME...` runs some of them.

`tests/run build-tsan unit-tsan contract-tsan fuzz` runs those that the plain command leaves out.

Each suite is a command whose output says how many of its tests passed and failed; one that says nothing, or ends with an
error that it did not count, is a failed test by the suite's own name.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
JOBS = str(os.cpu_count() or 2)
IOMMUFD_KERNEL = ROOT.parent / "shared/vm/bzImage-6.12.117-iommufd"

PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")
CATCH_GOOD = re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)")
CATCH_BAD = re.compile(r"^test cases:\s+(\d+) \|(?:\s+(\d+) passed)?.*?(\d+) failed")


def build(preset):
    """Configures and builds a preset."""
    return f"cmake --preset {preset} >/dev/null && cmake --build --preset {preset} -- -j{JOBS}"


def unit(preset):
    return f"build/{preset}/unit_tests"


def contract(preset):
    return f"/usr/bin/python3 tests/contract/run.py build/{preset}/contract_daemon"


def raw_http(preset):
    return f"/usr/bin/python3 tests/contract/raw_http.py build/{preset}/contract_daemon"


SUITES = [
    ("build", build("release"), 1800),
    ("style", "/usr/bin/python3 tests/style/run.py", 120),
    ("unit", unit("release"), 300),
    ("contract", contract("release"), 600),
    ("lspci", "/usr/bin/python3 tests/sysfs/lspci_test.py build/release/decode_config", 300),
    ("raw-http", raw_http("release"), 600),
    ("race", "/usr/bin/python3 tests/contract/race.py build/release/contract_daemon", 300),
    ("vm", "tests/vm/run --timeout 2600", 2700),
    ("vm-no-iommu", "tests/vm/run --iommu off", 600),
    ("vm-reset", "tests/vm/run --resets", 600),
    ("vm-iommufd", "tests/vm/run --kernel iommufd --filter 'test_[1358][03]_*.*'", 900),
    ("build-asan", build("asan"), 1800),
    ("unit-asan", unit("asan"), 900),
    ("contract-asan", contract("asan"), 900),
    ("raw-http-asan", raw_http("asan"), 900),
    ("build-tsan", build("tsan"), 1800),
    ("unit-tsan", unit("tsan"), 900),
    ("contract-tsan", contract("tsan"), 900),
    ("fuzz", "tests/fuzz/run --runs 50000", 1200),
]


# Only when asked for by name: they take long, or say little in a short run.
ON_REQUEST = {"build-tsan", "unit-tsan", "contract-tsan", "fuzz"}


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


def run(name, command, seconds):
    """Runs a suite with its output on the console; (passed, failed)."""
    print(f"\n=== {name}: {command}", flush=True)
    lines = []
    process = subprocess.Popen(["timeout", "--kill-after=30", str(seconds), "bash", "-c", command], cwd=ROOT, text=True,
                               errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in process.stdout:
        lines = lines[-200:] + [line]
        if not name.startswith("build") or not line.startswith("["):  # ninja's progress is for terminals
            print(line, end="", flush=True)
    status = process.wait()
    passed, failed = counts_in(lines) or (0, 0)
    if status != 0 and failed == 0:
        print(f"FAIL {name}: exit status {status}")
        return passed, 1
    if status == 0 and passed + failed == 0:
        return (1, 0) if name.startswith("build") else (0, 1)
    return passed, failed


def main():
    wanted = sys.argv[1:]
    unknown = set(wanted) - {name for name, _, _ in SUITES}
    if unknown:
        sys.exit(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(name for name, _, _ in SUITES)}")
    total_passed = total_failed = 0
    table = []
    for name, command, seconds in SUITES:
        if name not in wanted if wanted else name in ON_REQUEST:
            continue
        if name == "vm-iommufd" and not IOMMUFD_KERNEL.exists() and not wanted:
            print(f"\n=== {name}: not run, there is no iommufd kernel beside this repository (Debian's kernels have no iommufd)")
            continue
        started = time.monotonic()
        passed, failed = run(name, command, seconds)
        table.append(f"{name:16} {passed:5} passed {failed:5} failed {time.monotonic() - started:7.0f} s")
        total_passed += passed
        total_failed += failed
        if name == "build" and failed:
            break
    print("\n" + "\n".join(table))
    print(f"\n{total_passed} passed, {total_failed} failed")
    sys.exit(1 if total_failed or not total_passed else 0)


main()
