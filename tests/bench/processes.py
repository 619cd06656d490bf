# SPDX-License-Identifier: Apache-2.0
"""What is measured and what measures: the daemon, the bare server, the load. Each is a process; none is judged here.

Each is a session of its own, as a service is: the scheduler gives it its share beside whatever else runs here.
"""

import contextlib
import json
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "build/release"
PATIENCE = 120  # seconds for a start
SESSION = {"start_new_session": True}  # what every process here is started with; see use_nice()


def use_nice(nice):
    """What is started from now on is preferred to other sessions as nice(1) would do it within one. Source: sched(7), autogroup."""
    if nice:
        SESSION["preexec_fn"] = lambda: pathlib.Path("/proc/self/autogroup").write_text(str(nice))


def raise_open_files():
    """Everything that is started here may have as many files open as this process may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def request_bytes(target, headers=(), method="GET", body=""):
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Daemon:
    """devbindd, read-only, with a Unix socket, a loopback port and a state of its own."""

    def __init__(self, log_level="info", program=None):
        self._folder = tempfile.TemporaryDirectory(prefix="devbindd-bench-")
        folder = pathlib.Path(self._folder.name)
        self.socket = str(folder / "socket")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        configuration = folder / "devbindd.json"
        configuration.write_text(json.dumps({
            "unix": {"path": self.socket, "group": ""}, "tcp": {"port": self.port}, "state_directory": str(folder / "state"), "log_level": log_level}))
        self.command = [str(program or PROGRAMS / "devbindd"), "--config", str(configuration), "--read-only"]
        self._log = folder / "log"
        self.process = None
        self.seconds_to_listen = 0.0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self._folder.cleanup()

    def start(self):
        """Waits until a connection is taken."""
        begun = time.perf_counter()
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=log, **SESSION)
        while not connects(self.socket):
            if self.process.poll() is not None or time.perf_counter() > begun + PATIENCE:
                raise RuntimeError(f"devbindd does not listen: {self._log.read_text()[-2000:]}")
            time.sleep(0.0005)
        self.seconds_to_listen = time.perf_counter() - begun

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def resident(self):
        """KiB of the daemon's own memory."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def processor_seconds(self):
        """Of the daemon and its workers."""
        return sum(processor_seconds(one) for one in [self.process.pid, *below(self.process.pid)])


def processor_seconds(pid):
    """Of a process, all its threads that there were. Source: clock_getcpuclockid(3), include/linux/posix-timers.h (CPUCLOCK_SCHED)."""
    return time.clock_gettime(~pid << 3 | 2)


def connects(path):
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(path)
        except OSError:
            return False
        return True


class Place:
    """Where a daemon listens that was not started here."""

    def __init__(self, path):
        self.socket = path


class BareServer:
    """Beast alone, which answers everything with what is in a file."""

    def __init__(self, answer):
        self._folder = tempfile.TemporaryDirectory(prefix="devbindd-bench-")
        self.socket = self._folder.name + "/socket"
        self._command = [str(PROGRAMS / "bench_bare_server"), str(answer), self.socket]
        self.port = 0

    def __enter__(self):
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, **SESSION)
        self.port = int(self.process.stdout.readline().split()[1])
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._folder.cleanup()

    def processor_seconds(self):
        return processor_seconds(self.process.pid)


class Connection:
    """One connection that stays."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def ask(self, request):
        """(status, headers in lower case, body)"""
        head, body = self._head_of(request)
        first, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        status = int(first.split()[1])
        length = 0 if status in (204, 304) else int(headers.get("content-length", 0))
        parts, got = [body], len(body)
        while got < length:
            parts.append(self._more())
            got += len(parts[-1])
        return status, headers, b"".join(parts)

    def status_of(self, request):
        """Of an answer that may have no end."""
        return int(self._head_of(request)[0].split()[1])

    def _head_of(self, request):
        """The answer's head, and what came of its body."""
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        return head, body

    def _more(self):
        data = self._socket.recv(1 << 20)
        if not data:
            raise RuntimeError("the daemon has ended the connection")
        return data


def load(server, requests, connections=1, seconds=1.0, most=0, tcp=False, record=None, each=False):
    """The figures of bench_load, and the server's processor time for a request where it is a process of ours. `requests`: files,
    asked in turn by each connection."""
    place = ["--tcp", str(server.port)] if tcp else ["--unix", server.socket]
    command = [str(PROGRAMS / "bench_load"), *place, "--connections", str(connections), "--seconds", str(seconds), "--most", str(most)]
    command += (["--record", str(record)] if record else []) + (["--each"] if each else [])
    ours = hasattr(server, "processor_seconds")
    before = server.processor_seconds() if ours else 0
    done = subprocess.run([*command, *map(str, requests)], stdout=subprocess.PIPE, check=True, text=True, **SESSION)
    figures = json.loads(done.stdout)
    if ours:
        figures["processor_us"] = (server.processor_seconds() - before) * 1e6 / max(1, figures["requests"])
    return figures


def median_of(runs):
    """Of several figures of bench_load one: each number is the median, None where nothing was answered; counts are sums."""
    answered = [run for run in runs if run["requests"]]
    merged = {name: statistics.median(run[name] for run in answered) if answered else None
              for name in ("per_second", "p50_us", "p99_us", "max_us", "processor_us")}
    merged |= {name: sum(run[name] for run in runs) for name in ("requests", "ended", "unanswered")}
    statuses = {}
    for run in runs:
        for status, count in run["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    return merged | {"statuses": statuses}


def part_of(values, share):
    """The quantile: 0.5, 0.99."""
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))]


def seconds_of(command):
    """Of a command as a whole, its output thrown away; None where it fails."""
    begun = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **SESSION)
    return time.perf_counter() - begun if done.returncode == 0 else None


def run_preferred(command, nice):
    """Runs it to its end; `nice` is also for what it starts in sessions of its own (an emulated machine)."""
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            for pid in below(process.pid) if nice else ():
                with contextlib.suppress(OSError):  # it has ended
                    pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def below(pid):
    """The processes that one has started, and theirs."""
    found = []
    with contextlib.suppress(OSError):
        found = [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return found + [further for child in found for further in below(child)]


@contextlib.contextmanager
def scratch_folder():
    with tempfile.TemporaryDirectory(prefix="devbindd-bench-") as folder:
        yield pathlib.Path(folder)


def write_request(folder, name, data):
    path = folder / f"{name}.request"
    path.write_bytes(data)
    return path


def cores():
    return len(os.sched_getaffinity(0))
