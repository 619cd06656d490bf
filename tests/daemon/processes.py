#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon and its worker processes as others see them: what a worker holds, and what a stuck one keeps from the next
daemon. Runs the daemon with --read-only, so that it can never write to this machine's devices, on a Unix socket and a
loopback port of its own. Usage: processes.py DEVBINDD"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "contract"))
from harness import Report  # noqa: E402

O_CLOEXEC = 0o2000000
REQUEST = b"GET /v1/vfio HTTP/1.1\r\nHost: localhost\r\n\r\n"


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Place:
    """Where daemons of one test live, one after the other: the socket, the port, the configuration."""

    def __init__(self, binary):
        self.binary = binary
        self.directory = tempfile.TemporaryDirectory(prefix="devbindd-")
        self.socket = os.path.join(self.directory.name, "socket")
        self.port = free_port()
        self.configuration = os.path.join(self.directory.name, "devbindd.json")
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            for worker in workers_of(process.pid):
                os.kill(worker, signal.SIGCONT)
            process.kill()
            process.wait()
        self.directory.cleanup()

    def spawn(self):
        pathlib.Path(self.configuration).write_text(json.dumps({"unix": {"path": self.socket}, "tcp": {"address": "127.0.0.1", "port": self.port}}), encoding="utf-8")
        process = subprocess.Popen([self.binary, "--read-only", "--config", self.configuration],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        self.processes.append(process)
        return process

    def start(self):
        process = self.spawn()
        wait_until(lambda: process.poll() is not None or self.answers(), 20, "the daemon answers")
        if process.poll() is not None:
            raise AssertionError(f"the daemon ended: {process.stderr.read()}")
        return process

    def connect(self, transport):
        if transport == "tcp":
            return socket.create_connection(("127.0.0.1", self.port), timeout=10)
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(10)
        stream.connect(self.socket)
        return stream

    def answers(self):
        try:
            return all(ask(self.connect(transport)).startswith(b"HTTP/1.1 200 ") for transport in ("unix", "tcp"))
        except OSError:
            return False


def ask(stream):
    with stream:
        stream.sendall(REQUEST)
        return stream.recv(65536)


def workers_of(pid):
    """The children of all its threads: one of them starts the workers."""
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in path.read_text(encoding="ascii").split()]
        except OSError:
            continue  # the thread has ended
    return found


def running_workers(pid):
    """The children that run as workers already: until its exec a child is a copy of the daemon, with all that the daemon holds."""
    daemon = command_line(pid)
    return [child for child in workers_of(pid) if command_line(child) not in (daemon, b"")]


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # ended meanwhile


def descriptors(pid):
    folder = pathlib.Path(f"/proc/{pid}/fd")
    found = {}
    for entry in folder.iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except FileNotFoundError:
            continue
    return found


def served_workers(place, daemon):
    """The workers that are there after some have been started beside open connections."""
    streams = [place.connect(transport) for transport in ("unix", "tcp") * 3]
    for stream in streams:
        stream.sendall(REQUEST)
    for stream in streams:
        stream.recv(65536)
    # One that is killed is replaced while the connections are open.
    os.kill(workers_of(daemon.pid)[0], signal.SIGKILL)
    for _ in range(3):
        ask_for_all_overrides(place)
    wait_until(lambda: running_workers(daemon.pid), 10, "a worker")
    return streams, running_workers(daemon.pid)


def ask_for_all_overrides(place):
    """The doctor's answer needs a worker."""
    with place.connect("unix") as stream:
        stream.sendall(b"GET /v1/doctor HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream.recv(65536)


def what_a_worker_holds(worker, held):
    """What it has besides its channel and its own, "" for nothing. `held`: the sockets of the daemon."""
    found = descriptors(worker)
    channel = found.pop(3, "")
    standard = [found.pop(number, None) for number in (0, 1, 2)]
    if standard != ["/dev/null"] * 3 or not channel.startswith("socket:") or channel in held:
        return f"worker {worker} begins with {standard}, {channel}"
    # What it has opened itself: the root of its file systems.
    return f"worker {worker} holds {found}" if set(found.values()) - {"/"} else ""


def wait_for_none(look, seconds=5):
    """Until look() is empty, or this long: a worker that has just begun has the libraries open that it is made of."""
    end = time.monotonic() + seconds
    while look() and time.monotonic() < end:
        time.sleep(0.05)


def workers_inherit_nothing(binary):
    with Place(binary) as place:
        daemon = place.start()
        streams, workers = served_workers(place, daemon)
        held = {target for target in descriptors(daemon.pid).values() if target.startswith("socket:")}
        if len(held) < 8:
            return f"the daemon holds fewer sockets than the test has opened: {held}"
        for worker in workers:
            wait_for_none(lambda: what_a_worker_holds(worker, held))
            if wrong := what_a_worker_holds(worker, held):
                return wrong
        for stream in streams:
            stream.close()
    return ""


def everything_closes_on_exec(binary):
    with Place(binary) as place:
        daemon = place.start()
        with place.connect("unix"), place.connect("tcp"):
            ask_for_all_overrides(place)
            for number, target in descriptors(daemon.pid).items():
                try:
                    info = pathlib.Path(f"/proc/{daemon.pid}/fdinfo/{number}").read_text(encoding="ascii")
                except FileNotFoundError:
                    continue  # closed meanwhile
                flags = int(next(line for line in info.splitlines() if line.startswith("flags:")).split()[1], 8)
                if number > 2 and not flags & O_CLOEXEC:
                    return f"descriptor {number} of the daemon, {target}, would be inherited"
    return ""


def restart_with_a_stopped_worker(binary):
    for end in (signal.SIGTERM, signal.SIGKILL):
        with Place(binary) as place:
            daemon = place.start()
            streams, workers = served_workers(place, daemon)
            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            daemon.send_signal(end)
            daemon.wait(timeout=10)
            try:
                for stream in streams:
                    if stream.recv(1) != b"":
                        return "something came at the daemon's end"
                log_end = daemon.stderr.read()  # ends only when nobody has the other end any more
                place.start()
            except (OSError, AssertionError) as error:
                return f"after {end.name}: {type(error).__name__}: {error}"
            finally:
                for worker in workers:
                    os.kill(worker, signal.SIGCONT)
            wait_until(lambda: not any(os.path.exists(f"/proc/{worker}/fd/3") for worker in workers), 10, f"the workers of before end ({log_end[-200:]})")
    return ""


def exit_of(place, seconds=10):
    """How a daemon ends that cannot listen: its status and its log. One that hangs is an error."""
    process = place.spawn()
    try:
        _, log = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as late:
        raise AssertionError("the daemon hangs at its start") from late
    return process.returncode, log


def a_full_queue_is_a_daemon(binary):
    """Whoever listens and does not accept is there all the same, and his socket stays."""
    with Place(binary) as place, socket.socket(socket.AF_UNIX) as other:
        other.bind(place.socket)
        other.listen(0)
        waiting = []
        try:
            while True:
                stream = socket.socket(socket.AF_UNIX)
                stream.setblocking(False)
                waiting.append(stream)
                stream.connect(place.socket)
        except BlockingIOError:
            pass
        inode = os.stat(place.socket).st_ino
        status, log = exit_of(place)
        for stream in waiting:
            stream.close()
        if status != 1 or "another daemon listens" not in log or os.stat(place.socket).st_ino != inode:
            return f"status {status}: {log}"
    return ""


def only_what_nobody_listens_on_is_stale(binary):
    with Place(binary) as place:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.bind(place.socket)
            status, log = exit_of(place)
            if status != 1 or "cannot tell whether somebody listens" not in log or not os.path.exists(place.socket):
                return f"a datagram socket: status {status}: {log}"
        os.unlink(place.socket)
        pathlib.Path(place.socket).write_text("x", encoding="ascii")
        status, log = exit_of(place)
        if status != 1 or "is no socket" not in log or not os.path.exists(place.socket):
            return f"a file: status {status}: {log}"
        os.unlink(place.socket)
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(place.socket)
        place.start()
    return ""


def log_lines_are_whole(binary):
    with Place(binary) as place:
        place.socket = os.path.join(place.directory.name, "one\ntwo\x1b[31m")
        daemon = place.start()
        daemon.terminate()
        _, log = daemon.communicate(timeout=10)
        if "one?two?[31m" not in log or not all(line.startswith("20") for line in log.splitlines()):
            return repr(log)
    return ""


def a_flood_of_requests_is_no_flood_of_lines(binary):
    """Lines of one kind are limited, how many were left out is told, and those of other kinds come all the same."""
    with Place(binary) as place:
        daemon = place.start()
        bad = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with place.connect("tcp") as stream:
            for _ in range(500):
                stream.sendall(bad)
                stream.recv(65536)
        with place.connect("unix") as stream:
            stream.sendall(bad)
            stream.recv(65536)
        time.sleep(12)
        daemon.terminate()
        _, log = daemon.communicate(timeout=10)
        flood = [line for line in log.splitlines() if " tcp GET /nothing status=404 " in line]
        told = [line for line in log.splitlines() if "similar lines were left out: tcp status 404" in line]
        if len(flood) != 20 or len(told) != 1 or " 480 similar" not in told[0] or " unix uid " not in log:
            return f"{len(flood)} lines, told {told}: {log[-500:]}"
    return ""


TESTS = (workers_inherit_nothing, everything_closes_on_exec, restart_with_a_stopped_worker, a_full_queue_is_a_daemon,
         only_what_nobody_listens_on_is_stale, log_lines_are_whole, a_flood_of_requests_is_no_flood_of_lines)


def main():
    report = Report()
    for test in TESTS:
        report.check(test.__name__, lambda: test(sys.argv[1]))
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
