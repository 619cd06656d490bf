# SPDX-License-Identifier: Apache-2.0
"""A made-up /sys that only the processes in a mount namespace of their own see. Nothing of the host's is written.

Network: a namespace of its own too, in which the kernel tells of events that are sent to it (uevents.py), and nobody else
hears of them.
"""

import contextlib
import os
import subprocess
import tempfile

import pci_tree


def enter_command(arguments):
    """The command that runs `arguments` in namespaces of its own."""
    return ["unshare", "--mount", "--net", "--propagation", "private", "--", *arguments]


def namespaces():
    """Those of this process."""
    return {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net")}


@contextlib.contextmanager
def tree_of(functions, outside):
    """Within it /sys is a tree of that many functions (pci_tree.PciTree). `outside`: the namespaces of the host."""
    if any(outside[kind] == name for kind, name in namespaces().items()):
        raise RuntimeError("not in namespaces of its own: /sys is the host's")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = tempfile.mkdtemp(prefix="devbindd-bench-sys-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=75%,nr_inodes=0", "devbindd-bench", folder], check=True)
    try:
        tree = pci_tree.make(folder, functions)
        subprocess.run(["mount", "--bind", folder, "/sys"], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["umount", "--lazy", "/sys"], check=True)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        os.rmdir(folder)
