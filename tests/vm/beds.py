# SPDX-License-Identifier: Apache-2.0
"""What the test machine is apart from its devices (machine.py): its processor, its IOMMU, and how the kernel is told of it.

Imported on the host and in the guest. It starts nothing.
"""

import dataclasses

# What the emulator does slowly is left out: it copies and clears memory byte by byte where the processor says that it is
# fast at that (erms, fsrm), and changes its view of memory at each access to the user's (smap, smep).
X86 = "max,la57=off,erms=off,fsrm=off,smap=off,smep=off"
ARM = "cortex-a72"  # the newest has pointer authentication, which takes half of the emulator's time

# Of Debian's package qemu-efi-aarch64: with it the kernel gets ACPI tables, without it a device tree.
FIRMWARE = "/usr/share/AAVMF/AAVMF_CODE.fd"
FLASH = 64 << 20


@dataclasses.dataclass(frozen=True)
class Bed:
    """`iommu`: QEMU's arguments. `options`: of the kernel's command line. `unit`: the beginning of the unit's name in
    /sys/class/iommu, None where the kernel uses no IOMMU."""

    name: str
    unit: str | None
    options: str
    iommu: tuple = ()
    architecture: str = "x86_64"
    firmware: bool = False
    more: tuple = ()  # devices beside those of machine.py, as QEMU's arguments

    @property
    def kind(self):
        """What a module of tests says in IOMMU to run there: "on" where devices are isolated, else "off"; VFIO without
        isolation is something else."""
        return "on" if self.unit else "no-iommu" if self.name == "no-iommu" else "off"

    @property
    def emulator(self):
        return f"qemu-system-{self.architecture}"

    @property
    def processor(self):
        return X86 if self.architecture == "x86_64" else ARM

    @property
    def console(self):
        return "ttyS0" if self.architecture == "x86_64" else "ttyAMA0"

    def board(self, images):
        """QEMU's arguments. `images`: the folder that has a copy of the firmware's variables."""
        if self.architecture == "x86_64":
            # Hot-plug by the PCIe slots, as on a server, and not by ACPI.
            return ["-M", "q35,kernel-irqchip=split", "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
        smmu = ",iommu=smmuv3" if self.unit else ""
        board = ["-M", f"virt,gic-version=3{smmu}"]
        if self.firmware:
            board += ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}",
                      "-drive", f"if=pflash,format=raw,file={images / 'variables'}"]
        return board


# The second root bus has a host bridge of its own. QEMU's switch has no access control services, nor have the functions of one NIC.
TOPOLOGY = tuple(word for device in (
    "pxb-pcie,id=far,bus_nr=0x40,addr=1e.0",
    "pcie-root-port,id=farport,bus=far,addr=0.0,chassis=40,slot=40",
    "e1000e,bus=farport,mac=52:54:00:00:40:00,romfile=",
    "pcie-root-port,id=switchport,addr=19.0,chassis=41,slot=41",
    "x3130-upstream,id=upstream,bus=switchport",
    "xio3130-downstream,id=down0,bus=upstream,addr=0.0,chassis=42,slot=42",
    "xio3130-downstream,id=down1,bus=upstream,addr=1.0,chassis=43,slot=43",
    "e1000e,bus=down0,mac=52:54:00:00:50:00,romfile=",
    "e1000e,bus=down1,mac=52:54:00:00:50:01,romfile=",
    "pcie-root-port,id=twinport,addr=1a.0,chassis=44,slot=44",
    "e1000e,bus=twinport,addr=0.0,multifunction=on,mac=52:54:00:00:60:00,romfile=",
    "e1000e,bus=twinport,addr=0.1,mac=52:54:00:00:60:01,romfile=",
    "rtl8139,addr=1b.0,mac=52:54:00:00:70:00,romfile=",
) for word in ("-device", device))

UNSAFE = "vfio_iommu_type1.allow_unsafe_interrupts=1"
INTEL = "intel-iommu,intremap=on,caching-mode=on,aw-bits=48"
BEDS = {bed.name: bed for bed in (
    Bed("on", "dmar", "intel_iommu=on", ("-device", INTEL)),
    Bed("off", None, "intel_iommu=off", ("-device", INTEL)),
    Bed("scalable", "dmar", "intel_iommu=on,sm_on", ("-device", f"{INTEL},x-scalable-mode=on")),
    # With interrupt remapping the kernel of this machine gets no interrupt of its timer (QEMU 7.2); without it VFIO has to be told.
    Bed("amd", "ivhd", f"nointremap {UNSAFE}", ("-device", "amd-iommu")),
    Bed("virtio", "0000:00:01.0", UNSAFE, ("-device", "virtio-iommu-pci,addr=01.0")),
    Bed("none", None, ""),
    Bed("no-iommu", None, "vfio.enable_unsafe_noiommu_mode=1"),
    Bed("smmuv3", "smmu3", "iommu.passthrough=0", architecture="aarch64"),
    Bed("smmuv3-acpi", "smmu3", "iommu.passthrough=0", architecture="aarch64", firmware=True),
    Bed("topology", "dmar", "intel_iommu=on", ("-device", INTEL), more=TOPOLOGY),
    Bed("arm-topology", "smmu3", "iommu.passthrough=0", architecture="aarch64", more=TOPOLOGY),
    Bed("arm-none", None, "", architecture="aarch64"),
)}
