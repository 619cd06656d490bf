# SPDX-License-Identifier: Apache-2.0
"""(a): the status of all devices as one command, against the other tools'."""

import shutil

from processes import PROGRAMS, BareServer, Daemon, Place, load, part_of, request_bytes, scratch_folder, seconds_of, write_request
from table import Rows, ratio

TITLE = ("(a) status as a whole command, ms; goal: devbindctl 20 times faster than dpdk-devbind.py, faster than every other; "
         "the request itself 1,000 times")
OTHERS = {
    "dpdk-devbind.py -s": ["dpdk-devbind.py", "-s"], "driverctl -v list-devices": ["driverctl", "-v", "list-devices"],
    "lspci -Dnnk": ["lspci", "-Dnnk"], "virsh nodedev-list --cap pci": ["virsh", "nodedev-list", "--cap", "pci"],
}
SLOW = 1.0  # seconds; what takes longer is done fewer times
ACCEPT = "Accept: text/plain"


def compare(rows, where, daemon, rounds):
    """Rows of one daemon: ours as a command and as a request, then every other tool, in turn with ours."""
    curl, client = curl_at(daemon.socket), client_at(daemon)
    with scratch_folder() as folder:
        file, answer = write_request(folder, "text", request_bytes("/v1/devices", [ACCEPT])), folder / "answer"
        request = load(daemon, [file], seconds=10, most=200, record=answer)["p50_us"] / 1e6
        with BareServer(answer) as bare:
            least = part_of([seconds_of(curl_at(bare.socket)) for _ in range(3 * rounds)], 0.5)
    ours, by_client = [], []
    for name, command in OTHERS.items():
        if not shutil.which(command[0]):
            rows.add(where=where, command=name, note="not installed")
            continue
        theirs = []
        for _ in range(rounds):
            ours.append(seconds_of(curl))
            by_client.append(seconds_of(client))
            theirs.append(seconds_of(command))
            if None in theirs or theirs[-1] > SLOW and len(theirs) > 1:
                break
        if None in theirs:
            rows.add(where=where, command=name, note="it fails here")
            continue
        middle = part_of(theirs, 0.5)
        rows.add(where=where, command=name, **{"ms": middle * 1e3, "times devbindctl": ratio(middle, part_of(by_client, 0.5)),
                                               "times curl": ratio(middle, part_of(ours, 0.5)), "times the request": ratio(middle, request)})
    ours, by_client = ours or [seconds_of(curl)], by_client or [seconds_of(client)]
    rows.add(where=where, command="devbindctl devbind -s", **{"ms": part_of(by_client, 0.5) * 1e3, "p99 ms": part_of(by_client, 0.99) * 1e3})
    rows.add(where=where, command="curl, text/plain", **{"ms": part_of(ours, 0.5) * 1e3, "p99 ms": part_of(ours, 0.99) * 1e3, "request ms": request * 1e3, "curl of the bare server ms": least * 1e3})


def curl_at(socket):
    return ["curl", "-s", "--unix-socket", socket, "-H", ACCEPT, "http://localhost/v1/devices"]


def client_at(daemon):
    """The program of this build; in the test machine the one that is installed there."""
    program = "devbindctl" if isinstance(daemon, Place) else str(PROGRAMS / "devbindctl")
    return [program, "--socket", daemon.socket, "devbind", "-s"]


def on_tree(tree, options):
    rows = Rows("status", TITLE)
    with Daemon() as daemon:
        compare(rows, f"tree of {tree.count:,}", daemon, options.rounds)
    return rows


def on_host(options):
    """Read-only, on the devices of this machine."""
    rows = Rows("status", TITLE)
    with Daemon() as daemon:
        compare(rows, "this machine", daemon, 3 * options.rounds)
    return rows


def in_machine(options):
    """Beside the daemon of the test machine."""
    rows = Rows("status", TITLE)
    compare(rows, "test machine", Place(options.socket), options.rounds)
    return rows
