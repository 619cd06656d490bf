# SPDX-License-Identifier: Apache-2.0
"""(b): a bind to vfio-pci and the give-back through the API, against the same writes by a C program. In the test machine only."""

import json
import subprocess
import time

from processes import PROGRAMS, Connection, Place, load, part_of, request_bytes, scratch_folder, write_request
from table import Rows, ratio

NIC, DRIVER = "0000:02:00.0", "e1000e"  # nic0 of tests/vm/machine.py
TURNS, ROUNDS = 5, 4  # turns of either, rounds in a turn
MILLISECONDS, SHARE = 2.0, 0.05  # what may be added to the writes


def by_api(server, files):
    """Milliseconds of (bind, give back) of each round."""
    figures = load(server, files, seconds=120, most=2 * ROUNDS, each=True)
    if set(figures["statuses"]) != {"200"}:
        with Connection(server.socket) as connection:
            again = connection.ask(files[0].read_bytes())
        raise RuntimeError(f"not every change was made: {figures['statuses']}; once more: {again}")
    times = [microseconds / 1e3 for microseconds in figures["each_us"]]
    return list(zip(times[::2], times[1::2]))


def by_writes():
    command = [str(PROGRAMS / "bench_bare_bind"), NIC, DRIVER, str(ROUNDS)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [tuple(map(float, line.split())) for line in done.stdout.splitlines()]


def by_devbind():
    times = []
    for driver in ("vfio-pci", DRIVER):
        begun = time.perf_counter()
        subprocess.run(["dpdk-devbind.py", "-b", driver, NIC], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append((time.perf_counter() - begun) * 1e3)
    return times


def in_machine(options):
    """(b)"""
    rows = Rows("bind", f"(b) a bind and the give-back, ms, medians of {TURNS * ROUNDS}; goal: more by 5 % or 2 ms at most")
    path = f"/v1/devices/{NIC}/binding"
    with scratch_folder() as folder:
        files = [write_request(folder, "bind", request_bytes(path, method="PUT", body=json.dumps({"driver": "vfio-pci"}))),
                 write_request(folder, "give-back", request_bytes(path, method="DELETE"))]
        server = Place(options.socket)
        load(server, files, seconds=120, most=2)  # loads vfio-pci
        ours, bare = [], []
        for _ in range(TURNS):
            ours += by_api(server, files)
            bare += by_writes()
    devbind = by_devbind()
    for at, what in enumerate(("bind", "give back")):
        mine, theirs = (part_of([times[at] for times in side], 0.5) for side in (ours, bare))
        more = mine - theirs
        rows.add(what=what, **{"ours ms": mine, "C program ms": theirs, "ratio": ratio(mine, theirs), "more ms": more,
                 "of what is allowed": more / max(MILLISECONDS, SHARE * theirs), "ours p99 ms": part_of([times[at] for times in ours], 0.99),
                 "C program p99 ms": part_of([times[at] for times in bare], 0.99), "dpdk-devbind.py once ms": devbind[at]})
    return rows
