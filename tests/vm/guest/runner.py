# SPDX-License-Identifier: Apache-2.0
"""Finds and runs tests/vm/guest/test_*.py (unittest cases, and plain functions named test_*) in the guest.

Each test runs in a forked child with a time limit, so that one that hangs, even unkillably in the kernel, fails alone.
A line per test goes to /mnt/results/results.txt as soon as it ends: `ok NAME SECONDS`, `FAIL NAME REASON`,
`skip NAME REASON`; at the end `done PASSED FAILED SKIPPED`. The test's output is in /mnt/results/NAME.txt.

Several machines may run them side by side: each takes one unit after the other from a queue that they share, the units
with the longest limits first. A unit is a test, or all tests of a class that says TOGETHER = True, in their order; a class
that says FIRST = True wants a machine on which nothing else has run.

A module may say NEEDS_DAEMON = False; it then runs without devbindd too. One that says IOMMU = "off" runs only on a
machine without an IOMMU, one that says "any" on every machine, one that says ("amd",) on those beds (beds.py), and all
others where an IOMMU is on. One that says RESETS = True runs only where the machine is
reset between boots (--resets), and no other does there; its classes say in `boot` in which one they run.
"""

import dataclasses
import faulthandler
import fnmatch
import importlib
import inspect
import io
import json
import os
import pathlib
import re
import select
import signal
import sys
import time
import traceback
import unittest

import api
import beds

RESULTS = pathlib.Path("/mnt/results")
QUEUE = pathlib.Path("/mnt/queue")
HERE = pathlib.Path(__file__).resolve().parent
DEFAULT_TIMEOUT = 60
KERNEL_COMPLAINTS = re.compile(r"BUG:|Oops|WARNING: CPU|general protection|use-after-free|refcount_t:")


def report(line):
    with open(RESULTS / "results.txt", "a", encoding="utf-8") as results:
        results.write(line + "\n")


def asked():
    """What the host has asked for."""
    return json.loads((RESULTS / "request.json").read_text())


def fail(name, reason, detail=""):
    with open(RESULTS / f"{name}.txt", "a", encoding="utf-8") as file:
        file.write(f"{reason}\n{detail}")
    report(f"FAIL {name} {' '.join(reason.split())[:300]}")


class KernelLog:
    """The lines that came since the last reading."""

    def __init__(self):
        self._descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        self.new()

    def new(self):
        lines = []
        while True:
            try:
                record = os.read(self._descriptor, 8192).decode(errors="replace")
            except BlockingIOError:
                return lines
            except BrokenPipeError:  # the oldest were overwritten meanwhile
                continue
            lines.append(record.partition(";")[2].partition("\n")[0])


class Result(unittest.TestResult):
    """Keeps the one outcome: ("ok" | "FAIL" | "skip", reason, traceback)."""

    outcome = ("ok", "", "")

    def addError(self, test, err):  # noqa: N802
        self._set("FAIL", err)

    def addFailure(self, test, err):  # noqa: N802
        self._set("FAIL", err)

    def addSubTest(self, test, subtest, err):  # noqa: N802
        if err:
            self._set("FAIL", err, subtest._subDescription() + " ")

    def addSkip(self, test, reason):  # noqa: N802
        if self.outcome[0] == "ok":
            self.outcome = ("skip", reason, "")

    def addUnexpectedSuccess(self, test):  # noqa: N802
        self.outcome = ("FAIL", "unexpected success", "")

    def _set(self, status, err, prefix=""):
        text = "".join(traceback.format_exception(*err))
        reason = traceback.format_exception_only(*err[:2])[-1].strip()
        if self.outcome[0] == "FAIL":  # a test's first failure names it; all are in the detail
            _, reason_before, text_before = self.outcome
            self.outcome = ("FAIL", reason_before, text_before + text)
        else:
            frames = traceback.extract_tb(err[2])
            where = next((frame for frame in reversed(frames) if frame.filename.startswith(str(HERE))), frames[-1])
            self.outcome = (status, f"{prefix}{reason} ({pathlib.Path(where.filename).name}:{where.lineno})", text)


def note_boot():
    with open(RESULTS / "boots", "a", encoding="utf-8") as file:
        file.write("boot\n")


def boot_number():
    """1 for the first boot of this run."""
    return len((RESULTS / "boots").read_text().splitlines())


def discover(with_daemon, iommu, resets, by_vfio):
    """(name, test, seconds) of every test for this machine, in the order of files and of lines in them. `by_vfio`: no
    others than those that are marked so (api.by_vfio)."""
    found = []
    for file in sorted(HERE.glob("test_*.py")):
        try:
            module = importlib.import_module(file.stem)
        except Exception as error:  # a broken file is a failed test, not the end of the run
            found.append((file.stem, unittest.FunctionTestCase(raiser(error)), DEFAULT_TIMEOUT))
            continue
        if not with_daemon and getattr(module, "NEEDS_DAEMON", True):
            continue
        if not fits(getattr(module, "IOMMU", "on"), beds.BEDS[iommu]) or getattr(module, "RESETS", False) != resets:
            continue
        for member in vars(module).values():
            if getattr(member, "__module__", None) != module.__name__:
                continue
            if inspect.isclass(member) and issubclass(member, unittest.TestCase):
                for method, function in vars(member).items():
                    if method.startswith("test") and (not by_vfio or hasattr(function, "by_vfio") or hasattr(member, "by_vfio")):
                        limit = getattr(function, "timeout", getattr(member, "timeout", DEFAULT_TIMEOUT))
                        found.append((f"{file.stem}.{member.__name__}.{method}", member(method), limit))
            elif inspect.isfunction(member) and member.__name__.startswith("test_") and (not by_vfio or hasattr(member, "by_vfio")):
                limit = getattr(member, "timeout", DEFAULT_TIMEOUT)
                found.append((f"{file.stem}.{member.__name__}", unittest.FunctionTestCase(member), limit))
    return found


def fits(wanted, bed):
    """Whether a module that says so in IOMMU runs on that bed."""
    return wanted in ("any", bed.kind) or isinstance(wanted, tuple) and bed.name in wanted


def raiser(error):
    def not_imported():
        raise error

    return not_imported


def matches(name, pattern):
    return not pattern or fnmatch.fnmatchcase(name, f"*{pattern}*")


def child(test, detail, pipe, limit):
    """The forked child: runs one test and sends its outcome. Does not return."""
    os.setsid()
    os.dup2(detail, 1)
    os.dup2(detail, 2)
    sys.stdout = sys.stderr = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), write_through=True)
    faulthandler.dump_traceback_later(max(limit - 1, 1), file=2)
    result = Result()
    try:
        unittest.TestSuite([test]).run(result)
        status, reason, text = result.outcome
    except BaseException as error:  # even SystemExit must not look like a result
        status, reason, text = "FAIL", f"left by {error!r}", traceback.format_exc()
    print(text, flush=True)
    os.write(pipe, json.dumps([status, reason]).encode())
    os._exit(0)


def run_test(name, test, limit):
    """(status, reason) of one test."""
    detail = os.open(RESULTS / f"{name}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    outcome, pipe = os.pipe()
    process = os.fork()
    if process == 0:
        child(test, detail, pipe, limit)
    os.close(pipe)
    os.close(detail)
    try:
        if not select.select([outcome], [], [], limit)[0]:
            try:
                where = "".join(api.sh(f"cat /proc/{process}/wchan /proc/{process}/stack", check=False, timeout=10))
                os.killpg(process, signal.SIGKILL)
            except (OSError, RuntimeError) as error:
                where = str(error)
            append(name, f"\n--- in the kernel\n{where}\n")
            return "FAIL", f"not finished within {limit} s"
        answer = os.read(outcome, 65536)
        os.waitpid(process, 0)
        return json.loads(answer) if answer else ("FAIL", "its process died")
    finally:
        os.close(outcome)


def append(name, text):
    with open(RESULTS / f"{name}.txt", "a", encoding="utf-8") as file:
        file.write(text)


@dataclasses.dataclass
class Unit:
    """What one machine runs without a break: (name, test, seconds) of its tests."""

    name: str
    tests: list
    first: bool

    def longest_limit(self):
        return max(limit for _, _, limit in self.tests)


def units_of(tests):
    """The tests in units: those that want a fresh machine first, then those with the longest limits."""
    units = {}
    for name, test, limit in tests:
        owner = type(test)
        together = getattr(owner, "TOGETHER", False)
        key = name.rpartition(".")[0] if together else name
        units.setdefault(key, Unit(key, [], getattr(owner, "FIRST", False))).tests.append((name, test, limit))
    return sorted(units.values(), key=lambda unit: (not unit.first, -unit.longest_limit()))


def take(unit):
    """Whether the unit is ours: only one machine can make the folder."""
    try:
        (QUEUE / unit.name).mkdir()
    except FileExistsError:
        return False
    report(f"unit {unit.name}")
    return True


def taken(units):
    """The units of this machine, as it gets them. Another machine that is given up puts its unit back."""
    left = list(units)
    while left:
        elsewhere = set(os.listdir(QUEUE))
        ours = next((unit for unit in left if unit.name not in elsewhere and take(unit)), None)
        if ours is None:
            return
        left.remove(ours)
        yield ours


class Bench:
    """Runs single tests and reports and counts them."""

    def __init__(self, with_daemon):
        self.counts = {"ok": 0, "FAIL": 0, "skip": 0}
        self._log = KernelLog()
        self._with_daemon = with_daemon

    def run(self, name, test, limit):
        report(f"run {name} {limit:.0f}")
        api.kernel_log(name)
        start = time.monotonic()
        status, reason = run_test(name, test, limit)
        seconds = time.monotonic() - start
        lines = self._log.new()
        complaint = next((line for line in lines if KERNEL_COMPLAINTS.search(line)), None)
        if complaint and status != "FAIL":
            status, reason = "FAIL", f"kernel: {complaint}"
        if status == "FAIL":
            append(name, "\n--- kernel log\n" + "\n".join(lines) + "\n")
            if self._with_daemon:
                journal = ("journalctl", "-o", "short-monotonic", "-n", "80", "-u", "devbindd.service")
                append(name, "--- devbindd\n" + api.sh(*journal, check=False))
        self.counts[status] += 1
        report(f"{status} {name} {f'{seconds:.1f}' if status == 'ok' else ' '.join(reason.split())[:300]}")


def run(request):
    """Runs what the host's request selects and reports. Where there are tests for a later boot, cuts the power."""
    selected = [
        (name, test, limit * api.PACE)
        for name, test, limit in discover(request["daemon"], request["iommu"], request["resets"], request["by_vfio"])
        if matches(name, request["filter"])
    ]
    bench = Bench(request["daemon"])
    if request["resets"]:
        run_over_resets(bench, selected)
    else:
        report(f"plan {len(selected)}")
        for unit in taken(units_of(selected)):
            for test in unit.tests:
                if test[0] not in request["without"]:
                    bench.run(*test)
            report("unit-done")
    report(f"done {bench.counts['ok']} {bench.counts['FAIL']} {bench.counts['skip']}")


def run_over_resets(bench, selected):
    """Runs the tests of this boot, and cuts the power when there are others."""
    boot = boot_number()
    if boot == 1:
        report(f"plan {len(selected)}")
    for test in selected:
        if test[1].boot == boot:
            bench.run(*test)
    if any(test.boot > boot for _, test, _ in selected):
        report("reset")
        api.qmp("system_reset")
        time.sleep(60)
        fail("vm.reset", "the machine was not reset")
