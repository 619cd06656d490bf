# SPDX-License-Identifier: Apache-2.0
"""A machine whose IOMMU is off: what cannot work is refused with the reason."""

import unittest

import api
import machine

IOMMU = "off"
NIC = machine.DEVICES["nic0"].bdf


class WithoutIommu(unittest.TestCase):
    def test_there_are_no_groups(self):
        self.assertEqual(api.request("GET", "/v1/iommu-groups").json["items"], [])
        self.assertIsNone(api.request("GET", f"/v1/devices/{NIC}").json["iommu_group"])

    def test_a_bind_to_vfio_is_refused_and_the_nic_stays(self):
        answer = api.request("PUT", f"/v1/devices/{NIC}/binding", {"driver": "vfio-pci"})
        self.assertEqual((answer.status, answer.json["code"]), (409, "refused"))
        evidence = answer.json["blockers"]
        self.assertEqual([item["code"] for item in evidence], ["iommu.absent"])
        self.assertFalse(evidence[0]["acceptable"])
        self.assertIn("intel_iommu=on", evidence[0]["next_step"])
        self.assertEqual((api.driver_of(NIC), api.override_of(NIC)), ("e1000e", None))
