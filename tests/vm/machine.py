# SPDX-License-Identifier: Apache-2.0
"""The test machine: which devices it has, at which addresses the guest sees them, and QEMU's command line for it.

Imported on the host (tests/vm/run) and in the guest (the tests), so that both speak of the same addresses.
It starts nothing.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Device:
    """One device under test. `driver` is the native driver of Debian's kernel; None: nothing binds to it."""

    bdf: str
    vendor: str
    device: str
    driver: str | None
    what: str


DEVICES = {
    "vga": Device("0000:00:02.0", "0x1234", "0x1111", "bochs-drm", "standard VGA, the boot display"),
    "edu": Device("0000:00:03.0", "0x1234", "0x11e8", None, "QEMU's teaching device, without a driver"),
    "mgmt": Device("0000:01:00.0", "0x1af4", "0x1041", "virtio-pci", "management NIC, carries the default route"),
    "nic0": Device("0000:02:00.0", "0x8086", "0x10d3", "e1000e", "NIC alone in its group, unconfigured"),
    "nic1": Device("0000:03:00.0", "0x8086", "0x10d3", "e1000e", "NIC alone in its group, unconfigured"),
    "nvme": Device("0000:04:00.0", "0x1b36", "0x0010", "nvme", "disk with an ext4 filesystem, not mounted"),
    "sriov": Device("0000:05:00.0", "0x1b36", "0x0010", "nvme", "controller with SR-IOV, 8 VFs (05:00.1 to 05:01.0)"),
    "usb": Device("0000:00:09.0", "0x1b36", "0x000d", "xhci_hcd", "USB controller with nothing plugged in"),
    "serial": Device("0000:00:0a.0", "0x1b36", "0x0002", "serial", "serial port"),
    "ports": Device("0000:00:0b.0", "0x1af4", "0x1003", "virtio-pci", "virtio ports, as a guest agent has one"),
    "watchdog": Device("0000:00:0c.0", "0x8086", "0x25ab", "i6300ESB timer", "watchdog, which does nothing when it bites"),
    "share": Device("0000:00:0d.0", "0x1af4", "0x1009", "virtio-pci", "9p share that nobody mounts at boot"),
    "ciphers": Device("0000:00:0e.0", "0x1af4", "0x1054", "virtio-pci", "processor for ciphers"),
    "bridge": Device("0000:06:00.0", "0x1b36", "0x000e", "shpchp", "PCIe to PCI bridge, in one group with the pair"),
    "pair0": Device("0000:07:01.0", "0x8086", "0x100e", "e1000", "NIC behind the bridge"),
    "pair1": Device("0000:07:02.0", "0x8086", "0x100e", "e1000", "NIC behind the bridge"),
}

# Root port (QEMU id) -> its address and the bus below it. The last three are empty, for hot-plug.
ROOT_PORTS = {f"rp{n}": (f"0000:00:{0x0f + n:02x}.0", n) for n in range(1, 7)} | {
    f"rp{n}": (f"0000:00:{0x0f + n:02x}.0", n + 1) for n in range(7, 10)
}
SPARE_PORTS = ("rp7", "rp8", "rp9")

# Disk images by their QEMU name, and their sizes in MiB. "functions" is a namespace that no controller shows until it is
# attached to a VF of "sriov"; "stick" is for a USB stick to be plugged in.
DISKS = {"disk": 160, "functions": 16, "stick": 16}

SHARE_SLOTS = (0x04, 0x05, 0x06, 0x07, 0x08, 0x0F)

GUEST_ADDRESS = "10.0.2.15"
GUEST_PREFIX = 24
GUEST_GATEWAY = "10.0.2.2"
API_PORT = 8080


def device_arguments(images, api_port=None):
    """QEMU arguments for everything in DEVICES. `images`: folder with those of DISKS. `api_port`: the host's loopback
    port that reaches the guest's API."""
    forward = f",hostfwd=tcp:127.0.0.1:{api_port}-{GUEST_ADDRESS}:{API_PORT}" if api_port else ""
    arguments = [
        "-netdev", f"user,id=mgmt,restrict=on,ipv6=off{forward}",
        "-device", "VGA,addr=02.0,romfile=",
        "-device", "edu,addr=03.0",
        "-device", "qemu-xhci,id=usb,addr=09.0",
        "-audiodev", "none,id=silence",  # for a sound card to be plugged in
        "-chardev", "null,id=serial", "-device", "pci-serial,chardev=serial,addr=0a.0",
        "-chardev", "null,id=adapter",  # for a serial adapter to be plugged in
        "-device", "virtio-serial-pci,id=ports,addr=0b.0",
        "-chardev", "null,id=port", "-device", "virtserialport,bus=ports.0,chardev=port,name=org.example.port",
        "-device", "i6300esb,addr=0c.0", "-action", "watchdog=none",
        "-fsdev", f"local,id=spare,path={images / 'spare'},security_model=none",
        "-device", "virtio-9p-pci,fsdev=spare,mount_tag=spare,addr=0d.0",
        "-object", "cryptodev-backend-builtin,id=ciphers", "-device", "virtio-crypto-pci,cryptodev=ciphers,addr=0e.0",
    ]
    for slot, name in enumerate(ROOT_PORTS, start=1):
        arguments += ["-device", f"pcie-root-port,id={name},addr={0x0f + slot:x}.0,chassis={slot},slot={slot}"]
    for device in (
        "virtio-net-pci,id=mgmt,netdev=mgmt,bus=rp1,romfile=",
        "e1000e,id=nic0,bus=rp2,mac=52:54:00:00:02:00,romfile=",
        "e1000e,id=nic1,bus=rp3,mac=52:54:00:00:03:00,romfile=",
        "nvme,id=nvme,serial=devbindd-disk,drive=disk,bus=rp4",
        "nvme-subsys,id=subsystem",
        "nvme-subsys,id=spare",  # of a controller to be plugged in
        "nvme,id=sriov,serial=devbindd-sriov,subsys=subsystem,bus=rp5,"
        "sriov_max_vfs=8,sriov_vq_flexible=16,sriov_vi_flexible=8,max_ioqpairs=18,msix_qsize=16",
        "nvme-ns,drive=functions,bus=sriov,nsid=1,shared=on,detached=on",
        "pcie-pci-bridge,id=bridge,bus=rp6",
        "e1000,id=pair0,bus=bridge,addr=1,mac=52:54:00:00:07:01,romfile=",
        "e1000,id=pair1,bus=bridge,addr=2,mac=52:54:00:00:07:02,romfile=",
    ):
        arguments += ["-device", device]
    drives = []
    for name in DISKS:  # unlike -drive, these stay when the device that uses them is unplugged
        drives += ["-blockdev", f"driver=raw,node-name={name},file.driver=file,file.filename={images / name}"]
    return [*drives, *arguments]


def share_arguments(shares):
    """QEMU arguments for 9p shares: (tag, folder, writable), at the free slots of bus 00."""
    arguments = []
    for slot, (tag, folder, writable) in zip(SHARE_SLOTS, shares, strict=False):
        readonly = "off" if writable else "on"
        arguments += [
            "-fsdev", f"local,id={tag},path={folder},security_model=none,multidevs=remap,readonly={readonly}",
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag},addr={slot:02x}.0",
        ]
    return arguments


def qemu_command(bed, kernel, initrd, append, images, shares, console, qmp_socket, kvm=False, api_port=None, resets=False, cpus=1):
    """The whole command line of a bed (beds.py). Without `resets` a restart of the guest ends QEMU."""
    accelerator = ["-accel", "kvm", "-cpu", "host"] if kvm else ["-accel", "tcg,thread=multi", "-cpu", bed.processor]
    return [
        bed.emulator, "-nodefaults", "-no-user-config", "-display", "none", *([] if resets else ["-no-reboot"]),
        *bed.board(images), *accelerator, "-smp", str(cpus), "-m", "3G",
        "-kernel", str(kernel), "-initrd", str(initrd), "-append", append,
        *bed.iommu,
        "-serial", f"file:{console}",
        "-qmp", f"unix:{qmp_socket},server=on,wait=off",
        *device_arguments(images, api_port),
        *share_arguments(shares),
        *bed.more,
    ]
