# SPDX-License-Identifier: Apache-2.0
"""What tests in the guest use: the daemon's API over its Unix socket, sysfs readers, commands, the host's QMP.

Runs in the guest only. It asserts nothing about devices; the tests do.
"""

import contextlib
import http.client
import json
import os
import pathlib
import socket
import subprocess
import time

SOCKET = "/run/devbindd/devbindd.sock"
PCI = pathlib.Path("/sys/bus/pci")
QMP = pathlib.Path("/mnt/results/qmp")
# All limits of time are multiplied by it: the host has measured how fast it is (tests/proof/pace.py).
PACE = json.loads(pathlib.Path("/mnt/results/request.json").read_text())["pace"]


class Response:
    """status, headers (names in lower case), text, json (None when the body is not JSON), descriptors that came along."""

    def __init__(self, status, headers, body, descriptors=()):
        self.status = status
        self.descriptors = list(descriptors)
        self.headers = {name.lower(): value for name, value in headers}
        self.text = body.decode(errors="replace")
        self.json = None
        if "json" in self.headers.get("content-type", ""):
            self.json = json.loads(self.text)

    def __repr__(self):
        return f"<{self.status} {self.text[:2000]}>"


class _Taking(socket.socket):
    """Takes the descriptors that come along with what is read."""

    def __init__(self):
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self.taken = []

    def recv_into(self, buffer, size=0, flags=0):
        data, descriptors, _, _ = socket.recv_fds(self, size or len(buffer), 253, flags)
        self.taken += descriptors
        buffer[: len(data)] = data
        return len(data)


class Connection(http.client.HTTPConnection):
    """To the daemon's Unix socket."""

    def __init__(self, path=SOCKET, timeout=40):
        super().__init__("localhost", timeout=timeout * PACE)
        self._path = path

    def connect(self):
        self.sock = _Taking()
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
        self.taken = self.sock.taken  # the answer may close the socket

    def ask(self, method, path, body=None, headers=None):
        """One request. `body`: bytes and str go as they are, anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        self.request(method, path, body, headers)
        answer = self.getresponse()
        text = answer.read()
        descriptors = self.taken[:]
        self.taken.clear()
        return Response(answer.status, answer.getheaders(), text, descriptors)


@contextlib.contextmanager
def acting_as(uid, gid, groups=()):
    """Within it this process connects to the daemon as another user."""
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])


def request(method, path, body=None, headers=None, timeout=40, socket_path=SOCKET):
    """One request on a connection of its own; see Connection.ask()."""
    with contextlib.closing(Connection(socket_path, timeout)) as connection:
        return connection.ask(method, path, body, headers)


def sh(*command, check=True, timeout=60, stdin=None):
    """Runs a program (several arguments) or a shell line (one); its output, errors included, as text."""
    arguments = list(command) if len(command) > 1 else ["bash", "-c", command[0]]
    done = subprocess.run(
        arguments, input=stdin or "", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout * PACE
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def timeout(seconds):
    """Decorator of a test or a test class: how long each test may take (60 s without it)."""

    def mark(test):
        test.timeout = seconds
        return test

    return mark


def by_vfio(test):
    """Decorator of a test or a test class whose outcome depends on what VFIO offers: groups alone, or device nodes and
    iommufd too. These are what is run again with another kernel (tests/vm/run --by-vfio)."""
    test.by_vfio = True
    return test


def lasting(look, seconds):
    """What look() gives, if it gives the same after so many seconds; else None."""
    found = look()
    time.sleep(seconds)
    return found if look() == found else None


def wait_for(condition, seconds=20, what="condition"):
    """The first true value of condition(); AssertionError when there is none in time."""
    seconds *= PACE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)


def _link_name(path):
    try:
        return os.path.basename(os.readlink(path))
    except FileNotFoundError:
        return None


def exists(bdf):
    return (PCI / "devices" / bdf).exists()


def attribute(bdf, name):
    return (PCI / "devices" / bdf / name).read_text().strip()


def driver_of(bdf):
    """The driver's name, or None."""
    return _link_name(PCI / "devices" / bdf / "driver")


def iommu_group_of(bdf):
    """The group's number, or None."""
    name = _link_name(PCI / "devices" / bdf / "iommu_group")
    return None if name is None else int(name)


def group_members(group):
    return sorted(os.listdir(f"/sys/kernel/iommu_groups/{group}/devices"))


def override_of(bdf):
    """driver_override, or None when it is not set."""
    value = attribute(bdf, "driver_override")
    return None if value in ("", "(null)") else value


def interfaces_of(bdf):
    """Names of the network interfaces that a PCI device carries, those behind virtio included."""
    device = PCI / "devices" / bdf
    return sorted(path.name for pattern in ("net/*", "virtio*/net/*") for path in device.glob(pattern))


def write_sysfs(path, value):
    """One write(2), as the kernel wants it; OSError with the kernel's errno."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def kernel_log(text):
    """Leaves a mark in the kernel log."""
    with open("/dev/kmsg", "w", encoding="utf-8") as log:
        log.write(f"<5>devbindd-test: {text}\n")


def qmp(execute, **arguments):
    """Asks the host to give QEMU a command, e.g. qmp("device_del", id="nic0"). RuntimeError when QEMU refuses."""
    name = f"{os.getpid()}-{time.monotonic_ns()}"
    draft = QMP / f"{name}.draft"
    draft.write_text(json.dumps({"execute": execute, "arguments": arguments}))
    draft.rename(QMP / f"{name}.request")
    answer = QMP / f"{name}.answer"
    wait_for(answer.exists, 30, f"the host's answer to {execute}")
    value = json.loads(answer.read_text())
    answer.unlink()
    if "error" in value:
        raise RuntimeError(f"{execute}: {value['error']['desc']}")
    return value["return"]


def unplug(device_id, bdf, seconds=40):
    """Hot-unplugs a device by its QEMU id and waits until it is gone. The slot may still be blinking from before."""
    deadline = time.monotonic() + seconds * PACE
    while exists(bdf):
        with contextlib.suppress(RuntimeError):
            qmp("device_del", id=device_id)
        if time.monotonic() > deadline:
            raise AssertionError(f"{bdf} is still there after {seconds} s")
        time.sleep(1)


# Opens a VFIO device and holds it until its standard input ends.
HOLD_VFIO = "/usr/libexec/devbindd-tests/hold_vfio"


class Holder:
    """A process that has a VFIO device open, as a VMM would."""

    def __init__(self, bdf):
        command = [HOLD_VFIO, str(iommu_group_of(bdf)), bdf]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        lines = [self._process.stdout.readline().strip() for _ in range(2)]
        if lines != ["viable=1", "open"]:
            raise AssertionError(f"{command} says {lines}")

    def release(self):
        if not self._process.stdin.closed:
            self._process.stdin.close()
            self._process.wait(30)
            self._process.stdout.close()


def daemon_answers():
    try:
        return request("GET", "/healthz", timeout=10).status == 200
    except OSError:
        return False


def keeper_pid():
    """The process that starts the daemon's workers: the youngest, since that of an earlier daemon may not have ended yet."""
    keepers = [int(pid) for pid in sh("pgrep", "-f", "--", "^/usr/sbin/devbindd --keep( |$)").split()]
    return max(keepers, key=lambda pid: int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]))


def start_daemon_again():
    """Brings the service back, whatever a test did to it; nothing where it runs."""
    if daemon_answers():
        return
    sh("systemctl reset-failed devbindd; systemctl start devbindd", check=False)
    wait_for(daemon_answers, 40, "the daemon's answer")
