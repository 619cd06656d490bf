# SPDX-License-Identifier: Apache-2.0
"""Work in a process of its own, as another user where that is wanted, until it is told to stop."""
import json
import os
import select
import signal
import traceback

PATIENCE = 120.0  # seconds until a process that must say something counts as hanging


class Stop:
    """What the work sees of whoever has started it."""

    def __init__(self, told, say):
        self.told = told  # readable when the work is to end
        self._say = say

    def asked(self):
        return bool(select.select([self.told], [], [], 0)[0])

    def wait(self, seconds):
        """True when the work is to end."""
        return bool(select.select([self.told], [], [], max(0.0, seconds))[0])

    def ready(self):
        """The work is at its full strength from now on."""
        os.write(self._say, b"ready\n")


class Aside:
    """`work(stop)` gives a dictionary. With a `uid` it is an attacker: in a session of its own, with the least share of the
    processor that there is. What processor time an attacker takes from others by burning it is no fault of the daemon's, and
    everybody on a host can do that without it."""

    _telling = set()  # what others are told to stop by: no process keeps it open but the one that has started them all

    def __init__(self, work, uid=None, gid=None, nice=19):
        self._heard, say = os.pipe()
        told, self._tell = os.pipe()
        self._telling.add(self._tell)
        self._text = b""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._heard)
            for tell in self._telling:
                os.close(tell)
            _run(work, Stop(told, say), say, (uid, gid, nice))
        os.close(say)
        os.close(told)

    def wait_ready(self):
        while b"\n" not in self._text:
            self._read()
        line, _, self._text = self._text.partition(b"\n")
        if line != b"ready":
            raise RuntimeError(line.decode())

    def wait_end(self):
        """Waits for work that ends by itself."""
        while self._read():
            pass

    def stop(self):
        """What the work has given, with the processor time it took as "processor"."""
        self._telling.remove(self._tell)
        os.close(self._tell)
        self.wait_end()
        os.close(self._heard)
        _, _, usage = os.wait4(self.pid, 0)
        said = self._text.decode().strip().rpartition("\n")[2]
        found = json.loads(said) if said else {"error": "it ended without a word"}
        if "error" in found:
            raise RuntimeError(found["error"])
        return found | {"processor": usage.ru_utime + usage.ru_stime}

    def _read(self):
        if not select.select([self._heard], [], [], PATIENCE)[0]:
            os.kill(self.pid, signal.SIGKILL)
            raise RuntimeError("a process beside this one hangs")
        data = os.read(self._heard, 65536)
        self._text += data
        return bool(data)


def _become(uid, gid, nice):
    os.setsid()
    os.nice(nice)
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write(str(nice))
    except OSError:
        pass  # a kernel without autogroups: the nice value does it
    os.setgroups([])
    os.setgid(gid if gid is not None else uid)
    os.setuid(uid)


def _run(work, stop, say, user):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        if user[0] is not None:
            _become(*user)
        found = work(stop)
    except BaseException:  # pylint: disable=broad-except
        found = {"error": traceback.format_exc()}
    with os.fdopen(say, "w", encoding="utf-8") as heard:
        heard.write(json.dumps(found) + "\n")
    os._exit(0)
