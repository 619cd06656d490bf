#!/usr/bin/python3
"""The suites of the test command, one after the other: builds, runs, counts. `tests/run NAME...` runs some of them.

`tests/run build-tsan unit-tsan contract-tsan fuzz` runs those that the plain command leaves out.

The unit tests and the sanitizers are built while the VM suites run, on the processor time that these leave: in a
test machine much is waited for.

Each suite is a command whose output says how many of its tests passed and failed; one that says nothing, or ends with an
error that it did not count, is a failed test by the suite's own name.
"""

import atexit
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
JOBS = str(os.cpu_count() or 2)
IOMMUFD_KERNEL = ROOT.parent / "shared/vm/bzImage-6.12.117-iommufd"

PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")
CATCH_GOOD = re.compile(r"^All tests passed \(\d+ assertions? in (\d+) test cases?\)")
CATCH_BAD = re.compile(r"^test cases:\s+(\d+) \|(?:\s+(\d+) passed)?.*?(\d+) failed")


def build(preset, *targets):
    """Configures a preset and builds all of it, or only those targets."""
    return f"cmake --preset {preset} >/dev/null && cmake --build --preset {preset} -- -j{JOBS} {' '.join(targets)}"


def unit(preset):
    return f"build/{preset}/unit_tests"


def contract(preset):
    return f"/usr/bin/python3 tests/contract/run.py build/{preset}/contract_daemon"


def raw_http(preset):
    return f"/usr/bin/python3 tests/contract/raw_http.py build/{preset}/contract_daemon"


VM_PROGRAMS = ("hold_vfio", "vfio_facts", "descriptor_consumer")

SUITES = [
    ("build", build("release", "devbindd", "contract_daemon", "decode_config", *VM_PROGRAMS), 1800),
    ("style", "/usr/bin/python3 tests/style/run.py", 120),
    ("contract", contract("release"), 600),
    ("lspci", "/usr/bin/python3 tests/sysfs/lspci_test.py build/release/decode_config", 300),
    ("raw-http", raw_http("release"), 600),
    ("race", "/usr/bin/python3 tests/contract/race.py build/release/contract_daemon", 300),
    ("vm", "tests/vm/run --timeout 3300", 3400),
    ("vm-no-iommu", "tests/vm/run --iommu off", 600),
    ("vm-reset", "tests/vm/run --resets", 600),
    ("vm-iommufd", "tests/vm/run --kernel iommufd --filter 'test_[1358][03]_*.*'", 900),
    ("build-unit", f"cmake --build --preset release -- -j{JOBS}", 3600),
    ("unit", unit("release"), 600),
    ("build-asan", build("asan", "unit_tests", "contract_daemon"), 3600),
    ("unit-asan", unit("asan"), 900),
    ("contract-asan", contract("asan"), 900),
    ("raw-http-asan", raw_http("asan"), 900),
    ("build-tsan", build("tsan", "unit_tests", "contract_daemon"), 1800),
    ("unit-tsan", unit("tsan"), 900),
    ("contract-tsan", contract("tsan"), 900),
    ("fuzz", "tests/fuzz/run --runs 50000", 1200),
]


MEANWHILE = {"build-unit", "build-asan"}

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


def start(command, seconds, **options):
    """A suite's command as a process."""
    return subprocess.Popen(["timeout", "--kill-after=30", str(seconds), "bash", "-c", command], cwd=ROOT,
                            stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, **options)


def set_share(process, nice):
    """How much processor time a process that leads a session gets, with all it starts, beside the other sessions."""
    try:
        pathlib.Path(f"/proc/{process.pid}/autogroup").write_text(str(nice))
    except OSError:
        pass  # a kernel without autogroups: the nice value of the process itself does it


class Meanwhile:
    """A build that gets only the processor time that nobody else wants, until it is waited for."""

    def __init__(self, command, seconds):
        self._output = tempfile.TemporaryFile("w+", errors="replace")
        self._process = start(f"renice -n 19 $$ >/dev/null; {command}", seconds, stdout=self._output, start_new_session=True)
        set_share(self._process, 19)
        atexit.register(self._process.terminate)

    def wait(self):
        """(exit status, lines)"""
        set_share(self._process, 0)
        status = self._process.wait()
        self._output.seek(0)
        return status, self._output.readlines()


def output_of(process):
    """The lines of a suite as they come, also on the console."""
    lines = []
    for line in process.stdout:
        lines = lines[-200:] + [line]
        print(line, end="", flush=True)
    return process.wait(), lines


def run(name, command, seconds, meanwhile):
    """Runs a suite with its output on the console, or waits for it; (passed, failed)."""
    print(f"\n=== {name}: {command}", flush=True)
    if name.startswith("build"):
        status, lines = (meanwhile or Meanwhile(command, seconds)).wait()
        print("".join(line for line in lines[-200:] if not line.startswith("[")), end="", flush=True)  # "[": ninja's progress
    else:
        status, lines = output_of(start(command, seconds, text=True, errors="replace", stdout=subprocess.PIPE))
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
    meanwhile = {}
    suites = [suite for suite in SUITES if (suite[0] in wanted if wanted else suite[0] not in ON_REQUEST)]
    for name, command, seconds in suites:
        if name == "vm":
            meanwhile = {suite[0]: Meanwhile(*suite[1:]) for suite in suites if suite[0] in MEANWHILE}
        if name == "vm-iommufd" and not IOMMUFD_KERNEL.exists() and not wanted:
            print(f"\n=== {name}: not run, there is no iommufd kernel beside this repository (Debian's kernels have no iommufd)")
            continue
        started = time.monotonic()
        passed, failed = run(name, command, seconds, meanwhile.get(name))
        table.append(f"{name:16} {passed:5} passed {failed:5} failed {time.monotonic() - started:7.0f} s")
        total_passed += passed
        total_failed += failed
        if name == "build" and failed:
            break
    print("\n" + "\n".join(table))
    print(f"\n{total_passed} passed, {total_failed} failed")
    sys.exit(1 if total_failed or not total_passed else 0)


main()
