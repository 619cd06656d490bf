# SPDX-License-Identifier: Apache-2.0
"""What a test machine that fell silent was doing: where its processors and its tasks stand. Used by tests/vm/run on the host.

The guest's own programs may all hang, so QEMU is asked for the processors and then sends an NMI, at which the guest's
kernel panics (unknown_nmi_panic) and prints every task with its stack (panic_print). It does not end QEMU.
"""

import re
import time

PANIC_LIMIT = 90  # seconds for the kernel to print everything
TASK = re.compile(r"task:(?P<name>\S+)\s+state:(?P<state>\S)\s.*?pid:\s*(?P<pid>\d+)")
FRAME = re.compile(r"^\[[^]]*\]\s+(?P<function>[\w.]+)\+0x")
NAMES = re.compile(r"python3|devbindd|systemd|journal|udev|bash|cat|hold_vfio")


def evidence(qmp, process, console):
    """Lines for a person. `console`: the file of the guest's console, which gets the whole of it."""
    lines = ["--- processors"]
    try:
        registers = qmp.execute("human-monitor-command", {"command-line": "info registers -a"}).get("return", "")
        lines += [line for line in registers.splitlines() if line.startswith(("CPU#", "RIP"))]
        known = console.stat().st_size
        qmp.execute("inject-nmi")
    except (OSError, ValueError) as error:
        return [*lines, f"QEMU does not answer: {error}"]
    deadline = time.monotonic() + PANIC_LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.5)
    with open(console, errors="replace") as file:
        file.seek(known)
        printed = file.read().splitlines()
    return [*lines, "--- tasks that wait for the kernel, and those of the test", *tasks_in(printed), "--- panic", *printed[:5]]


def tasks_in(lines):
    """A line for each task that is blocked or one of the test's: its state and the functions it is in, innermost first."""
    found = []
    for line in lines:
        if task := TASK.search(line):
            functions = []
            if task["state"] == "D" or NAMES.search(task["name"]):
                found.append((f"{task['name']} {task['pid']} {task['state']}", functions))
        elif found and (frame := FRAME.match(line)) and frame["function"] not in ("__schedule", "schedule"):
            functions.append(frame["function"])
    return [f"{task}: {' '.join(functions[:10])}" for task, functions in found]
