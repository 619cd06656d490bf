# SPDX-License-Identifier: Apache-2.0
"""Devices in other places than a root port of the first bus: behind another host bridge, below a switch, functions of one card, with
I/O ports. What makes them a group is named, and the group goes to VFIO and back."""

import pathlib
import unittest

import api
import test_12_each_bed as each
import test_80_regions as regions

IOMMU = ("topology", "arm-topology")


def nic(number):
    """The address of the NIC whose MAC address ends so."""
    for path in pathlib.Path("/sys/class/net").iterdir():
        if (path / "address").read_text().strip() == f"52:54:00:00:{number}":
            return (path / "device").resolve().name
    raise AssertionError(f"no NIC {number}")


@api.timeout(240)
class Places(unittest.TestCase):
    def taken(self, bdf, **more):
        """Binds it to vfio-pci until the test ends; the group's number."""
        before = {member: api.driver_of(member) for member in api.group_members(api.iommu_group_of(bdf))}

        def given_back():
            self.assertEqual(api.request("DELETE", each.binding(bdf), timeout=90).status, 200)
            self.assertEqual({member: api.driver_of(member) for member in before}, before)

        answer = each.bind(bdf, **more)
        self.assertEqual(answer.status, 200, answer)
        self.addCleanup(given_back)
        return api.iommu_group_of(bdf)

    def assert_one_group(self, first, second, kinds):
        group = each.get(f"/v1/iommu-groups/{api.iommu_group_of(first)}")
        self.assertLessEqual({first, second}, {member["address"] for member in group["members"]})
        told = {merge["kind"] for merge in group["merged_by"]}
        self.assertTrue(told and told <= kinds, group["merged_by"])
        merged = {member for merge in group["merged_by"] for member in merge["members"]}
        self.assertLessEqual({first, second}, merged)
        number = self.taken(first, scope="group")
        self.assertEqual([api.driver_of(bdf) for bdf in (first, second)], ["vfio-pci"] * 2)
        self.assertTrue(each.get(f"/v1/iommu-groups/{number}")["viable"])
        self.assertEqual(api.sh(f"{api.HOLD_VFIO} {number} {second} </dev/null").split(), ["viable=1", "open"])

    def test_behind_another_host_bridge(self):
        bdf = nic("40:00")
        self.assertGreater(int(bdf[5:7], 16), 0x40)
        self.assertEqual(each.get(f"/v1/devices/{bdf}")["upstream"], [(api.PCI / "devices" / bdf).resolve().parent.name])
        self.taken(bdf)

    def test_below_a_switch_without_access_control(self):
        self.assert_one_group(nic("50:00"), nic("50:01"), {"bridge_without_acs"})

    def test_functions_of_one_card(self):
        self.assert_one_group(nic("60:00"), nic("60:01"), {"functions_without_acs", "bridge_without_acs"})

    def test_a_device_with_io_ports(self):
        bdf = nic("70:00")
        shown = each.get(f"/v1/devices/{bdf}")
        lines = [[int(word, 16) for word in line.split()] for line in (api.PCI / "devices" / bdf / "resource").read_text().splitlines()]
        ports = [index for index, (_, _, flags) in enumerate(lines[:6]) if flags & 0x100]  # IORESOURCE_IO
        self.assertTrue(ports)
        self.assertEqual([bar["index"] for bar in shown["bars"] if bar["type"] == "io"], ports, shown["bars"])
        self.taken(bdf)
        told = {region["index"]: region["size"] for region in each.get(f"/v1/devices/{bdf}/regions")["regions"]}
        probed = regions.ask_probe(bdf, {})
        self.assertEqual(probed.status, 200, probed)
        for region in probed.json["regions"]:
            if region["index"] in ports:
                self.assertEqual(told[region["index"]], region["size"], region)
