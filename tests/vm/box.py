# SPDX-License-Identifier: Apache-2.0
"""One running test machine: QEMU, the folder through which it is asked and reports, and its end. It judges no test."""

import ctypes
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import beds
import kernel
import machine

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PACE = max(1.0, float(os.environ.get("DEVBINDD_TEST_PACE") or 2))  # limits of seconds are multiplied by it (tests/proof/pace.py)
BOOT_LIMIT = 120 * PACE  # seconds to the first sign of the tests
SILENCE_LIMIT = 45 * PACE  # seconds without a new result line, beyond what the running test may take
MODULES = ("vf_settings", "functions_below")  # of the tests, for the guest
# The log keeps what was said at the boot: tests compare with it hours later. The second line and the third leave out what only costs time in the emulator: it takes most of a guest's time to clear
# and to account memory, and to read a clock that is a device.
KERNEL_OPTIONS = (
    "console={console} quiet panic=-1 log_buf_len=2M {iommu} iommu=nopt systemd.unit=vm.target systemd.show_status=0 "
    "mitigations=off nokaslr nowatchdog rcupdate.rcu_cpu_stall_suppress=1 unknown_nmi_panic panic_print=0x41 "
    "tsc=reliable no_timer_check init_on_alloc=0 hardened_usercopy=off cgroup.memory=nokmem,nosocket "
    "lsm=lockdown,capability,landlock,yama audit=0 random.trust_cpu=on"
)


class Trouble(Exception):
    """The machine did not do what it is for; the text says how."""


class Silence(Trouble):
    """It runs, but its tests have not said anything for too long."""


class Crash(Trouble):
    """QEMU was ended by a signal, or the guest's kernel before it had started anything: this says nothing of what is tested."""


class Lines:
    """Complete new lines of a growing file."""

    def __init__(self, path):
        self._path = path
        self._position = 0

    def new(self):
        try:
            with open(self._path, "rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._position += len(complete)
        return complete.decode(errors="replace").splitlines()


class Qmp:
    """Hands the guest's requests in results/qmp to QEMU."""

    def __init__(self, path, folder):
        self._path = path
        self._folder = folder
        self._stream = None

    def serve(self):
        for request in sorted(self._folder.glob("*.request")):
            answer = self._execute(request.read_bytes())
            request.unlink()
            draft = request.with_suffix(".draft")
            draft.write_text(json.dumps(answer))
            draft.rename(request.with_suffix(".answer"))

    def execute(self, command, arguments=None):
        """A command of our own; its answer."""
        return self._execute(json.dumps({"execute": command, "arguments": arguments or {}}).encode())

    def _execute(self, command):
        if self._stream is None:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(20)
            connection.connect(str(self._path))
            self._stream = connection.makefile("rwb", buffering=0)
            self._stream.readline()  # the greeting
            self._execute(b'{"execute": "qmp_capabilities"}')
        self._stream.write(command + b"\n")
        while True:
            answer = json.loads(self._stream.readline())
            if "event" not in answer:
                return answer


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What all machines of a run share. `folder`: scratch space of the run; `stage`: what is installed, or None."""

    bed: beds.Bed
    kernel: kernel.Kernel
    initramfs: pathlib.Path
    folder: pathlib.Path
    stage: pathlib.Path | None


def prepare(bed, kernel_name, folder, stage, with_module):
    found = kernel.find(kernel_name, bed.architecture)
    initramfs = folder / "initramfs"
    kernel.make_initramfs(found, initramfs)
    if found.modules and stage and with_module and bed.architecture == "x86_64":
        try:
            kernel.build_modules(found, MODULES, stage / "usr/libexec/devbindd-tests")
        except kernel.Unavailable as error:  # the tests that want it fail, the others do not
            print(f"vm: {error}", flush=True)
    return Prepared(bed, found, initramfs, folder, stage)


class Machine:
    """A running QEMU and the folder `results` that it reports to. `request`: what its main program is asked to do."""

    def __init__(self, prepared, results, request, api_port=None, queue=None):
        self.results = results
        self.console = results / "console.txt"
        self.running = ""  # the test that runs
        self.unit = ""  # what it has taken from the queue
        self.asked_for_tests = request["mode"] == "test"
        for part in ("qmp", "commands"):
            (results / part).mkdir(parents=True)
        (results / "request.json").write_text(json.dumps(request | {"pace": PACE}))
        scratch = pathlib.Path(tempfile.mkdtemp(dir=prepared.folder, prefix="machine-"))
        kernel.make_disks(scratch, machine.DISKS)
        (scratch / "spare").mkdir()  # for a share that nobody mounts at boot
        bed = prepared.bed
        if bed.firmware:
            (scratch / "variables").touch()
            os.truncate(scratch / "variables", beds.FLASH)
        shares = [("root", prepared.kernel.root, False), ("src", REPOSITORY, False), ("results", results, True)]
        if prepared.kernel.modules and prepared.kernel.modules != prepared.kernel.root:
            shares.append(("modules", prepared.kernel.modules / "lib/modules", False))
        if prepared.stage:
            shares.append(("stage", prepared.stage, False))
        # A share is a PCI device: every machine has the same ones, so that IOMMU groups have the same numbers in all.
        shares.append(("queue", queue or scratch / "spare", True))
        command = machine.qemu_command(
            bed, prepared.kernel.image, prepared.initramfs, KERNEL_OPTIONS.format(console=bed.console, iommu=bed.options), scratch, shares, self.console,
            scratch / "qmp", kvm=os.environ.get("DEVBINDD_VM_ACCEL") == "kvm", api_port=api_port, resets=request["resets"], cpus=request["cpus"],
        )
        self.qmp = Qmp(scratch / "qmp", results / "qmp")
        self.started = self._last = time.monotonic()
        self._seen = False
        self._silence_limit = BOOT_LIMIT
        self._reader = Lines(results / "results.txt")
        with open(results / "qemu.txt", "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent,
            )

    def seconds(self):
        """Since its start."""
        return time.monotonic() - self.started

    def processor_seconds(self):
        """Of QEMU so far, its threads together; 0 when it has ended."""
        try:
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def poll(self):
        """New result lines. Trouble when there will be none any more, Silence when they stay away for too long."""
        ended = self.process.poll() is not None
        new = self._reader.new()
        for line in new:
            self._note(line)
        now = time.monotonic()
        if new:
            self._last = now
        elif ended:
            where = f" during {self.running}" if self.running else ""
            if self.process.returncode < 0:
                raise Crash(f"QEMU was ended by signal {-self.process.returncode}{where}")
            if not self._seen:
                raise Crash("the machine stopped before the tests began")
            raise Trouble(f"the machine stopped{where}")
        elif not self._seen and self.seconds() > BOOT_LIMIT:
            raise Trouble(f"not up within {BOOT_LIMIT:.0f} s")
        elif self.asked_for_tests and now - self._last > self._silence_limit:
            raise Silence(f"silent for {self._silence_limit:.0f} s at {self.running or 'no test'}")
        self.qmp.serve()
        return new

    def _note(self, line):
        self._seen = True
        kind, _, rest = line.partition(" ")
        if kind in ("unit", "unit-done"):
            self.unit = rest
            return
        self.running, self._silence_limit = "", BOOT_LIMIT if kind == "reset" else SILENCE_LIMIT
        if kind == "run":
            self.running, limit = rest.split()
            self._silence_limit += float(limit)

    def stop(self, grace):
        """Gives the guest time to switch itself off, then ends QEMU."""
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
