# SPDX-License-Identifier: Apache-2.0
"""Stops the daemon's workers at single writes to sysfs (ptrace). Runs in the guest only; asserts nothing about devices."""

import contextlib
import ctypes
import os
import pathlib
import select
import signal
import struct
import time

import api


class Tracer:
    """A process that traces a daemon, its keeper and its workers; whom it holds goes on when it ends.

    At the write number `at` to sysfs it holds everybody and kills, or lets this one write fail and everybody go on.
    """

    _POKE_USER, _CONT, _DETACH, _SYSCALL, _SEIZE, _INTERRUPT, _GET_SYSCALL_INFO = 6, 7, 17, 24, 0x4206, 0x4207, 0x420E
    _SYSGOOD, _TRACE_VFORK, _TRACE_EXEC = 1, 4, 16
    _EVENT_EXEC = 4
    _ENTRY, _EXIT = 1, 2
    _WRITE = 1  # its number on x86-64
    _WALL = 0x40000000
    _DEBUG_REGISTERS = 848  # their place in struct user
    _RESULT, _NUMBER = 10 * 8, 15 * 8  # the place of RAX and ORIG_RAX in it
    _ON_WRITING_ONE_BYTE = 0x10001  # of DR7: watch the address in DR0

    class _End(Exception):
        pass

    def __init__(self, daemon, kill, at, when, fail_with=0):
        """`kill`: "both", "worker", "daemon" or "nobody", `when` is "before" or "after"; `fail_with`: an errno."""
        self._daemon, self._kill, self._at, self._when, self._fail_with = daemon, kill, at, when, fail_with
        self._reading, self._telling = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            try:
                os.close(self._reading)
                self._run()
            except self._End:
                self._let_go()
            finally:
                os._exit(0)
        os.close(self._telling)
        self.reached = None  # (worker's pid, file written to)
        if not self._hear(30):
            self.end()
            raise AssertionError("the tracer could not attach")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Everybody goes on untraced."""
        if not self._process:
            return
        process, self._process = self._process, 0
        try:
            self._end(process)
        finally:
            os.close(self._reading)

    @staticmethod
    def _end(process):
        deadline = time.monotonic() + 30 * api.PACE
        while time.monotonic() < deadline:
            # Told more than once: a signal right before the tracer begins to wait does not wake it.
            os.kill(process, signal.SIGTERM)
            for _ in range(20):
                if os.waitpid(process, os.WNOHANG)[0]:
                    return
                time.sleep(0.01)
        where = pathlib.Path(f"/proc/{process}/wchan").read_text()
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise AssertionError(f"the tracer does not end: it waits in {where}")

    def has_reached(self, seconds=0.2):
        if self.reached is None:
            words = self._hear(seconds)
            self.reached = (int(words[0]), words[1]) if words else None
        return self.reached is not None

    def _hear(self, seconds):
        if not select.select([self._reading], [], [], seconds)[0]:
            return None
        return os.read(self._reading, 4096).decode().split()

    # What follows runs in the tracer's own process.

    def _run(self):
        ending = False

        def on_end(*_):
            nonlocal ending
            if not ending:
                ending = True
                raise self._End

        signal.signal(signal.SIGTERM, on_end)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self._libc.ptrace.restype = ctypes.c_long
        self._info = ctypes.create_string_buffer(88)
        self._writes, self._done, self._inside, self._labels, self._stepping = 0, False, {}, {}, set()
        self._failing = None  # the worker whose write is skipped and has not returned
        keeper = api.keeper_pid()
        for thread in (*threads_of(self._daemon), *threads_of(keeper)):
            self._ptrace(self._SEIZE, thread, 0, self._SYSGOOD | self._TRACE_VFORK | self._TRACE_EXEC)
        for worker in workers_of(keeper):
            if self._ptrace(self._SEIZE, worker, 0, self._SYSGOOD) != 0:
                continue  # the daemon has just let it go
            self._ptrace(self._INTERRUPT, worker)
            if not os.WIFSTOPPED(os.waitpid(worker, self._WALL)[1]):
                continue
            self._watch_label(worker)
            self._ptrace(self._CONT, worker)
        os.write(self._telling, b"attached\n")
        while True:
            try:
                pid, status = os.waitpid(-1, self._WALL)
            except ChildProcessError:
                signal.pause()
                continue
            if not os.WIFSTOPPED(status):
                self._gone(pid)
            elif not self._stopped(pid, os.WSTOPSIG(status), status >> 16):
                self._act(pid)

    def _ptrace(self, request, pid, address=0, data=0):
        return self._libc.ptrace(request, pid, address, data)

    # A worker shows in its last argument what it works on. System calls are looked at only while that is a device:
    # stops at all that it reads would make it miss its deadlines.
    def _watch_label(self, worker):
        line = pathlib.Path(f"/proc/{worker}/cmdline").read_bytes()
        arguments_start = int(pathlib.Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[45])
        self._labels[worker] = arguments_start + line.rstrip(b"\0").rfind(b"\0") + 1
        self._ptrace(self._POKE_USER, worker, self._DEBUG_REGISTERS, self._labels[worker])
        self._ptrace(self._POKE_USER, worker, self._DEBUG_REGISTERS + 7 * 8, self._ON_WRITING_ONE_BYTE)

    def _read_label(self, worker):
        with open(f"/proc/{worker}/mem", "rb", buffering=0) as memory:
            memory.seek(self._labels[worker])
            first = memory.read(1)
        if first in b"ir":  # "idle", "reading"
            self._stepping.discard(worker)
        else:
            self._stepping.add(worker)

    def _let_go(self):
        """A watch that stayed would kill the worker."""
        for worker in self._labels:
            with contextlib.suppress(ChildProcessError):
                if self._unwatch(worker) != 0:  # it runs
                    self._ptrace(self._INTERRUPT, worker)
                    os.waitpid(worker, self._WALL)
                    self._unwatch(worker)
                self._ptrace(self._DETACH, worker)

    def _unwatch(self, worker):
        return self._ptrace(self._POKE_USER, worker, self._DEBUG_REGISTERS + 7 * 8, 0)

    def _gone(self, pid):
        self._labels.pop(pid, None)
        if pid == self._daemon and self._done and self._kill == "both":
            for worker in self._labels:
                os.kill(worker, signal.SIGKILL)

    def _stopped(self, pid, number, event):
        """Lets the process go on; False when the point is reached."""
        pass_on = 0
        if event == self._EVENT_EXEC:
            self._watch_label(pid)
        elif number == signal.SIGTRAP | 0x80:
            if pid == self._failing:
                self._ptrace(self._POKE_USER, pid, self._RESULT, -self._fail_with)
                self._failing = None
            elif self._is_the_point(pid):
                if not self._fail_with:
                    return False
                self._act(pid)
                self._ptrace(self._POKE_USER, pid, self._NUMBER, -1)
                self._failing = pid
        elif number == signal.SIGTRAP and not event and pid in self._labels:
            self._read_label(pid)
        elif not event:
            pass_on = number
        self._ptrace(self._SYSCALL if pid in self._stepping else self._CONT, pid, 0, pass_on)
        return True

    def _is_the_point(self, pid):
        if self._done:
            return False
        self._ptrace(self._GET_SYSCALL_INFO, pid, len(self._info), ctypes.addressof(self._info))
        stop, number, descriptor = self._info.raw[0], *struct.unpack_from("=QQ", self._info.raw, 24)
        if stop == self._EXIT:
            return self._inside.pop(pid, 0) == self._at and self._when == "after"
        if stop != self._ENTRY or number != self._WRITE:
            return False
        self._file = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        if not self._file.startswith("/sys/"):
            return False
        self._writes += 1
        self._inside[pid] = self._writes
        return self._writes == self._at and self._when == "before"

    def _act(self, pid):
        self._done = True
        if self._kill != "nobody":
            os.kill(pid if self._kill == "worker" else self._daemon, signal.SIGKILL)
        os.write(self._telling, f"{pid} {self._file}\n".encode())


def threads_of(daemon):
    return [int(name) for name in os.listdir(f"/proc/{daemon}/task")]


def workers_of(keeper):
    children = [pid for thread in threads_of(keeper) for pid in pathlib.Path(f"/proc/{keeper}/task/{thread}/children").read_text().split()]
    return [int(pid) for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() == "devbindd-worker\n"]
