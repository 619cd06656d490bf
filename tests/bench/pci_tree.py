# SPDX-License-Identifier: Apache-2.0
"""Makes a /sys with N PCI functions, in a folder of a tmpfs: what sysfs shows of them, and not how its files behave.

Domains of root ports, and below them in turn: a network card with two physical functions and their VFs, a disk, a display
with its sound, an accelerator. What sysfs has as a link is one, every function has a driver, a group and a NUMA node, and
physical network functions have an interface. Attributes that nobody can write and that have equal content share an inode.
"""

import os
import pathlib
import struct
import subprocess

TMPFS = 0x01021994  # include/uapi/linux/magic.h
PORTS_OF_DOMAIN = 240  # at device numbers 1 to 30 of the root bus, eight functions each
VFS_OF_CARD = 56  # of both physical functions together
PORT_AND_CARD = 11  # functions that one turn takes without VFs: five ports and six devices
WRITABLE = {"driver_override", "enable", "sriov_numvfs", "sriov_drivers_autoprobe", "power_state", "uevent", "numa_node"}
FOLDERS = (
    "bus/pci/devices", "bus/pci/slots", "bus/pci_express/devices", "block", "class/block", "class/iommu", "class/net", "class/pci_bus",
    "dev/block", "dev/char", "devices/virtual/iommu", "devices/virtual/net", "firmware", "fs/cgroup", "kernel/iommu_groups", "kernel/mm", "module",
)
DRIVERS = ("pcieport", "ice", "iavf", "nvme", "nouveau", "snd_hda_intel", "idxd", "vfio-pci")
NIC, VF, DISK = ("8086", "159b", "020000"), ("8086", "1889", "020000"), ("144d", "a80a", "010802")
DISPLAY, SOUND, ACCELERATOR = ("10de", "2236", "030200"), ("10de", "1aef", "040300"), ("8086", "0b25", "088000")
PORT, HOST_BRIDGE = ("8086", "347a", "060400"), ("8086", "09a2", "060000")


class PciTree:
    """`root` becomes a /sys. Devices are added from the top; `addresses` has those that there are."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        filesystem = subprocess.run(["stat", "-f", "-c", "%t", str(root)], check=True, stdout=subprocess.PIPE, text=True).stdout
        if int(filesystem, 16) != TMPFS:
            raise ValueError(f"{root} is on no tmpfs: a tree is made nowhere else")
        self.addresses = {}  # by kind and by driver
        self.group_of = {}  # address -> number
        self.count = 0
        self._shared = {}
        self._next_group = 0
        self._root = str(self.root)
        for folder in FOLDERS:
            os.makedirs(f"{self._root}/{folder}", exist_ok=True)
        for name, content in (("drivers_autoprobe", "1\n"), ("drivers_probe", ""), ("rescan", ""), ("resource_alignment", "\n"), ("uevent", "")):
            self._write(f"bus/pci/{name}", content)
        for driver in DRIVERS:
            self._driver(driver)
        self._iommu_unit()

    def _write(self, path, content):
        target = f"{self._root}/{path}"
        data = content if isinstance(content, bytes) else content.encode()
        name = path.rpartition("/")[2]
        if name not in WRITABLE and (known := self._shared.get(data)):
            os.link(known, target)
            return
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, data)
        os.close(descriptor)
        if name not in WRITABLE:
            self._shared[data] = target

    def link(self, path, to):
        """`to` from the root, as a relative link like the kernel's."""
        up = "../" * path.count("/")
        os.symlink(up + to, f"{self._root}/{path}")

    def _driver(self, name):
        folder, module = f"bus/pci/drivers/{name}", name.replace("-", "_")
        os.makedirs(f"{self._root}/{folder}")
        for file in ("bind", "unbind", "new_id", "remove_id", "uevent"):
            self._write(f"{folder}/{file}", "")
        if name == "pcieport":
            return
        os.makedirs(f"{self._root}/module/{module}/drivers")
        for file, content in (("refcnt", "1\n"), ("initstate", "live\n"), ("coresize", "65536\n"), ("taint", "\n")):
            self._write(f"module/{module}/{file}", content)
        self.link(f"module/{module}/drivers/pci:{name}", folder)
        self.link(f"{folder}/module", f"module/{module}")

    def _iommu_unit(self):
        unit = "devices/virtual/iommu/dmar0"
        for folder in ("devices", "intel-iommu", "power"):
            os.makedirs(f"{self._root}/{unit}/{folder}")
        for name, content in (("address", "fed90000\n"), ("cap", "d2008c40660462\n"), ("ecap", "f050da\n"), ("version", "1:0\n"),
                              ("domains_supported", "65536\n"), ("domains_used", "64\n")):
            self._write(f"{unit}/intel-iommu/{name}", content)
        self._write(f"{unit}/uevent", "")
        self.link("class/iommu/dmar0", unit)
        self.link(f"{unit}/subsystem", "class/iommu")

    def group(self, *members):
        """A group of these (address, path from the root)."""
        number, self._next_group = self._next_group, self._next_group + 1
        folder = f"kernel/iommu_groups/{number}"
        os.makedirs(f"{self._root}/{folder}/devices")
        self._write(f"{folder}/type", "DMA-FQ\n")
        self._write(f"{folder}/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n")
        for address, path in members:
            self.group_of[address] = number
            self.link(f"{folder}/devices/{address}", path)
            self.link(f"{path}/iommu_group", folder)
            self.link(f"{path}/iommu", "devices/virtual/iommu/dmar0")
            self.link(f"devices/virtual/iommu/dmar0/devices/{address}", path)
        return number

    def function(self, parent, address, ids, driver, what, more=()):
        """Adds one below `parent`; its path. `more`: (name, content) of attributes that not all have."""
        path = f"{parent}/{address}"
        os.mkdir(f"{self._root}/{path}")
        window = 0x20_0000_0000 + self.count * 0x10_0000
        for name, content in attributes(address, ids, driver, what, window, self.count % 2):
            self._write(f"{path}/{name}", content)
        for name, content in more:
            self._write(f"{path}/{name}", content)
        for folder in ("power", "link", "msi_irqs"):
            os.mkdir(f"{self._root}/{path}/{folder}")
        for name, content in (("control", "auto\n"), ("runtime_status", "active\n"), ("wakeup", "disabled\n")):
            self._write(f"{path}/power/{name}", content)
        self._write(f"{path}/msi_irqs/{64 + self.count}", "msix\n")
        self.link(f"{path}/subsystem", "bus/pci")
        self.link(f"bus/pci/devices/{address}", path)
        if driver:
            self.link(f"{path}/driver", f"bus/pci/drivers/{driver}")
            self.link(f"bus/pci/drivers/{driver}/{address}", path)
        for key in (what, driver):
            self.addresses.setdefault(key, []).append(address)
        self.count += 1
        return path

    def interface(self, path, name, index):
        folder = f"{path}/net/{name}"
        os.makedirs(f"{self._root}/{folder}/statistics")
        for file, content in (
            ("address", f"02:00:00:{index >> 16 & 255:02x}:{index >> 8 & 255:02x}:{index & 255:02x}\n"), ("ifindex", f"{index}\n"),
            ("iflink", f"{index}\n"), ("operstate", "down\n"), ("flags", "0x1002\n"), ("mtu", "1500\n"), ("type", "1\n"),
            ("dev_id", "0x0\n"), ("dev_port", "0\n"), ("addr_len", "6\n"), ("name_assign_type", "4\n"), ("tx_queue_len", "1000\n"),
            ("uevent", f"INTERFACE={name}\nIFINDEX={index}\n"),
        ):
            self._write(f"{folder}/{file}", content)
        self.link(f"{folder}/device", path)
        self.link(f"{folder}/subsystem", "class/net")
        self.link(f"class/net/{name}", folder)


def attributes(address, ids, driver, what, window, node):
    """(name, content) of what every function has. Source: drivers/pci/pci-sysfs.c."""
    vendor, device, class_code = ids
    bridge, virtual = what == "port", what == "vf"
    modalias = (f"pci:v0000{vendor.upper()}d0000{device.upper()}sv0000{vendor.upper()}sd00000001"
                f"bc{class_code[:2].upper()}sc{class_code[2:4].upper()}i{class_code[4:].upper()}")
    yield from {
        "vendor": f"0x{vendor}\n", "device": f"0x{device}\n", "subsystem_vendor": f"0x{vendor}\n", "subsystem_device": "0x0001\n",
        "class": f"0x{class_code}\n", "revision": "0x02\n", "modalias": modalias + "\n", "irq": "0\n", "numa_node": f"{node}\n",
        "local_cpus": "3\n", "local_cpulist": "0-1\n", "enable": "1\n" if driver else "0\n", "driver_override": "(null)\n",
        "broken_parity_status": "0\n", "msi_bus": "1\n", "d3cold_allowed": "1\n", "ari_enabled": "0\n", "power_state": "D0\n",
        "dma_mask_bits": "64\n", "consistent_dma_mask_bits": "64\n", "remove": "", "rescan": "", "reset": "", "reset_method": "flr bus\n",
        "current_link_speed": "16.0 GT/s PCIe\n", "current_link_width": "8\n", "max_link_speed": "16.0 GT/s PCIe\n", "max_link_width": "8\n",
        "resource": resource(window, bridge), "config": config_space(ids, window, bridge, virtual),
        "uevent": f"{f'DRIVER={driver}' + chr(10) if driver else ''}PCI_CLASS={class_code.upper().lstrip('0')}\nPCI_ID={vendor.upper()}:{device.upper()}\n"
                  f"PCI_SUBSYS_ID={vendor.upper()}:0001\nPCI_SLOT_NAME={address}\nMODALIAS={modalias}\n",
    }.items()


def resource(window, bridge):
    nothing = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
    bar = f"0x{window:016x} 0x{window + 0xffff:016x} 0x000000000014220c\n"
    return nothing * 13 + (f"0x{window:016x} 0x{window + 0xfffff:016x} 0x0000000000102201\n" if bridge else nothing) * 4 if bridge else bar + nothing * 12


def config_space(ids, window, bridge, virtual):
    """256 bytes for a VF, as an old kernel's reader sees them, 4096 for the others: header, power management, PCI Express, MSI-X."""
    vendor, device, class_code = ids
    data = bytearray(256 if virtual else 4096)
    identity = (0xFFFF, 0xFFFF) if virtual else (int(vendor, 16), int(device, 16))
    struct.pack_into("<HHHHI", data, 0, *identity, 0x0406, 0x0010, int(class_code, 16) << 8 | 2)
    data[0x0E] = 1 if bridge else 0
    data[0x34] = 0x40
    if not bridge:
        if not virtual:
            struct.pack_into("<II", data, 0x10, window & 0xFFFFFFF0 | 0xC, window >> 32)
        struct.pack_into("<HH", data, 0x2C, int(vendor, 16), 1)
    struct.pack_into("<BBHI", data, 0x40, 0x01, 0x70, 0x0003, 0x8)  # power management
    kind = 0x42 if bridge else 0x02  # PCI Express: root port, endpoint
    struct.pack_into("<BBHIHHIHH", data, 0x70, 0x10, 0 if bridge else 0xA0, kind, 0x10008FE2, 0x2810, 0, 0x00436084, 0x0040, 0x1084)
    if not bridge:
        struct.pack_into("<BBHII", data, 0xA0, 0x11, 0, 0x801F, 0, 0x8000)  # MSI-X, 32 vectors
    return bytes(data)


class Places:
    """Addresses of root ports, one after the other, and of the bus below each."""

    def __init__(self, tree):
        self._tree = tree
        self._used = 0

    def next(self):
        """(path of a new root port, domain, bus below it)"""
        domain, at = divmod(self._used, PORTS_OF_DOMAIN)
        self._used += 1
        above = host_bridge_of(self._tree, domain)
        path = self._tree.function(above, f"{domain:04x}:00:{1 + at // 8:02x}.{at % 8}", PORT, "pcieport", "port",
                                   (("secondary_bus_number", f"{at + 1}\n"), ("subordinate_bus_number", f"{at + 1}\n")))
        self._tree.group((path.rpartition("/")[2], path))
        return path, domain, at + 1


def host_bridge_of(tree, domain):
    path = f"devices/pci{domain:04x}:00"
    if not (tree.root / path).exists():
        os.makedirs(f"{tree.root}/{path}/pci_bus/{domain:04x}:00")
        bridge = tree.function(path, f"{domain:04x}:00:00.0", HOST_BRIDGE, None, "host bridge")
        tree.group((bridge.rpartition("/")[2], bridge))
    return path


def network_card(tree, places, vfs):
    """A port, two physical functions, and VFs of both; each function has a group of its own."""
    above, domain, bus = places.next()
    for function in range(2):
        number = (vfs + 1 - function) // 2
        sriov = (("sriov_totalvfs", "64\n"), ("sriov_numvfs", f"{number}\n"), ("sriov_offset", "8\n"), ("sriov_stride", "1\n"),
                 ("sriov_vf_device", "1889\n"), ("sriov_drivers_autoprobe", "1\n"), ("sriov_vf_total_msix", "0\n"))
        physical = f"{domain:04x}:{bus:02x}:00.{function}"
        path = tree.function(above, physical, NIC, "ice", "nic", sriov)
        tree.interface(path, f"ens{domain}b{bus}f{function}", 10 + tree.count)
        tree.group((physical, path))
        for index in range(number):
            address = f"{domain:04x}:{bus:02x}:{1 + 4 * function + index // 8:02x}.{index % 8}"
            virtual_function(tree, above, path, address, index, "vfio-pci" if (index + function) % 2 else "iavf")


def virtual_function(tree, above, physical, address, index, driver):
    path = tree.function(above, address, VF, driver, "vf")
    tree.link(f"{path}/physfn", physical)
    tree.link(f"{physical}/virtfn{index}", path)
    group = tree.group((address, path))
    if driver == "vfio-pci":
        os.makedirs(f"{tree.root}/{path}/vfio-dev/vfio{group}")


def one_turn(tree, places, vfs):
    network_card(tree, places, vfs)
    above, domain, bus = places.next()
    disk = f"{domain:04x}:{bus:02x}:00.0"
    tree.group((disk, tree.function(above, disk, DISK, "nvme", "disk")))
    above, domain, bus = places.next()
    pair = [f"{domain:04x}:{bus:02x}:00.{function}" for function in range(2)]
    tree.group((pair[0], tree.function(above, pair[0], DISPLAY, "nouveau", "display")),
               (pair[1], tree.function(above, pair[1], SOUND, "snd_hda_intel", "sound")))
    accelerator(tree, places)
    accelerator(tree, places)


def accelerator(tree, places):
    above, domain, bus = places.next()
    address = f"{domain:04x}:{bus:02x}:00.0"
    tree.group((address, tree.function(above, address, ACCELERATOR, "idxd", "accelerator")))


def make(root, functions):
    """A tree of exactly `functions` PCI functions in `root`, an empty folder of a tmpfs."""
    tree = PciTree(root)
    places = Places(tree)
    host_bridge_of(tree, 0)
    while functions - tree.count >= PORT_AND_CARD + 2:
        one_turn(tree, places, min(VFS_OF_CARD, functions - tree.count - PORT_AND_CARD - 2))
    fill = 0
    while tree.count < functions:  # what is left are devices of the chipset, on the root bus of the first domain
        address = f"0000:00:1f.{fill}" if fill < 8 else f"0000:ff:{(fill - 8) // 8:02x}.{fill % 8}"
        tree.group((address, tree.function("devices/pci0000:00", address, ACCELERATOR, None, "chipset")))
        fill += 1
    return tree
