# SPDX-License-Identifier: Apache-2.0
"""Builds uses of devices that are plugged in for it, at the USB controller and at a spare port, and of functions below a function.

Builders as those of situations.py; it asserts nothing.
"""

import contextlib

import api
import machine
import situations as given

PLUGGED = f"0000:{machine.ROOT_PORTS[machine.SPARE_PORTS[0]][1]:02x}:00.0"


# At the USB controller.


def generic_node():
    """The stick's node for SCSI commands."""
    api.sh("modprobe sg; udevadm settle")
    return "/dev/" + next((api.PCI / "devices" / given.USB).glob("usb*/**/scsi_generic/sg*")).name


@contextlib.contextmanager
def serial_adapter():
    """A serial port at the USB controller."""
    with given.plugged("usb-serial", "usb*/**/tty/ttyUSB*", chardev="adapter", **{"always-plugged": True})():
        yield


# At a spare port.


def slot():
    """The port's slot."""
    return next(place.parent for place in (api.PCI / "slots").glob("*/address") if place.read_text().strip() == PLUGGED[:-2])


def at_a_port(driver, ready, **properties):
    """Builder: a PCI device, there when `ready`, a pattern below it, is."""

    @contextlib.contextmanager
    def build():
        device = api.PCI / "devices" / PLUGGED
        try:
            api.qmp("device_add", driver=driver, id="plugged", bus=machine.SPARE_PORTS[0], **properties)
            api.wait_for(lambda: any(device.glob(ready)), 30, f"{driver} to be ready")
            api.sh("udevadm settle")
            yield
        finally:
            api.write_sysfs(slot() / "power", "0")  # device_del would wait five seconds for a second press of the button
            api.wait_for(lambda: not device.exists(), 30, f"{driver} to be gone")

    return build


@contextlib.contextmanager
def virtio_disk():
    """A blank virtio disk."""
    with at_a_port("virtio-blk-pci", "virtio*/block/*", drive="stick")():
        api.sh(f"wipefs -aqf {given.disk_node(PLUGGED)}")
        yield


def virtio_disk_mounted():
    node = given.disk_node(PLUGGED)
    return given.shell(f"mkdir -p {given.MOUNT}\nmke2fs -qF -t ext4 {node}\nmount {node} {given.MOUNT}",
                       f"umount {given.MOUNT}\nrmdir {given.MOUNT}")


randomness = at_a_port("virtio-rng-pci", "virtio*/driver")


# Below a function that is not a bridge.


@contextlib.contextmanager
def functions_below():
    """The teaching device has a function below it, with a blank disk."""
    module = "/usr/libexec/devbindd-tests/functions_below.ko"
    with given.shell(f"insmod {module}\nudevadm settle\ntest -b /dev/below0", "rmmod functions_below"):
        yield


def disk_below_mounted():
    return given.shell(f"mkdir -p {given.MOUNT}\nmke2fs -qF -t ext4 /dev/below0\nmount /dev/below0 {given.MOUNT}",
                       f"umount {given.MOUNT}\nrmdir {given.MOUNT}\nwipefs -aqf /dev/below0")
