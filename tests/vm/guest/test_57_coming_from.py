# SPDX-License-Identifier: Apache-2.0
"""docs/coming-from.md: what people's scripts do by other tools, and the line of devbindctl beside it, end in the same state. The blocks are run as the
page has them."""

import os
import pathlib
import re
import unittest

import api
import machine
import situations

PAGE = pathlib.Path("/mnt/src/docs/coming-from.md")
PACKAGES = pathlib.Path("/usr/libexec/devbindd-tests/other-tools")
BLOCK = re.compile(r"^```sh (theirs|ours)\n(.*?)^```$", re.M | re.S)
NIC, DISK, CONTROLLER = (machine.DEVICES[name].bdf for name in ("nic0", "nvme", "sriov"))
DETACHED = {NIC: "vfio-pci"}


def section(title):
    """[theirs, ours, theirs back, ours back]"""
    text = next(part for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M) if part.startswith(title))
    blocks = BLOCK.findall(text)
    if [kind for kind, _ in blocks] != ["theirs", "ours"] * 2:
        raise AssertionError(f"{title}: {[kind for kind, _ in blocks]}")
    return [block for _, block in blocks]


def state():
    """address -> (driver, driver_override), and the nodes of VFIO."""
    devices = {bdf: (api.driver_of(bdf), api.override_of(bdf)) for bdf in sorted(os.listdir(api.PCI / "devices"))}
    return devices | {"nodes": sorted(name for name in os.listdir("/dev/vfio") if name != "vfio")}


def after(block):
    """The state that it leaves. The shell stops at the first command that fails."""
    api.sh("bash", "-o", "pipefail", "-ec", block, timeout=120)
    api.sh("udevadm", "settle", "--timeout=30")
    return state()


def unpacked(*packages):
    """Files of Debian's packages, without what they would start."""
    for name in packages:
        api.sh(f"dpkg-deb --fsys-tarfile {PACKAGES}/{name}_*.deb | tar -C / -x --keep-directory-symlink --no-same-owner --no-overwrite-dir --exclude ./lib/udev")
    api.sh("ldconfig", timeout=120)


@api.timeout(300)
class ComingFrom(unittest.TestCase):
    maxDiff = None

    def compare(self, title, bound, cleared=()):
        """`bound`: address -> the driver that both columns give it; everything else stays. `cleared`: whose override the other tool
        clears, as the page says."""
        theirs, ours, theirs_back, ours_back = section(title)
        api.sh("modprobe vfio-pci")
        before = state()
        self.addCleanup(lambda: [api.request("DELETE", f"/v1/devices/{bdf}/binding") for bdf in bound])
        by_them = after(theirs)
        self.assertEqual({bdf: by_them[bdf][0] for bdf in bound}, bound)
        self.assertEqual(after(theirs_back), before)
        by_us = after(ours)
        self.assertEqual({bdf: by_us[bdf] for bdf in bound}, {bdf: (driver, driver) for bdf, driver in bound.items()})
        for bdf in cleared:
            self.assertEqual(by_them[bdf], (bound[bdf], None))
            by_them[bdf] = by_us[bdf]
        self.assertEqual(by_us, by_them)
        self.assertEqual(after(ours_back), before)

    def test_a_script_with_driver_override(self):
        self.compare("A shell script", DETACHED)

    def test_driverctl(self):
        unpacked("driverctl")
        self.compare("driverctl", DETACHED)

    def test_dpdk_devbind(self):
        self.compare("dpdk-devbind.py", DETACHED, cleared=[NIC])

    def test_virsh(self):
        unpacked("libvirt-clients", "libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt0", "libssh-4", "libparted2", "dmidecode")
        api.sh("getent passwd libvirt-qemu || { groupadd -f kvm; useradd --system --gid kvm libvirt-qemu; groupadd -f libvirt-qemu; }")
        api.sh("systemd-run", "--quiet", "--unit=other-libvirtd", "/usr/sbin/libvirtd")
        self.addCleanup(api.sh, "systemctl stop other-libvirtd", check=False)
        api.wait_for(lambda: "pci_" in api.sh("virsh --connect qemu:///system nodedev-list --cap pci", check=False), seconds=60, what="libvirtd answers")
        self.compare("virsh", DETACHED)

    def test_a_loop_over_a_class_leaves_out_a_mounted_disk(self):
        situations.with_file_system()
        api.sh(f"mkdir -p /mnt/disk && mount {situations.disk_node()} /mnt/disk")
        self.addCleanup(api.sh, "umount /mnt/disk")
        self.assertEqual(api.driver_of(DISK), "nvme")
        self.compare("A loop", {CONTROLLER: "vfio-pci"})
        self.assertEqual(api.driver_of(DISK), "nvme")
