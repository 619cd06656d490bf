"""Builds a PCI function below a function that is not a bridge, as Intel's VMD has them.

Builders as those of situations.py; it asserts nothing.
"""

import contextlib

import situations as given


@contextlib.contextmanager
def functions_below():
    """The teaching device has a function below it, with a blank disk."""
    module = "/usr/libexec/devbindd-tests/functions_below.ko"
    with given.shell(f"insmod {module}\nudevadm settle\ntest -b /dev/below0", "rmmod functions_below"):
        yield


def disk_below_mounted():
    return given.shell(f"mkdir -p {given.MOUNT}\nmke2fs -qF -t ext4 /dev/below0\nmount /dev/below0 {given.MOUNT}",
                       f"umount {given.MOUNT}\nrmdir {given.MOUNT}\nwipefs -aqf /dev/below0")
