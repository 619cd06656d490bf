# SPDX-License-Identifier: Apache-2.0
"""(d): from exec to the first connection that is taken, against a C program that reads the same files, and lspci."""

import os
import pathlib
import re
import signal
import statistics
import subprocess
import time

from processes import PROGRAMS, SESSION, Daemon, scratch_folder
from table import Rows, ratio

CALLS = "openat,openat2,readlinkat,statx,newfstatat"
CALL = re.compile(r"^(?:\d+\s+)?(openat2?|readlinkat|statx|newfstatat)\((?:AT_FDCWD|\d+)?(?:<([^>]*)>)?, \"([^\"]*)\"(.*)")


def what_is_read(folder):
    """A file with what the daemon reads below /sys until it listens, each once: lines of bench_read_files."""
    trace = folder / "trace"
    daemon = Daemon(program="/usr/bin/strace")
    daemon.command = ["/usr/bin/strace", "-f", "--seccomp-bpf", "-y", "-e", f"trace={CALLS}", "-o", str(trace), str(PROGRAMS / "devbindd"), *daemon.command[1:]]
    with daemon:
        tracer = daemon.process.pid
        for child in pathlib.Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split():
            os.kill(int(child), signal.SIGTERM)  # strace ends with it
        daemon.process.wait()
    wanted = {}
    for line in trace.read_text().splitlines():
        if (found := CALL.match(line)) and (path := below_sys(found[2], found[3])):
            wanted.setdefault(f"{letter_of(found[1], found[4])} {path}")
    file = folder / "list"
    file.write_text("\n".join(wanted) + "\n")
    return file, len(wanted)


def below_sys(folder, name):
    path = name if name.startswith("/") else f"{(folder or '').rstrip('/')}/{name}".rstrip("/")
    return path if path.startswith("/sys") else None


def letter_of(call, rest):
    if call == "readlinkat":
        return "l"
    if call.startswith("openat"):
        return "s" if "O_PATH" in rest else "d" if "O_DIRECTORY" in rest else "r"
    return "s"


def processor_seconds_of(command):
    """(seconds, processor seconds) of a program to its end."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **SESSION)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime


def start(tree, options):
    """(d)"""
    rows = Rows("start", "(d) seconds from exec until it listens; goal: 1.5 times the C program's plus 0.02 s")
    with scratch_folder() as folder:
        file, count = what_is_read(folder)
        ours, bare, listed = [], [], []
        for _ in range(max(3, options.rounds)):
            with Daemon() as daemon:
                ours.append((daemon.seconds_to_listen, daemon.processor_seconds()))
            bare.append(processor_seconds_of([str(PROGRAMS / "bench_read_files"), str(file)]))
            listed.append(processor_seconds_of(["lspci", "-Dn", "-O", "sysfs.path=/sys/bus/pci"]))
    (mine, mine_cpu), (theirs, theirs_cpu), (lspci, lspci_cpu) = (map(statistics.median, zip(*runs)) for runs in (ours, bare, listed))
    rows.add(functions=tree.count, files=count, **{
        "ours s": mine, "C program s": theirs, "ratio": ratio(mine, theirs), "of the goal": ratio(mine, 1.5 * theirs + 0.02),
        "ours cpu s": mine_cpu, "C program cpu s": theirs_cpu, "cpu of the goal": ratio(mine_cpu, 1.5 * theirs_cpu + 0.02),
        "lspci -Dn s": lspci, "lspci cpu s": lspci_cpu})
    return rows
