# SPDX-License-Identifier: Apache-2.0
"""Main program of the test machine (vm-main.service): network, udev, installation of the stage, then what the host asked.

Reads /mnt/results/request.json, written by tests/vm/run, and reports through /mnt/results. Runs in the guest only.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

SOURCE = pathlib.Path("/mnt/src/tests/vm")
STAGE = pathlib.Path("/mnt/stage")
RESULTS = pathlib.Path("/mnt/results")
sys.path[:0] = [str(SOURCE), str(SOURCE / "guest")]

import api  # noqa: E402
import machine  # noqa: E402
import runner  # noqa: E402

# udev's cold plug, limited to what a test can see: everything would take several times as long.
SUBSYSTEMS = ("pci", "net", "block", "nvme", "virtio", "misc", "mem")


def coldplug():
    """Loads the native drivers and settles, as udev does at every boot."""
    subsystems = [f"--subsystem-match={name}" for name in SUBSYSTEMS]
    api.sh("udevadm", "trigger", "--type=devices", "--action=add", *subsystems)
    api.sh("udevadm", "settle", "--timeout=120", timeout=130)


def management_network():
    interface = api.interfaces_of(machine.DEVICES["mgmt"].bdf)[0]
    address = f"{machine.GUEST_ADDRESS}/{machine.GUEST_PREFIX}"
    commands = f"link set lo up\nlink set {interface} up\naddress add {address} dev {interface}\n"
    api.sh("ip", "-batch", "-", stdin=commands + f"route add default via {machine.GUEST_GATEWAY}\n")


def install_stage():
    """What `cmake --install` made, over the root filesystem, as a package would do it."""
    extract = "tar -C /mnt/stage -c . | tar -C / -x --keep-directory-symlink --no-same-owner --no-overwrite-dir"
    api.sh("bash", "-o", "pipefail", "-c", extract)
    for tool, folder in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        files = [f"/{file.relative_to(STAGE)}" for file in STAGE.glob(f"usr/lib/{folder}/*.conf")]
        if files:
            api.sh(tool, *(["--create"] if tool == "systemd-tmpfiles" else []), *files)
    api.sh("udevadm", "control", "--reload")
    api.sh("systemctl", "daemon-reload")


def mount_state():
    """The daemon's state on a disk: what it had synced outlives a reset."""
    disk = next(pathlib.Path(f"/sys/bus/pci/devices/{machine.DEVICES['nvme'].bdf}/nvme").glob("nvme*/nvme*n*")).name
    pathlib.Path("/var/lib/devbindd").mkdir(parents=True, exist_ok=True)
    api.sh("mount", f"/dev/{disk}", "/var/lib/devbindd")


def restore_etc():
    """What tests of the boot before have left in /mnt/results/etc, as a root filesystem on a disk would have kept it."""
    kept = RESULTS / "etc"
    if kept.exists():
        api.sh("cp", "-r", "--no-preserve=ownership", f"{kept}/.", "/etc")
        api.sh("systemctl", "daemon-reload")


def start_daemon():
    api.sh("systemctl", "start", "devbindd.service", check=False, timeout=90)
    deadline = time.monotonic() + 30 * api.PACE
    while time.monotonic() < deadline and "failed" not in api.sh("systemctl is-failed devbindd.service", check=False):
        try:
            if api.request("GET", "/healthz", timeout=10).status == 200:
                return
        except OSError:
            time.sleep(0.2)
    log = api.sh("journalctl", "-o", "cat", "-n", "60", "-u", "devbindd.service", check=False)
    raise RuntimeError("devbindd does not answer /healthz\n" + log)


def forward_api():
    """The daemon's Unix socket on a TCP port of the management network, where the host's forwarding ends."""
    listen = f"--socket-property=ListenStream={machine.GUEST_ADDRESS}:{machine.API_PORT}"
    proxy = "/usr/lib/systemd/systemd-socket-proxyd"
    api.sh("systemd-run", "--quiet", "--unit=vm-api", listen, proxy, api.SOCKET)


def run_command(command, timeout):
    with open(RESULTS / "output.txt", "wb") as output:
        process = subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            output.write(b"vm: the command takes too long\n")
            return 124


def serve_commands():
    """Keeps the machine and runs, side by side, the scripts that `tests/vm/run --attach` leaves in /mnt/results/commands."""
    folder = RESULTS / "commands"
    while True:
        for script in folder.glob("*.sh"):
            running = script.rename(script.with_suffix(".running"))
            wrapper = 'bash "$0" >"${0%.running}.output" 2>&1; echo $? >"${0%.running}.tmp"; mv "${0%.running}".{tmp,code}'
            subprocess.Popen(["bash", "-c", wrapper, running], stdin=subprocess.DEVNULL)
        time.sleep(0.2)


def note_time(step):
    """Where the boot time goes: seconds since the kernel's start, in /mnt/results/boot.txt."""
    with open(RESULTS / "boot.txt", "a", encoding="utf-8") as file:
        file.write(f"{time.clock_gettime(time.CLOCK_BOOTTIME):6.1f} {step}\n")


def main():
    note_time("main program")
    request = json.loads((RESULTS / "request.json").read_text())
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    os.chdir("/root")
    runner.note_boot()
    state = [mount_state, restore_etc] if request["resets"] else []
    try:
        for step in (coldplug, management_network, *([install_stage, *state, start_daemon] if request["daemon"] else [])):
            step()
            note_time(step.__name__)
    except Exception as error:  # whatever it is, the host must hear of it
        reason, _, detail = str(error).partition("\n")
        runner.fail("vm.boot", reason, detail)
        runner.report("done 0 1 0")
        return
    runner.report("ready")
    if request["mode"] == "command":
        runner.report(f"done {run_command(request['command'], request['timeout'])}")
    elif request["mode"] == "keep":
        forward_api()
        runner.report("forwarding")
        serve_commands()
    else:
        runner.run(request)


main()
