# SPDX-License-Identifier: Apache-2.0
"""Runs suites side by side: each lane has seats, a suite starts when its lane has room and what it waits for is done.

The processor time of a suite is that of its process and of all that it has waited for. How long both cores were idle is
read from /proc/stat while it ran, and so says something of the whole machine.
"""

import atexit
import dataclasses
import os
import pathlib
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICK = 0.2  # seconds between two looks
TERM_GRACE = 30  # seconds from SIGTERM to SIGKILL: long enough for a suite to print its count
SAY_EVERY = 60  # seconds between two lines about what is running


@dataclasses.dataclass(frozen=True)
class Suite:
    """`seconds`: its limit on the reference machine. `after`: suites that must have passed before. `seats`: how much of
    its lane it takes. `idle_time_only`: it gets only the processor time that nobody else wants, while others run."""

    name: str
    command: str
    seconds: int
    lane: str = "work"
    after: tuple = ()
    seats: int = 1
    idle_time_only: bool = False


@dataclasses.dataclass
class Outcome:
    suite: Suite
    status: int | None  # None: it was not run
    lines: list
    wall: float = 0.0
    processor: float = 0.0
    idle: float = 0.0  # share of all cores, 0 to 1
    why: str = ""  # where it was not run


def _idle_and_total():
    """Seconds of all cores since the boot: without work, and altogether."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (fields[3] + fields[4]) / os.sysconf("SC_CLK_TCK"), sum(fields) / os.sysconf("SC_CLK_TCK")


def _set_share(process, nice):
    """How much processor time a process that leads a session gets, with all it starts, beside the other sessions."""
    try:
        pathlib.Path(f"/proc/{process.pid}/autogroup").write_text(str(nice))
    except OSError:
        pass  # a kernel without autogroups: the nice value of the process itself does it


class Running:
    """A suite's process, its output in a file."""

    def __init__(self, suite, pace):
        self.suite = suite
        self._output = tempfile.TemporaryFile("w+", errors="replace")
        self._started = time.monotonic()
        self._clock = _idle_and_total()
        self._limit = suite.seconds * pace
        self._term_at = None
        nice = "renice -n 19 $$ >/dev/null; " if suite.idle_time_only else ""
        self._process = subprocess.Popen(
            ["bash", "-c", nice + suite.command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._output,
            stderr=subprocess.STDOUT, start_new_session=True, env=os.environ | {"DEVBINDD_TEST_PACE": f"{pace:.2f}"})
        if suite.idle_time_only:
            _set_share(self._process, 19)
        atexit.register(self.end_now)

    def have_everything(self):
        """Nobody else needs the processors any longer."""
        if self.suite.idle_time_only:
            _set_share(self._process, 0)

    def end_now(self):
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def terminate(self):
        """Asks it to end and to say what it has counted so far."""
        if self._term_at is None:
            self._term_at = time.monotonic()
            os.killpg(self._process.pid, signal.SIGTERM)

    def outcome(self):
        """None while it runs."""
        pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if pid == 0:
            self._look_at_the_clock()
            return None
        self.end_now()  # what it left behind
        atexit.unregister(self.end_now)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._output.seek(0)
        idle, total = (after - before for before, after in zip(self._clock, _idle_and_total()))
        late = f"not finished within {self._limit:.0f} s" if self._term_at is not None else ""
        return Outcome(self.suite, self._process.returncode, self._output.read().splitlines(), time.monotonic() - self._started,
                       usage.ru_utime + usage.ru_stime, idle / total if total else 0.0, late)

    def _look_at_the_clock(self):
        now = time.monotonic()
        if self._term_at is None and now - self._started > self._limit:
            self.terminate()
        elif self._term_at is not None and now - self._term_at > TERM_GRACE:
            self.end_now()


def _names(suites):
    return ", ".join(suite.name for suite in suites) or "nothing"


def run(suites, lanes, pace, seconds, ended):
    """Runs all of them; `ended` gets each Outcome. `lanes`: name -> seats. After `seconds` nothing is started any longer and
    what runs is ended: what was not run is an outcome too."""
    started = time.monotonic()
    waiting, running, failed, done = list(suites), [], set(), set()
    said = started
    chosen = {suite.name for suite in suites}
    while waiting or running:
        for job in list(running):
            outcome = job.outcome()
            if outcome is not None:
                running.remove(job)
                done.add(job.suite.name)
                if not ended(outcome):
                    failed.add(job.suite.name)
        late = time.monotonic() - started > seconds
        for suite in list(waiting):
            needed = [name for name in suite.after if name in chosen]
            broken = [name for name in needed if name in failed]
            if late or broken:
                waiting.remove(suite)
                failed.add(suite.name)
                done.add(suite.name)
                ended(Outcome(suite, None, [], why="no time was left" if late else f"{broken[0]} failed"))
            elif all(name in done for name in needed) and _has_room(suite, running, waiting, lanes):
                waiting.remove(suite)
                print(f"=== {suite.name} begins: {suite.command}", flush=True)
                running.append(Running(suite, pace))
        if late:
            for job in running:
                job.terminate()
        if running and all(job.suite.idle_time_only for job in running):
            for job in running:
                job.have_everything()
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            print(f"=== after {said - started:.0f} s: {_names(job.suite for job in running)}; left: {_names(waiting)}", flush=True)
        time.sleep(TICK)


def _has_room(suite, running, waiting, lanes):
    """Suites of a lane start in their order: a small one does not overtake one that waits for more seats."""
    for other in waiting:
        if other is suite:
            break
        if other.lane == suite.lane and all(name not in {item.name for item in waiting} for name in other.after):
            if not any(job.suite.name in other.after for job in running):
                return False
    taken = sum(min(job.suite.seats, lanes[suite.lane]) for job in running if job.suite.lane == suite.lane)
    return taken + min(suite.seats, lanes[suite.lane]) <= lanes[suite.lane]
