# SPDX-License-Identifier: Apache-2.0
"""Runs the tests on one or several machines, which take them from one queue, and counts what comes out.

The queue is a folder that all machines share. A machine takes a unit (a test, or a class whose tests belong together) by
making a folder of the unit's name in it, which only one can do (guest/runner.py).
"""

import dataclasses
import shutil
import time

import lost_machine
from box import Crash, Machine, Silence, Trouble

DETAIL_LINES = 120  # of what the guest wrote about a failed test, the last ones
CONSOLE_LINES = 60


class Stopped(Exception):
    """Somebody has asked the run to end (SIGTERM)."""


@dataclasses.dataclass
class Tally:
    planned: int | None = None  # tests that the machines found
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    ended: list = dataclasses.field(default_factory=list)  # names, whatever came out

    def print(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)


class Fleet:
    """`request`: what each machine's main program is asked. `results`: a folder; each machine gets one of its own in it."""

    def __init__(self, prepared, results, request, machines, seconds):
        self._prepared = prepared
        self._results = results
        self._request = request
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._tally = Tally()
        self._queue = None
        if not request["resets"]:
            self._queue = prepared.folder / "queue"
            self._queue.mkdir()
        self._machines = []
        for number in range(1, machines + 1):
            self._boot(f"machine-{number}")

    def _boot(self, name):
        request = self._request | {"without": list(self._tally.ended), "name": name}
        self._machines.append(Machine(self._prepared, self._results / name, request, queue=self._queue))

    def run(self):
        """The exit code."""
        try:
            while self._machines:
                for box in list(self._machines):
                    self._look(box)
                if time.monotonic() > self._deadline:
                    raise Stopped(f"not finished within {self._seconds:.0f} s")
                time.sleep(0.1)
        except Stopped as stopped:
            self._give_up(str(stopped))
        finally:
            for box in self._machines:
                box.stop(0)
        tally = self._tally
        if tally.planned is not None and len(tally.ended) != tally.planned:
            tally.failed += 1
            print(f"FAIL vm.plan {len(tally.ended)} of {tally.planned} tests have ended")
        tally.print()
        return 0 if tally.passed and not tally.failed else 1

    def _look(self, box):
        try:
            for line in box.poll():
                self._heard(box, line)
        except Silence as silence:
            self._lost(box, silence, lost_machine.evidence(box.qmp, box.process, box.console))
        except Trouble as trouble:
            self._lost(box, trouble, ())

    def _heard(self, box, line):
        kind, _, rest = line.partition(" ")
        tally = self._tally
        if kind in ("run", "unit", "unit-done"):
            return
        if kind == "plan":
            tally.planned = int(rest) if tally.planned is None else tally.planned
        elif kind in ("ready", "reset"):
            print(f"{box.results.name} {kind} after {box.seconds():.1f} s, {box.processor_seconds():.0f} s of processor", flush=True)
        elif kind == "done":
            print(f"{box.results.name} done after {box.seconds():.1f} s, {box.processor_seconds():.0f} s of processor", flush=True)
            box.stop(10)
            self._machines.remove(box)
        elif kind == "note":
            print(line, flush=True)
        else:
            print(line, flush=True)
            name = rest.split()[0]
            if name != "vm.boot":
                tally.ended.append(name)
            tally.passed += kind == "ok"
            tally.skipped += kind == "skip"
            if kind == "FAIL":
                tally.failed += 1
                show_detail(box, name)

    def _lost(self, box, trouble, evidence):
        """A machine stopped, fell silent or crashed. Where all of the guest hung or QEMU crashed, another one takes its place,
        once; the test that ran is run again, and one that does that to its second machine too is a failed one. No single
        test can hang a machine, since each runs in a process of its own with a limit. One that ends the machine has failed."""
        print(f"LOST {box.results.name}: {trouble}", *evidence, sep="\n", flush=True)
        box.stop(0)
        self._machines.remove(box)
        show_console(box)
        boots_once = self._queue or not box.running and not self._tally.ended
        if isinstance(trouble, (Silence, Crash)) and boots_once and not box.results.name.endswith("-again"):
            if box.unit:
                shutil.rmtree(self._queue / box.unit)
            self._boot(box.results.name + "-again")
            return
        self._tally.failed += 1
        print(f"FAIL vm.boot {trouble}")
        show_detail(box, "vm.boot")

    def _give_up(self, why):
        missing = "" if self._tally.planned is None else f", {self._tally.planned - len(self._tally.ended)} tests left"
        running = ", ".join(box.running for box in self._machines if box.running)
        print(f"FAIL vm.time {why}{missing}; running: {running or 'no test'}", flush=True)
        self._tally.failed += 1
        self._tally.planned = None  # said already


def show_detail(box, name):
    """What the guest wrote about a failed test, its end when it is long."""
    detail = box.results / f"{name}.txt"
    if detail.exists():
        print(f"\n--- {name}", *detail.read_text(errors="replace").rstrip().splitlines()[-DETAIL_LINES:], "---", sep="\n", flush=True)


def show_console(box):
    for title, file in (("qemu", box.results / "qemu.txt"), ("console", box.console)):
        text = file.read_text(errors="replace") if file.exists() else ""
        print(f"--- {title}", *text.splitlines()[-CONSOLE_LINES:], sep="\n")
