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


def spent(daemon, work):
    """(what it gives, microseconds of the daemon's processor time) of each of the changes."""
    before = daemon.processor_seconds()
    found = work()
    return found, (daemon.processor_seconds() - before) * 1e6 / len(found)


def uevent(tree, options):
    """(e)"""
    rows = Rows("uevent", "(e) one uevent: the first answer after it against one without it; goal: independent of the number of functions")
    address = tree.addresses["vf"][0]
    with Daemon() as daemon, Connection(daemon.socket) as connection, Kernel() as kernel:
        for name, target, changes in (("detail", f"/v1/devices/{address}", CHANGES), ("list", "/v1/devices", CHANGES // 5)):
            request = request_bytes(target)
            connection.ask(request)
            quiet, quiet_cpu = spent(daemon, lambda: [microseconds(lambda: connection.ask(request))[0] for _ in range(changes)])
            after, after_cpu = spent(daemon, lambda: [seen(connection, kernel, address, target) for _ in range(changes)])
            times, first = [took for took, _ in after], sum(fresh for _, fresh in after)
            rows.add(functions=tree.count, request=name, **{
                "quiet p50 us": part_of(quiet, 0.5), "after p50 us": part_of(times, 0.5), "after p99 us": part_of(times, 0.99),
                "quiet cpu us": quiet_cpu, "after cpu us": after_cpu, "more cpu us": after_cpu - quiet_cpu, "in the very next answer": f"{first} of {changes}"})
        rows.add(functions=tree.count, **burst(daemon, connection, kernel, tree.addresses["vf"]))
    return rows


def burst(daemon, connection, kernel, functions):
    """Many events before anybody asks."""
    before = daemon.processor_seconds()
    for at in range(BURST):
        moved(kernel, functions[at % len(functions)])
    took, _ = microseconds(lambda: connection.ask(request_bytes("/v1/devices?page_size=1")))
    cpu = (daemon.processor_seconds() - before) * 1e6 / BURST
    return {"request": f"{BURST} events of {min(BURST, len(functions))} functions, then a list of one", "after p50 us": took, "after cpu us": cpu}


def readers(tree, options):
    """(g)"""
    rows = Rows("readers", f"(g) one change to {READERS:,} readers of {EVENTS}; goal: spread of 50 ms")
    with Daemon() as daemon, Connection(daemon.socket) as connection, Kernel() as kernel:
        with Connection(daemon.socket) as asking:
            status = asking.status_of(request_bytes(EVENTS, ["Accept: text/event-stream"]))
        if status != 200:
            rows.add(functions=tree.count, note=f"not measured: {EVENTS} answers {status}")
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
        if process.stdout.readline() != "waiting\n":
            raise RuntimeError("bench_event_readers does not wait")
        moved(kernel, address)
        found = json.loads(process.stdout.readline())
        process.stdin.close()
    note = f"{READERS - ready} were not let in" if ready < READERS else None
    connection.ask(request_bytes("/healthz"))
    return {"readers": ready, "told": found["got"], "first ms": found["first_us"] / 1e3, "spread ms": found["spread_us"] / 1e3,
            "p99 ms": found["p99_us"] / 1e3, "note": note}
