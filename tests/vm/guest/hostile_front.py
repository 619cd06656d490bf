# SPDX-License-Identifier: Apache-2.0
"""What a process can do that has taken the daemon's place: it speaks to the keeper and to workers as the daemon does, byte by
byte (handoff/worker/keeper_wire.hpp, worker_wire.hpp). Runs as the daemon's user; prints what it got as JSON, one line each.
Usage: hostile_front.py NIC GROUP"""
import array
import json
import os
import socket
import struct
import sys

KEEPER = "/run/devbindd-keeper.sock"
START_WORKER, PERMIT, WITHDRAW, END_WORKER, PUT_CDI = range(5)
PERFORM_STEP, READ_ATTRIBUTES, CHANGE_ACCESS, OPEN_NODES = 0, 4, 9, 14  # their places among the tasks
SET_OVERRIDE, UNBIND, RESET, ADD_ID = 1, 3, 12, 6  # and among the steps


def text(value):
    return struct.pack("<I", len(value)) + value.encode()


def address(bdf):
    domain, bus, rest = bdf.split(":")
    slot, function = rest.split(".")
    return struct.pack("<IBBB", int(domain, 16), int(bus, 16), int(slot, 16), int(function))


def frame(payload):
    return struct.pack("<I", len(payload)) + payload


def receive(stream):
    data, ancillary, _, _ = stream.recvmsg(65536, socket.CMSG_SPACE(64))
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return data, list(descriptors)


class Keeper:
    def __init__(self):
        self.stream = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.stream.settimeout(20)
        self.stream.connect(KEEPER)
        _, (rights,) = receive(self.stream)
        self.rights = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=rights)
        self.rights.settimeout(20)

    def ask(self, payload):
        self.stream.sendall(frame(payload))
        return receive(self.stream)

    def open(self, path):
        """The errno, and whether a descriptor came."""
        self.rights.sendall(b"o" + path.encode())
        data, descriptors = receive(self.rights)
        return [struct.unpack("<i", data)[0], len(descriptors)]

    def worker(self):
        _, (descriptor,) = self.ask(struct.pack("<Bi", START_WORKER, 0))
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor)
        stream.settimeout(20)
        return stream


def task(worker, payload):
    """Whether it was done, and what was said when not."""
    worker.sendall(frame(payload))
    answer, _ = receive(worker)
    done = answer[4] == 1
    return [done, "" if done else answer[5:].decode("utf-8", "replace")]


def step(kind, bdf, argument):
    place = b"\1" + address(bdf) if bdf else b"\0"
    return struct.pack("<BB", PERFORM_STEP, kind) + place + text(argument)


def main():
    nic, group = sys.argv[1:]
    keeper = Keeper()
    worker = keeper.worker()
    vendor_device = "8086 10d3"
    tried = {
        "unbind": step(UNBIND, nic, "e1000e"),
        "override": step(SET_OVERRIDE, nic, "vfio-pci"),
        "reset": step(RESET, nic, ""),
        "new_id": step(ADD_ID, "", f"vfio-pci {vendor_device}"),
        "module": step(0, "", "dummy"),
        "path": step(UNBIND, nic, "../../../../tmp"),
        "file": struct.pack("<B", READ_ATTRIBUTES) + address(nic) + struct.pack("<I", 1) + text("../../../../../../etc/shadow"),
        "node": struct.pack("<BI", OPEN_NODES, 1) + text(f"/dev/vfio/{group}"),
        "disk": struct.pack("<BI", OPEN_NODES, 1) + text("/dev/vda"),
        "grant": struct.pack("<BB", CHANGE_ACCESS, 0) + struct.pack("<II", 1, os.getuid()) + struct.pack("<I", 0) + text(f"/dev/vfio/{group}"),
    }
    for name, payload in tried.items():
        print(json.dumps([name, *task(worker, payload)]), flush=True)
    for path in ("/etc/shadow", "/dev/mem", "/sys/firmware/acpi/tables/../../../etc/shadow", "/dev/kmsg"):
        print(json.dumps([path, *keeper.open(path)]), flush=True)
    hook = '{"cdiVersion":"0.5.0","kind":"devbindd.io/vfio","devices":[],"containerEdits":{"hooks":[{"hookName":"poststop","path":"/bin/sh"}]}}'
    for name, payload in {"hook": text("0b-1") + text(hook), "place": text("../../etc/x") + text("{}")}.items():
        try:
            data, _ = keeper.ask(struct.pack("<B", PUT_CDI) + payload)
            print(json.dumps([name, "answered", data[4:5].hex()]), flush=True)
        except OSError as error:
            print(json.dumps([name, "cut off", str(error)]), flush=True)
    keeper = Keeper()
    print(json.dumps(["end of process 1", keeper.ask(struct.pack("<Bi", END_WORKER, 1))[0][4:5].hex()]), flush=True)
    for name, act in {"kill keeper": lambda: [os.kill(int(pid), 9) for pid in os.popen("pgrep -f -- '^/usr/sbin/devbindd --keep( |$)'").read().split()],
                      "write sysfs": lambda: open(f"/sys/bus/pci/devices/{nic}/driver_override", "w", encoding="ascii"),
                      "open node": lambda: os.open(f"/dev/vfio/{group}", os.O_RDWR)}.items():
        try:
            act()
            print(json.dumps([name, "done"]), flush=True)
        except OSError as error:
            print(json.dumps([name, os.strerror(error.errno)]), flush=True)


if __name__ == "__main__":
    main()
