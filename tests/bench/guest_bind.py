#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Inside the test machine: a bind to vfio-pci and the give-back, by the API and by the bare sysfs writes, alternating."""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time

sys.path[:0] = ["/mnt/src/tests/vm", "/mnt/src/tests/vm/guest"]
import api  # noqa: E402
import machine  # noqa: E402

NIC = machine.DEVICES["nic0"].bdf
ROUNDS = 15


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(api.SOCKET)


def by_api(connection):
    for method, body in (("PUT", json.dumps({"driver": "vfio-pci"})), ("DELETE", None)):
        connection.request(method, f"/v1/devices/{NIC}/binding", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status


def by_sysfs(_):
    """What the kernel alone costs: the same writes, unchecked."""
    device, drivers = f"/sys/bus/pci/devices/{NIC}", "/sys/bus/pci/drivers"
    for path, value in (
        (f"{device}/driver_override", "vfio-pci"), (f"{drivers}/e1000e/unbind", NIC), (f"{drivers}/vfio-pci/bind", NIC),
        (f"{device}/driver_override", "e1000e"), (f"{drivers}/vfio-pci/unbind", NIC), (f"{drivers}/e1000e/bind", NIC),
        (f"{device}/driver_override", "\n"),
    ):
        api.write_sysfs(path, value)


def by_devbind(_):
    for driver in ("vfio-pci", "e1000e"):
        subprocess.run(["dpdk-devbind.py", "-b", driver, NIC], check=True, capture_output=True)


def seconds(action, connection):
    started = time.perf_counter()
    action(connection)
    return time.perf_counter() - started


def main():
    connection = Connection("localhost")
    by_api(connection)  # loads vfio-pci
    times = {action: [] for action in (by_api, by_sysfs)}
    for _ in range(ROUNDS):
        for action, found in times.items():
            found.append(seconds(action, connection))
    medians = {action: statistics.median(found) for action, found in times.items()}
    devbind = seconds(by_devbind, connection)
    ours, bare = medians[by_api], medians[by_sysfs]
    print(f"bind and give back, median of {ROUNDS}: devbindd {ours * 1e3:.0f} ms, the bare writes {bare * 1e3:.0f} ms, "
          f"ratio {ours / bare:.2f}")
    print(f"the same by dpdk-devbind.py -b, once: {devbind:.1f} s, {devbind / ours:.0f} times devbindd")
    os.sync()


main()
