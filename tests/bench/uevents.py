# SPDX-License-Identifier: Apache-2.0
"""Changes of the made-up tree as a kernel makes them: the links, and then the uevent.

Who has CAP_SYS_ADMIN over a network namespace may hand the kernel a uevent, which it then broadcasts in that namespace as
its own. Source: lib/kobject_uevent.c, uevent_net_rcv_skb() (4.18).
"""

import os
import socket
import struct

NETLINK_KOBJECT_UEVENT = 15
NLMSG_MIN_TYPE, NLM_F_REQUEST = 16, 1


class Kernel:
    """Moves functions of a tree between drivers."""

    def __init__(self, root="/sys"):
        self._root = root
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
        self._socket.bind((0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def driver_of(self, address):
        return os.path.basename(os.readlink(f"{self._root}/bus/pci/devices/{address}/driver"))

    def bind(self, address, driver):
        """The link to another driver, and "bind" as the kernel tells it."""
        device, old = f"{self._root}/bus/pci/devices/{address}", self.driver_of(address)
        path = os.path.realpath(device)
        target = os.readlink(f"{device}/driver")
        os.unlink(f"{self._root}/bus/pci/drivers/{old}/{address}")
        os.symlink(os.path.relpath(path, f"{self._root}/bus/pci/drivers/{driver}"), f"{self._root}/bus/pci/drivers/{driver}/{address}")
        os.symlink(os.path.join(os.path.dirname(target), driver), f"{path}/driver.new")
        os.rename(f"{path}/driver.new", f"{path}/driver")
        self.tell("bind", path.removeprefix(self._root), "pci", DRIVER=driver, PCI_SLOT_NAME=address)

    def tell(self, action, devpath, subsystem, **keys):
        keys = {"ACTION": action, "DEVPATH": devpath, "SUBSYSTEM": subsystem, **keys}
        text = "".join(f"{name}={value}\0" for name, value in keys.items())
        payload = f"{action}@{devpath}\0{text}".encode()
        header = struct.pack("=IHHII", 16 + len(payload), NLMSG_MIN_TYPE, NLM_F_REQUEST, 0, 0)
        self._socket.sendto(header + payload, (0, 0))
