# SPDX-License-Identifier: Apache-2.0
"""(e) and (g): what a change costs, from the uevent until an answer has it, and until a thousand readers know."""

import json
import subprocess
import time

from processes import PROGRAMS, Connection, Daemon, part_of, request_bytes
from table import Rows
from uevents import Kernel

CHANGES = 50
BURST = 1000
READERS = 1000
EVENTS = "/v1/events"


def moved(kernel, address):
    """The driver that a VF has now, after it had the other one."""
    driver = "iavf" if kernel.driver_of(address) == "vfio-pci" else "vfio-pci"
    kernel.bind(address, driver)
    return driver


def microseconds(work):
    begun = time.perf_counter()
    found = work()
    return (time.perf_counter() - begun) * 1e6, found


def seen(connection, kernel, address, target):
    """Microseconds until the answer that has the change has come whole, and whether the very first answer had it."""
    driver = moved(kernel, address)
    begun, asked = time.perf_counter(), 0
    while time.perf_counter() < begun + 10:
        asked += 1
        body = connection.ask(request_bytes(target))[2]
        took = (time.perf_counter() - begun) * 1e6
        if driver_in(json.loads(body), address) == driver:
            return took, asked == 1
    raise RuntimeError(f"{target}: no answer has the change")


def driver_in(document, address):
    if "items" in document:
        return next((item["driver"] for item in document["items"] if item["address"] == address), None)
    return document["driver"]


def uevent(tree, options):
    """(e)"""
    rows = Rows("uevent", "(e) one uevent: the first answer after it against one without it; goal: independent of the number of functions")
    functions, address = tree.addresses["vf"], tree.addresses["vf"][0]
    with Daemon() as daemon, Connection(daemon.socket) as connection, Kernel() as kernel:
        for name, target in (("detail", f"/v1/devices/{address}"), ("list", "/v1/devices")):
            connection.ask(request_bytes(target))
            changes = CHANGES if name == "detail" else 10
            quiet = [microseconds(lambda at=target: connection.ask(request_bytes(at)))[0] for _ in range(changes)]
            after = [seen(connection, kernel, address, target) for _ in range(changes)]
            times, first = [took for took, _ in after], sum(fresh for _, fresh in after)
            rows.add(functions=tree.count, request=name, **{
                "quiet p50 us": part_of(quiet, 0.5), "after p50 us": part_of(times, 0.5), "after p99 us": part_of(times, 0.99),
                "more us": part_of(times, 0.5) - part_of(quiet, 0.5), "in the very next answer": f"{first} of {changes}"})
        before = daemon.processor_seconds()
        for at in range(BURST):
            moved(kernel, functions[at % len(functions)])
            if at % 100 == 99:
                connection.ask(request_bytes("/healthz"))
        took, _ = microseconds(lambda: connection.ask(request_bytes(f"/v1/devices/{address}")))
        spent = (daemon.processor_seconds() - before) * 1e6 / BURST
        rows.add(functions=tree.count, request=f"{BURST} events", **{"processor us per event": spent, "answer after them us": took})
    return rows


def readers(tree, options):
    """(g)"""
    rows = Rows("readers", f"(g) one change to {READERS:,} readers of {EVENTS}; goal: spread of 50 ms")
    with Daemon() as daemon, Connection(daemon.socket) as connection, Kernel() as kernel:
        with Connection(daemon.socket) as asking:
            asking._socket.sendall(request_bytes(EVENTS, ["Accept: text/event-stream"]))
            head = asking._more()
        if b" 404 " in head.split(b"\r\n")[0]:
            rows.add(functions=tree.count, note=f"not measured: {EVENTS} answers 404")
            return rows
        for _ in range(options.rounds):
            rows.add(functions=tree.count, **told(daemon, connection, kernel, tree.addresses["vf"][0]))
    return rows


def told(daemon, connection, kernel, address):
    """One change, and the readers' figures."""
    command = [str(PROGRAMS / "bench_event_readers"), daemon.socket, EVENTS, str(READERS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        ready = int(process.stdout.readline().split()[1])
        process.stdin.write(f"go {address}\n")
        process.stdin.flush()
        moved(kernel, address)
        found = json.loads(process.stdout.readline())
        process.stdin.close()
    note = f"{READERS - ready} were not let in" if ready < READERS else None
    connection.ask(request_bytes("/healthz"))
    return {"readers": ready, "told": found["got"], "first ms": found["first_us"] / 1e3, "spread ms": found["spread_us"] / 1e3,
            "p99 ms": found["p99_us"] / 1e3, "note": note}
