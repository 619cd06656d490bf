# SPDX-License-Identifier: Apache-2.0
"""How fast this machine is now, beside the one that limits in seconds were written for. Limits are multiplied by it.

A limit only ends what hangs, so a generous one costs nothing where nothing hangs.
"""

import os
import subprocess
import sys
import time

# Seconds that the work below takes on one of two quiet cores of the machine that the limits were chosen on.
REFERENCE = 0.19
REFERENCE_CORES = 2
WORK = "x = 1\nfor i in range(1_500_000): x = (x * 1103515245 + 12345) & 0x7FFFFFFF"


def cores():
    """Those that this process may run on: `taskset` counts."""
    return len(os.sched_getaffinity(0))


def pace():
    """At least 1: how many times longer than on the reference machine things take here, other load included."""
    started = time.monotonic()
    busy = [subprocess.Popen([sys.executable, "-c", f"import time\nt = time.monotonic()\n{WORK}\nprint(time.monotonic() - t)"],
                             stdout=subprocess.PIPE, text=True) for _ in range(cores())]
    slowest = max(float(process.communicate()[0] or time.monotonic() - started) for process in busy)
    return max(1.0, slowest / REFERENCE) * max(1.0, REFERENCE_CORES / cores())


if __name__ == "__main__":
    print(f"{pace():.2f}")
