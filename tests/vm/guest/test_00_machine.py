# SPDX-License-Identifier: Apache-2.0
"""The test machine itself is what the other tests take it for. Needs no daemon."""

import os
import pathlib
import unittest

import api
import machine

NEEDS_DAEMON = False
DEVICES = machine.DEVICES


class Devices(unittest.TestCase):
    """What is where."""

    def test_each_device_is_at_its_address(self):
        for name, device in DEVICES.items():
            with self.subTest(name):
                self.assertTrue(api.exists(device.bdf), f"nothing at {device.bdf}")
                found = (api.attribute(device.bdf, "vendor"), api.attribute(device.bdf, "device"))
                self.assertEqual(found, (device.vendor, device.device))

    def test_each_device_has_its_native_driver(self):
        for name, device in DEVICES.items():
            with self.subTest(name):
                available = device.driver and (api.PCI / "drivers" / device.driver).exists()
                self.assertEqual(api.driver_of(device.bdf), device.driver if available else None)
                if name in ("mgmt", "nic0", "nic1", "nvme", "sriov", "pair0", "pair1"):
                    self.assertIsNotNone(api.driver_of(device.bdf))

    def test_root_ports_lead_to_their_buses(self):
        for name, (bdf, bus) in machine.ROOT_PORTS.items():
            with self.subTest(name):
                self.assertEqual(api.driver_of(bdf), "pcieport")
                self.assertTrue((api.PCI / "devices" / bdf / f"pci_bus/0000:{bus:02x}").exists())

    def test_spare_ports_are_empty(self):
        for name in machine.SPARE_PORTS:
            bus = machine.ROOT_PORTS[name][1]
            self.assertEqual(list((api.PCI / "devices").glob(f"0000:{bus:02x}:*")), [])

    def test_sriov_controller_offers_functions(self):
        self.assertEqual(api.attribute(DEVICES["sriov"].bdf, "sriov_totalvfs"), "8")
        self.assertEqual(api.attribute(DEVICES["sriov"].bdf, "sriov_numvfs"), "0")


class Disk(unittest.TestCase):
    """As at boot: situations leave it blank."""

    FIRST = True

    def test_disk_carries_an_unmounted_filesystem(self):
        disk = next(pathlib.Path(f"/sys/bus/pci/devices/{DEVICES['nvme'].bdf}").glob("nvme/nvme*/nvme*n1")).name
        self.assertIn("ext4", api.sh("blkid", "-p", f"/dev/{disk}"))
        self.assertNotIn(disk, pathlib.Path("/proc/mounts").read_text())


class Iommu(unittest.TestCase):
    """Isolation is on, and groups are as on a server."""

    def test_every_device_has_a_group(self):
        for device in DEVICES.values():
            self.assertIsNotNone(api.iommu_group_of(device.bdf), device.bdf)

    def test_unit_is_there(self):
        self.assertIn("dmar0", os.listdir("/sys/class/iommu"))

    def test_devices_are_alone(self):
        for name in DEVICES.keys() - {"bridge", "pair0", "pair1"}:
            bdf = DEVICES[name].bdf
            self.assertEqual(api.group_members(api.iommu_group_of(bdf)), [bdf])

    def test_pair_shares_the_group_of_its_bridge(self):
        members = sorted(DEVICES[name].bdf for name in ("bridge", "pair0", "pair1"))
        self.assertEqual(api.group_members(api.iommu_group_of(DEVICES["pair0"].bdf)), members)


class System(unittest.TestCase):
    """The system around the devices."""

    def test_systemd_and_udev_run(self):
        self.assertEqual(pathlib.Path("/proc/1/comm").read_text().strip(), "systemd")
        self.assertEqual(api.sh("systemctl", "is-active", "systemd-udevd.service").strip(), "active")

    def test_management_interface_carries_the_default_route(self):
        interface = api.interfaces_of(DEVICES["mgmt"].bdf)[0]
        self.assertIn(f"dev {interface}", api.sh("ip", "route", "show", "default"))

    def test_other_interfaces_are_down(self):
        for name in ("nic0", "nic1", "pair0", "pair1"):
            interface = api.interfaces_of(DEVICES[name].bdf)[0]
            flags = int(pathlib.Path(f"/sys/class/net/{interface}/flags").read_text(), 16)
            self.assertFalse(flags & 1, f"{interface} is up")

    def test_root_can_be_written_and_shares_cannot(self):
        pathlib.Path("/etc/vm-test").write_text("x")
        with self.assertRaises(OSError):
            pathlib.Path("/mnt/src/vm-test").write_text("x")

    @api.timeout(120)
    def test_dpdk_devbind_lists_the_devices(self):
        status = api.sh("dpdk-devbind.py", "--status-dev", "net", timeout=110)
        for name in ("mgmt", "nic0", "nic1", "pair0", "pair1"):
            self.assertIn(DEVICES[name].bdf, status)


class Vfio(unittest.TestCase):
    """VFIO is not there at first, works, and leaves as it came. Order matters: the first test wants it untouched."""

    TOGETHER = FIRST = True

    def test_a_module_is_not_loaded_at_boot(self):
        if not (pathlib.Path("/lib/modules") / os.uname().release).exists():
            self.skipTest("this kernel has everything built in")
        self.assertFalse(pathlib.Path("/sys/bus/pci/drivers/vfio-pci").exists())

    def test_b_device_can_go_there_and_back(self):
        bdf = DEVICES["edu"].bdf
        device = api.PCI / "devices" / bdf
        group = pathlib.Path(f"/dev/vfio/{api.iommu_group_of(bdf)}")
        if not pathlib.Path("/sys/bus/pci/drivers/vfio-pci").exists():
            api.sh("modprobe", "vfio-pci")
        api.write_sysfs(device / "driver_override", "vfio-pci")
        api.write_sysfs(api.PCI / "drivers_probe", bdf)
        self.assertEqual((api.driver_of(bdf), api.override_of(bdf)), ("vfio-pci", "vfio-pci"))
        api.wait_for(group.exists, what=str(group))
        api.write_sysfs(device / "driver/unbind", bdf)
        api.write_sysfs(device / "driver_override", "\n")
        self.assertEqual((api.driver_of(bdf), api.override_of(bdf)), (None, None))
        self.assertFalse(group.exists())

    def test_c_module_can_be_unloaded_again(self):
        if not (pathlib.Path("/lib/modules") / os.uname().release).exists():
            self.skipTest("this kernel has everything built in")
        api.sh("modprobe", "-r", "vfio-pci", "vfio_iommu_type1")


class HotPlug(unittest.TestCase):
    """The host's QMP is within reach of a test."""

    @api.timeout(90)
    def test_device_comes_and_goes(self):
        port = machine.SPARE_PORTS[0]
        bdf = f"0000:{machine.ROOT_PORTS[port][1]:02x}:00.0"
        api.qmp("device_add", driver="e1000e", id="plugged", bus=port, romfile="")
        api.wait_for(lambda: api.driver_of(bdf) == "e1000e", 40, f"e1000e on {bdf}")
        api.unplug("plugged", bdf)
