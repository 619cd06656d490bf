# SPDX-License-Identifier: Apache-2.0
"""(c) and (h): requests per second over connections that stay, against Beast alone with the same bytes out of memory.

Beside them the processor's time for one request, the daemon's workers included: on a machine that others use, its ratio is the
one to trust.
"""

import time

from processes import BareServer, Connection, Daemon, load, median_of, request_bytes, scratch_folder, write_request
from table import Rows, ratio

QUIET = 0.002  # seconds of the processor in 0.1
SETTLED = 120  # seconds at most
LOG_LEVELS = ("error", "info", "debug")  # answers of 200 are lines of "debug"


def targets(tree):
    """name -> target"""
    nic, passed = tree.addresses["nic"][0], tree.addresses["vfio-pci"][0]
    return {
        "list": "/v1/devices", "detail": f"/v1/devices/{nic}", "detail on vfio": f"/v1/devices/{passed}",
        "group": f"/v1/iommu-groups/{tree.group_of[nic]}", "group on vfio": f"/v1/iommu-groups/{tree.group_of[passed]}", "healthz": "/healthz",
    }


def requests_of(tree, daemon):
    """(name, request bytes), and why others cannot be asked. 304 is asked for with the ETag of an answer."""
    found, missing = [], []
    with Connection(daemon.socket) as connection:
        for name, target in targets(tree).items():
            found.append((name, request_bytes(target)))
            status, headers, _ = connection.ask(request_bytes(target))
            if status != 200:
                raise RuntimeError(f"{target}: {status}")
            if name in ("list", "detail") and "etag" in headers:
                found.append((f"304 of {name}", request_bytes(target, [f"If-None-Match: {headers['etag']}"])))
            elif name in ("list", "detail"):
                missing.append(f"304 of {name}: the daemon gives no ETag")
    return found, missing


def compared(daemon, request, connections, options, tcp=False):
    """(ours, bare, bytes of the answer), in turn in the same run; None where no answer comes."""
    with scratch_folder() as folder:
        file, answer = write_request(folder, "one", request), folder / "answer"
        if not load(daemon, [file], seconds=options.longest, most=1, record=answer)["requests"]:
            return None
        settle(daemon)
        with BareServer(answer) as bare:
            runs = [(load(daemon, [file], connections, options.seconds, tcp=tcp), load(bare, [file], connections, options.seconds, tcp=tcp))
                    for _ in range(options.rounds)]
        return median_of([ours for ours, _ in runs]), median_of([theirs for _, theirs in runs]), answer.stat().st_size


def settle(daemon):
    """Waits until the daemon does nothing any more: questions that nobody waits for still take its time."""
    before, end = -1.0, time.monotonic() + SETTLED
    while daemon.processor_seconds() - before > QUIET and time.monotonic() < end:
        before = daemon.processor_seconds()
        time.sleep(0.1)


def note_of(figures, connections, rounds):
    """What makes a row say less than it seems to."""
    statuses = {status: count for status, count in figures["statuses"].items() if status not in ("200", "304")}
    notes = [f"status {status}: {count}" for status, count in statuses.items()]
    if not figures["requests"]:
        notes.append("no answer in that time")
    if figures["ended"]:
        notes.append(f"{figures['ended'] / rounds:.0f} of {connections} connections ended by the daemon")
    return "; ".join(notes) or None


def row_of(functions, name, connections, found, options, transport):
    """`found`: of compared()."""
    if found is None:
        note = f"no answer in {options.longest:.0f} s"
        return {"functions": functions, "request": name, "over": transport, "connections": connections, "note": note}
    ours, bare, size = found
    return {
        "functions": functions, "request": name, "over": transport, "connections": connections, "bytes": size,
        "ours/s": ours["per_second"], "bare/s": bare["per_second"], "ratio": ratio(ours["per_second"], bare["per_second"]),
        "ours p50 us": ours["p50_us"], "bare p50 us": bare["p50_us"], "ours p99 us": ours["p99_us"], "bare p99 us": bare["p99_us"],
        "p99 ratio": ratio(ours["p99_us"], bare["p99_us"]), "ours cpu us": ours["processor_us"], "bare cpu us": bare["processor_us"],
        "cpu ratio": ratio(bare["processor_us"], ours["processor_us"]), "note": note_of(ours, connections, options.rounds),
    }


def answers(tree, options):
    """(c)"""
    rows = Rows("answers", "(c) answers of the daemon against Beast alone with the same bytes; goal: ratio 0.8 for the list, 0.6 for small ones, p99 ratio 2")
    with Daemon() as daemon:
        asked, missing = requests_of(tree, daemon)
        for name, request in asked:
            if options.requests and name not in options.requests:
                continue
            for connections in options.connections:
                for tcp in ((False, True) if options.tcp else (False,)):
                    rows.add(**row_of(tree.count, name, connections, compared(daemon, request, connections, options, tcp), options, "tcp" if tcp else "unix"))
    for sentence in missing:
        rows.add(functions=tree.count, request=sentence)
    return rows


def nothing(tree, options):
    """(h)"""
    rows = Rows("nothing", "(h) /healthz by level of the log (a line for each answer is written at debug); goal: ratio 0.6")
    for level in LOG_LEVELS:
        with Daemon(level) as daemon:
            for connections in (1, 64):
                found = compared(daemon, request_bytes("/healthz"), connections, options)
                rows.add(log=level, **row_of(tree.count, "healthz", connections, found, options, "unix"))
    return rows
