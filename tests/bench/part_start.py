# SPDX-License-Identifier: Apache-2.0
"""(d): from exec to the first connection that is taken, against a C program that reads the same files, and lspci."""

import os
import pathlib
import re
import signal
import statistics

from processes import PROGRAMS, Daemon, scratch_folder, seconds_of
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


def start(tree, options):
    """(d)"""
    rows = Rows("start", "(d) seconds from exec until it listens; goal: 1.5 times the C program's plus 0.02 s")
    with scratch_folder() as folder:
        file, count = what_is_read(folder)
        ours, bare, listed = [], [], []
        for _ in range(max(3, options.rounds)):
            with Daemon() as daemon:
                ours.append(daemon.seconds_to_listen)
            bare.append(seconds_of([str(PROGRAMS / "bench_read_files"), str(file)]))
            listed.append(seconds_of(["lspci", "-Dn", "-O", "sysfs.path=/sys/bus/pci"]))
        row = {"functions": tree.count, "files": count, "ours s": statistics.median(ours), "C program s": statistics.median(bare)}
        goal = 1.5 * row["C program s"] + 0.02
        lspci = statistics.median(listed) if None not in listed else None
        rows.add(**row, ratio=ratio(row["ours s"], row["C program s"]), **{"of the goal": ratio(row["ours s"], goal), "lspci -Dn s": lspci,
                 "ratio to lspci": ratio(row["ours s"], lspci)})
    return rows
