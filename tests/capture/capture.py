#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what this host's kernel says about its PCI devices, drivers and IOMMU into one text file, for a bug report.

  sudo tests/capture/capture.py > capture.txt
  sudo tests/capture/capture.py --without-serials > capture.txt     without serial numbers and hardware addresses
  sudo tests/capture/capture.py --without-lspci > capture.txt       without the output of lspci

It reads and changes nothing, and needs no more than Python 3; without root the output of lspci says less. It reads the files
that are named here and no others: none of a device's memory (resourceN, rom), none that takes long or talks to the device (vpd,
config). Where a read does not end, because the kernel holds a lock of the device, the file counts as unread and the next is read.
lspci reads configuration space, which wakes a device that sleeps.

The file has one entry for each file, with its path:
  dir PATH                  a directory that has nothing else in this list
  link PATH -> TARGET       a symbolic link
  file PATH MODE            a file with its permissions; its lines follow, each after "|" ("\\" before one without an end of line)
  unread PATH MODE          one that is not read: write-only, or it answered with an error, or late
  command WORDS             the output of a command in the same form
A line that begins with "#" is a remark. tests/capture_tree.hpp reads the file into the fake kernel's tree.
"""

import argparse
import os
import pathlib
import re
import select
import subprocess
import sys

SYS = pathlib.Path("/sys")
DEVICE_FILES = (
    "vendor", "device", "subsystem_vendor", "subsystem_device", "class", "revision", "modalias", "numa_node", "enable", "resource",
    "reset_method", "sriov_totalvfs", "sriov_drivers_autoprobe", "sriov_offset", "sriov_stride", "sriov_vf_device", "power_state",
    "boot_vga", "index", "label", "acpi_index", "local_cpulist",
)
LOCKED_FILES = ("driver_override", "sriov_numvfs")  # a kernel may hold the device's lock while it is stuck
DRIVER_FILES = ("bind", "unbind", "new_id", "remove_id")
GROUP_FILES = ("name", "type", "reserved_regions")
UNIT_FILES = (
    "intel-iommu/address", "intel-iommu/version", "intel-iommu/cap", "intel-iommu/ecap", "intel-iommu/domains_supported",
    "intel-iommu/domains_used", "amd-iommu/cap", "amd-iommu/features",
)
MODULES = ("vfio", "vfio_pci", "vfio_pci_core", "vfio_iommu_type1", "iommufd")
TABLES = ("DMAR", "IVRS", "IORT", "VIOT")
# Of the command line, which may hold more than a bug report should.
BOOT_WORDS = re.compile(
    r"(intel_iommu|amd_iommu|amd_iommu_intr|iommu|pcie_acs_override|intremap|pci|lockdown|modprobe\.blacklist|module_blacklist"
    r"|hugepagesz?|default_hugepagesz)(=.*)?$|(nointremap|nox2apic)$|(vfio|vfio_pci|vfio_pci_core|vfio_iommu_type1|iommu|iommufd|arm_smmu\w*)\."
)
ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$")
HARDWARE_ADDRESS = re.compile(r"\b[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5,7}\b")
LATE = 2.0  # seconds
WITHOUT = "(left out)"


def listed(folder):
    """Names in a directory, sorted; none where there is none."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def read_late(path):
    """The content, read by a process that nobody waits for when the kernel does not let go of it; None then."""
    process = subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if not select.select([process.stdout], [], [], LATE)[0]:
        return None
    content = process.stdout.read()
    return content.decode(errors="replace") if process.wait() == 0 else None


class Capture:
    """Writes entries to `out`; each path once."""

    def __init__(self, out, with_serials):
        self._out = out
        self._with_serials = with_serials
        self._seen = set()

    def _line(self, text):
        print(text, file=self._out)

    def _first(self, path):
        known = str(path) in self._seen
        self._seen.add(str(path))
        return not known

    def remark(self, text):
        self._line("# " + text)

    def _text(self, content):
        lines = content.split("\n")
        for line in lines[:-1]:
            self._line("|" + line)
        if lines[-1]:
            self._line("\\" + lines[-1])

    def content(self, path, mode, content):
        self._line(f"file {str(path)[1:]} {mode:04o}")
        self._text(content)

    def file(self, path, read=pathlib.Path.read_text):
        """The file, if it is there."""
        try:
            mode = path.stat().st_mode & 0o7777
        except OSError:
            return
        if not self._first(path):
            return
        try:
            content = read(path) if mode & 0o444 else None
        except (OSError, UnicodeDecodeError):
            content = None
        if content is None:
            self._line(f"unread {str(path)[1:]} {mode:04o}")
        else:
            self.content(path, mode, content)

    def link(self, path):
        """The symbolic link, if it is there; what it leads to."""
        if not path.is_symlink():
            return None
        if self._first(path):
            self._line(f"link {str(path)[1:]} -> {os.readlink(path)}")
        return path.resolve()

    def directory(self, path):
        if path.is_dir() and self._first(path):
            self._line(f"dir {str(path)[1:]}")

    def command(self, *words):
        """What it prints; nothing where there is no such command."""
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            self.remark(f"{words[0]}: {error}")
            return
        self._line("command " + " ".join(words))
        self._text(self.without_serials(done.stdout.decode(errors="replace")))

    def without_serials(self, text):
        if self._with_serials:
            return text
        text = re.sub(r"(Device Serial Number|\[SN\] Serial number:) .*", rf"\1 {WITHOUT}", text)
        return HARDWARE_ADDRESS.sub(WITHOUT, text)


def capture_device(capture, link):
    path = capture.link(link)
    if path is None:
        return
    for name in DEVICE_FILES:
        capture.file(path / name)
    for name in LOCKED_FILES:
        capture.file(path / name, read_late)
    capture.file(path / "reset")
    for name in listed(path):
        if name in ("driver", "iommu_group", "iommu", "physfn") or name.startswith("virtfn"):
            capture.link(path / name)
        if name in ("net", "vfio-dev"):
            for child in listed(path / name):
                capture.directory(path / name / child)
        if re.fullmatch(r"virtio[0-9]+", name):
            capture.directory(path / name)
            for child in listed(path / name / "net"):
                capture.directory(path / name / "net" / child)


def capture_driver(capture, path):
    capture.directory(path)
    for name in DRIVER_FILES:
        capture.file(path / name)
    for name in ("module", *filter(ADDRESS.match, listed(path))):
        target = capture.link(path / name)
        if name == "module" and target is not None:
            capture.directory(target)


def capture_group(capture, path):
    capture.directory(path / "devices")
    for name in listed(path / "devices"):
        capture.link(path / "devices" / name)
    for name in GROUP_FILES:
        capture.file(path / name)


def capture_unit(capture, link):
    path = capture.link(link)
    if path is None:
        return
    for name in UNIT_FILES:
        capture.file(path / name)
    for name in listed(path / "devices"):
        capture.link(path / "devices" / name)


def capture_host(capture):
    capture.file(pathlib.Path("/proc/sys/kernel/osrelease"))
    words = pathlib.Path("/proc/cmdline").read_text(encoding="utf-8").split()
    capture.content("/proc/cmdline", 0o444, " ".join(word for word in words if BOOT_WORDS.match(word)) + "\n")
    for name in MODULES:
        for parameter in listed(SYS / "module" / name / "parameters"):
            capture.file(SYS / "module" / name / "parameters" / parameter)
    chips = {}
    for number in listed(SYS / "kernel/irq"):
        try:
            chips.setdefault((SYS / "kernel/irq" / number / "chip_name").read_text(), number)
        except OSError:
            pass
    for number in chips.values():  # one interrupt of each kind
        capture.file(SYS / "kernel/irq" / number / "chip_name")
    for name in filter(lambda table: table.rstrip("0123456789") in TABLES, listed(SYS / "firmware/acpi/tables")):
        capture.content(SYS / "firmware/acpi/tables" / name, 0o400, "")  # that it is there


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-serials", action="store_true", help="leave out serial numbers and hardware addresses")
    parser.add_argument("--without-lspci", action="store_true", help="leave out the output of lspci")
    options = parser.parse_args()
    capture = Capture(sys.stdout, not options.without_serials)
    capture.remark("devbindd capture 1: tests/capture/capture.py has the form")
    capture_host(capture)
    for kind, each in (("devices", capture_device), ("drivers", capture_driver)):
        capture.directory(SYS / "bus/pci" / kind)
        for name in listed(SYS / "bus/pci" / kind):
            each(capture, SYS / "bus/pci" / kind / name)
    for name in listed(SYS / "kernel/iommu_groups"):
        capture_group(capture, SYS / "kernel/iommu_groups" / name)
    capture.directory(SYS / "class/iommu")
    for name in listed(SYS / "class/iommu"):
        capture_unit(capture, SYS / "class/iommu" / name)
    if not options.without_lspci:
        capture.command("lspci", "-D", "-nnk", "-v")


if __name__ == "__main__":
    main()
