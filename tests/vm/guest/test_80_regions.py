# SPDX-License-Identifier: Apache-2.0
"""Regions and IRQs: the active probe says what an independent program says, and the passive answer says the same without
opening the device, except where it cannot know (EXCEPTIONS)."""

import os
import unittest

import api
import machine

PROBED = ("nic0", "nvme", "sriov", "edu", "pair0")
VFIO = {"driver": "vfio-pci", "scope": "group"}
FACTS = "/usr/libexec/devbindd-tests/vfio_facts"


def witness(bdf):
    """What vfio_facts prints, as lists of words by their first."""
    lines = api.sh(FACTS, str(api.iommu_group_of(bdf)), bdf).splitlines()
    facts = {}
    for line in lines:
        kind, *numbers = line.split()
        facts.setdefault(kind, []).append(numbers)
    return facts


def as_numbers(text):
    return int(text, 16) if isinstance(text, str) else text


def create_vfs(test, count):
    """The addresses of new virtual functions that no driver takes; they go with the test."""
    controller = api.PCI / "devices" / machine.DEVICES["sriov"].bdf
    test.addCleanup(api.write_sysfs, controller / "sriov_drivers_autoprobe", "1")
    api.write_sysfs(controller / "sriov_drivers_autoprobe", "0")
    test.addCleanup(api.write_sysfs, controller / "sriov_numvfs", "0")
    api.write_sysfs(controller / "sriov_numvfs", str(count))
    return [(controller / f"virtfn{index}").resolve().name for index in range(count)]


def ask_probe(bdf, body):
    return api.request("POST", f"/v1/devices/{bdf}/probe", body, timeout=60)


class OnVfio(unittest.TestCase):
    def bind(self, name):
        bdf = machine.DEVICES[name].bdf if name in machine.DEVICES else name
        answer = api.request("PUT", f"/v1/devices/{bdf}/binding", VFIO, timeout=60)
        self.assertEqual(answer.status, 200, answer)
        self.addCleanup(api.request, "DELETE", f"/v1/devices/{bdf}/binding", timeout=60)
        return bdf

    def probe(self, bdf, way="auto"):
        answer = ask_probe(bdf, {"way": way})
        self.assertEqual(answer.status, 200, answer)
        return answer.json


@api.by_vfio
@api.timeout(120)
class ActiveProbe(OnVfio):
    def assert_equal_to_the_witness(self, name):
        bdf = self.bind(name)
        facts = witness(bdf)
        answer = self.probe(bdf, "group")
        regions = []
        for region in answer["regions"]:
            if region["errno"]:
                regions.append([str(region["index"]), "errno"])
            else:
                regions.append([str(region["index"]), str(as_numbers(region["flags_value"])), str(region["size"]), str(as_numbers(region["offset"]))])
        self.assertEqual(regions, [words[:2] if words[1] == "errno" else words for words in facts["region"]])
        capabilities = [[str(region["index"]), str(capability["id"]), str(capability["version"])]
                        for region in answer["regions"] for capability in region["capabilities"]]
        self.assertEqual(capabilities, facts.get("cap", []))
        irqs = [[str(irq["index"]), "errno"] if irq["errno"] else [str(irq["index"]), str(as_numbers(irq["flags_value"])), str(irq["count"])]
                for irq in answer["irqs"]]
        self.assertEqual(irqs, [words[:2] if words[1] == "errno" else words for words in facts["irq"]])
        probe = answer["probe"]
        self.assertEqual([str(as_numbers(probe["device_flags_value"])), str(probe["region_count"]), str(probe["irq_count"])], facts["device"][0])
        reset = facts["reset"][0][0] == "errno"
        self.assertEqual(probe["hot_reset"]["errno"] is not None, reset)
        if not reset:
            expected = {f"{int(segment):04x}:{int(bus):02x}:{int(devfn) >> 3:02x}.{int(devfn) & 7}" for _, segment, bus, devfn in facts["reset"]}
            self.assertEqual({device["address"] for device in probe["hot_reset"]["devices"]}, expected)

    def test_a_nic(self):
        self.assert_equal_to_the_witness("nic0")

    def test_an_nvme(self):
        self.assert_equal_to_the_witness("nvme")

    def test_an_sriov_function(self):
        self.assert_equal_to_the_witness("sriov")

    def test_a_virtual_function(self):
        self.assert_equal_to_the_witness(create_vfs(self, 2)[1])

    def test_the_edu_device(self):
        self.assert_equal_to_the_witness("edu")

    def test_a_nic_behind_a_bridge_names_its_reset_neighbours(self):
        self.assert_equal_to_the_witness("pair0")

    def test_by_the_device_node_where_the_kernel_has_it(self):
        bdf = self.bind("nic0")
        if os.path.exists("/dev/vfio/devices"):
            by_group, by_node = self.probe(bdf, "group"), self.probe(bdf, "cdev")
            self.assertEqual(by_node["way"], "cdev")
            self.assertEqual(by_node["regions"], by_group["regions"])
        else:
            answer = ask_probe(bdf, {"way": "cdev"})
            self.assertEqual((answer.status, answer.json["code"]), (409, "not_bound_to_vfio"))

    def test_the_container_tells_page_sizes_and_addresses(self):
        bdf = self.bind("nic0")
        iommu = self.probe(bdf, "group")["probe"]["iommu"]
        self.assertIn("0x1000", iommu["page_sizes"])
        self.assertTrue(iommu["iova_ranges"])
        # The MSI window of x86 is never usable.
        for window in iommu["iova_ranges"]:
            self.assertFalse(int(window["start"], 16) <= 0xfee00000 <= int(window["end"], 16))


@api.by_vfio
@api.timeout(120)
class PassiveAnswer(OnVfio):
    def assert_equal_to_the_probe(self, name):
        bdf = self.bind(name)
        passive = api.request("GET", f"/v1/devices/{bdf}/regions").json
        self.assertEqual((passive["source"], passive["complete"]), ("sysfs", True), passive["missing"])
        active = self.probe(bdf)
        for ours, kernels in zip(passive["regions"], active["regions"], strict=True):
            with self.subTest(f"{name} region {ours['name']}"):
                if ours["name"] == "rom" and kernels["size"] == 0:
                    continue  # exception: VFIO leaves out a ROM without valid content, which only reading it tells
                if ours["name"] == "vga":
                    continue  # exception: depends on the kernel's build (CONFIG_VFIO_PCI_VGA)
                if ours["size"] and ours["size"] < 4096:
                    kernels["flags"] = [flag for flag in kernels["flags"] if flag != "mmap"]  # exception: sub-page BARs
                    self.assertEqual(ours["flags"], kernels["flags"])
                    continue
                self.assertEqual((ours["size"], ours["offset"], ours["flags"]), (kernels["size"], kernels["offset"], kernels["flags"]))
                self.assertEqual([item["id"] for item in ours["capabilities"]], [item["id"] for item in kernels["capabilities"]])
        passive_irqs = api.request("GET", f"/v1/devices/{bdf}/irqs").json["irqs"]
        for ours, kernels in zip(passive_irqs, active["irqs"], strict=True):
            with self.subTest(f"{name} irq {ours['name']}"):
                if ours["name"] == "err":
                    continue  # exception: newer kernels report it for every device
                self.assertEqual(ours["count"], kernels["count"])
                if ours["name"] == "msix":
                    continue  # exception: since 6.5 vectors can be added later, and the NORESIZE flag is gone
                self.assertEqual(ours["flags"], kernels["flags"])

    def test_a_nic(self):
        self.assert_equal_to_the_probe("nic0")

    def test_an_nvme(self):
        self.assert_equal_to_the_probe("nvme")

    def test_a_virtual_function(self):
        self.assert_equal_to_the_probe(create_vfs(self, 2)[1])

    def test_the_edu_device(self):
        self.assert_equal_to_the_probe("edu")

    def test_a_nic_behind_a_bridge(self):
        self.assert_equal_to_the_probe("pair0")

    def test_it_changes_nothing(self):
        bdf = machine.DEVICES["nic1"].bdf
        state = lambda: [api.attribute(bdf, name) for name in ("enable", "power_state", "power/runtime_status")] + [api.driver_of(bdf)]  # noqa: E731
        before = state()
        for part in ("regions", "irqs", "config"):
            self.assertEqual(api.request("GET", f"/v1/devices/{bdf}/{part}").status, 200)
        self.assertEqual(state(), before)


@api.by_vfio
@api.timeout(120)
class Refusals(OnVfio):
    def test_a_device_on_its_kernel_driver_is_not_probed(self):
        answer = ask_probe(machine.DEVICES["nic1"].bdf, {})
        self.assertEqual((answer.status, answer.json["code"]), (409, "not_bound_to_vfio"))

    def test_a_device_that_is_open_is_not_probed(self):
        bdf = self.bind("nic0")
        holder = api.Holder(bdf)
        try:
            answer = ask_probe(bdf, {})
            self.assertEqual((answer.status, answer.json["code"]), (409, "device_open"))
        finally:
            holder.release()

    def test_a_group_that_is_not_viable_is_not_probed(self):
        bdf = machine.DEVICES["pair0"].bdf
        self.assertEqual(api.request("PUT", f"/v1/devices/{bdf}/binding", {"driver": "vfio-pci"}).status, 200)
        self.addCleanup(api.request, "DELETE", f"/v1/devices/{bdf}/binding")
        answer = ask_probe(bdf, {})
        self.assertEqual((answer.status, answer.json["code"]), (409, "group_not_viable"))
        self.assertIn(machine.DEVICES["pair1"].bdf, [item["address"] for item in answer.json["group_blockers"]])
