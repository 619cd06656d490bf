# SPDX-License-Identifier: Apache-2.0
"""The table that the fake kernel of the unit tests is held to (tests/data/conformance.json), asked of a real kernel. Needs no daemon."""

import errno
import fcntl
import json
import os
import pathlib
import unittest

import api
import machine

NEEDS_DAEMON = False
TABLE = json.loads((pathlib.Path(__file__).resolve().parents[2] / "data/conformance.json").read_text())
DEVICES = TABLE["devices"]
NAMES = {"nic": "nic0", "twin": "nic1", "free": "edu", "pf": "sriov", "bridge": "bridge", "pair0": "pair0", "pair1": "pair1"}  # in machine.DEVICES
NATIVE = {"nic": "e1000e", "twin": "e1000e", "pf": "nvme", "port": "pcieport", "pair0": "e1000", "pair1": "e1000", "bridge": "shpchp"}
# linux/vfio.h
VFIO_SET_IOMMU, VFIO_GROUP_SET_CONTAINER, VFIO_GROUP_GET_DEVICE_FD, VFIO_TYPE1V2_IOMMU = 0x3B66, 0x3B68, 0x3B6A, 3


def code_of(action):
    """(what it returns, "") or (None, "EBUSY")."""
    try:
        return action(), ""
    except OSError as error:
        return None, errno.errorcode[error.errno]


def filled(text):
    for name, address in DEVICES.items():
        text = text.replace("{" + name + "}", address)
    return text


def open_device(bdf):
    """Descriptors through which the device is open."""
    container = os.open("/dev/vfio/vfio", os.O_RDWR)
    group = os.open(f"/dev/vfio/{api.iommu_group_of(bdf)}", os.O_RDWR)
    fcntl.ioctl(group, VFIO_GROUP_SET_CONTAINER, container.to_bytes(4, "little"))
    fcntl.ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1V2_IOMMU)
    device = fcntl.ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bytearray(bdf.encode() + b"\0"), True)  # only so it returns the number
    return [container, group, device]


@api.timeout(120)
class Conformance(unittest.TestCase):
    """One test for each scenario of the table (below)."""

    TOGETHER = True

    def setUp(self):
        self.opened = {}
        for module in ("vfio_iommu_type1", "vfio-pci", "e1000"):
            api.sh("modprobe", module, check=False)  # built in elsewhere
        self.addCleanup(self.bring_back)

    def bring_back(self):
        """Every device of the table as it was, also after a step that failed."""
        for bdf in list(self.opened):
            self.close(bdf)
        api.write_sysfs(api.PCI / "devices" / DEVICES["pf"] / "sriov_numvfs", "0")
        api.write_sysfs(api.PCI / "devices" / DEVICES["pf"] / "sriov_drivers_autoprobe", "1")
        for driver, ids in (("vfio-pci", ("1234 11e8", "12341234 11e8")), ("e1000", ("8086 10d3",))):
            for text in ids:
                while not code_of(lambda: api.write_sysfs(api.PCI / "drivers" / driver / "remove_id", text))[1]:
                    pass
        for name in ("free", *NATIVE):
            bdf = DEVICES[name]
            code_of(lambda: api.write_sysfs(api.PCI / "devices" / bdf / "driver_override", "\n"))
            if api.driver_of(bdf) != NATIVE.get(name):
                code_of(lambda: api.write_sysfs(api.PCI / "devices" / bdf / "driver/unbind", bdf))
                api.write_sysfs(api.PCI / "drivers_probe", bdf)
        self.assertEqual({name: api.driver_of(DEVICES[name]) for name in NATIVE}, NATIVE)

    def close(self, bdf):
        for descriptor in reversed(self.opened.pop(bdf)):
            os.close(descriptor)

    def step(self, step):
        if "write" in step:
            text = filled(step["value"]) * step.get("times", 1)
            got = code_of(lambda: api.write_sysfs(api.PCI / filled(step["write"]), text))[1]
            self.assertEqual(got, step.get("errno", ""), step)
        elif "read" in step:
            got = code_of((api.PCI / filled(step["read"])).read_text)
            self.assertEqual(got, (step.get("is"), step.get("errno", "")), step)
        elif "driver_of" in step:
            self.assertEqual(api.driver_of(filled(step["driver_of"])), step["is"], step)
        elif "open" in step:
            bdf = filled(step["open"])
            self.opened[bdf] = open_device(bdf)
        else:
            self.close(filled(step["close"]))

    def test_the_devices_are_those_of_the_machine(self):
        self.assertEqual({name: DEVICES[name] for name in NAMES}, {name: machine.DEVICES[other].bdf for name, other in NAMES.items()})
        self.assertIn(DEVICES["port"], [bdf for bdf, _ in machine.ROOT_PORTS.values()])


def case_of(scenario):
    def test(self):
        for step in scenario["steps"]:
            self.step(step)

    return test


for number, each in enumerate(TABLE["scenarios"]):
    setattr(Conformance, f"test_{number:02}_" + "_".join(each["name"].replace(",", "").split()), case_of(each))
