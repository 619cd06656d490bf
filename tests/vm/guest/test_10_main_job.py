# SPDX-License-Identifier: Apache-2.0
"""The main job, by the API alone: see a NIC, hand it to vfio-pci, see it there, give it back."""

import os
import unittest

import api
import machine

NIC = machine.DEVICES["nic0"].bdf
PAIR = (machine.DEVICES["pair0"].bdf, machine.DEVICES["pair1"].bdf)
BRIDGE = machine.DEVICES["bridge"].bdf
VFIO = {"driver": "vfio-pci"}


def binding(bdf):
    return f"/v1/devices/{bdf}/binding"


def section_of(bdf):
    """The heading of dpdk-devbind's text below which the device stands."""
    heading = ""
    lines = api.request("GET", "/v1/devices", headers={"Accept": "text/plain"}).text.splitlines()
    for line, following in zip(lines, lines[1:] + [""]):
        if following.startswith("==="):
            heading = line
        if line.startswith(bdf):
            return heading
    return None


class Case(unittest.TestCase):
    """Leaves every device as it was."""

    devices = (NIC, *PAIR, BRIDGE)

    def setUp(self):
        self.before = {bdf: (api.driver_of(bdf), api.override_of(bdf), api.interfaces_of(bdf)) for bdf in self.devices}

    def tearDown(self):
        for bdf in self.devices:
            api.request("DELETE", binding(bdf))

    def assert_restored(self):
        api.sh("udevadm", "settle", "--timeout=30")
        for bdf, (driver, override, interfaces) in self.before.items():
            with self.subTest(bdf):
                self.assertEqual(api.driver_of(bdf), driver)
                self.assertEqual(api.override_of(bdf), override)
                self.assertEqual(len(api.interfaces_of(bdf)), len(interfaces))

    def assert_on_vfio(self, answer, bdf):
        self.assertEqual(answer.status, 200, answer)
        group = api.iommu_group_of(bdf)
        self.assertEqual(answer.json["driver"], "vfio-pci")
        self.assertEqual(answer.json["iommu_group"], group)
        self.assertEqual(answer.json["nodes"]["group"]["path"], f"/dev/vfio/{group}")
        self.assertTrue(answer.json["changed"])
        self.assertEqual(api.driver_of(bdf), "vfio-pci")
        api.sh("test", "-c", f"/dev/vfio/{group}")
        if os.path.exists("/dev/vfio/devices"):
            cdev = answer.json["nodes"]["device"]["path"]
            self.assertTrue(cdev.startswith("/dev/vfio/devices/vfio"))
            api.sh("test", "-c", cdev)


@api.by_vfio
class SeveralGroups(Case):
    """POST /v1/bindings: all or nothing."""

    together = [VFIO | {"device": NIC}, VFIO | {"device": PAIR[0], "scope": "group"}]
    back = [{"device": NIC, "restore": True}, {"device": PAIR[1], "restore": True, "scope": "group"}]

    def change(self, items, query=""):
        return api.request("POST", "/v1/bindings" + query, {"items": items})

    def test_two_groups_go_to_vfio_and_come_back(self):
        answer = self.change(self.together)
        self.assertEqual((answer.status, answer.json["changed"]), (200, True), answer)
        for bdf in (NIC, *PAIR):
            self.assertEqual(api.driver_of(bdf), "vfio-pci")
            api.sh("test", "-c", f"/dev/vfio/{api.iommu_group_of(bdf)}")
        self.assertTrue(api.request("GET", f"/v1/iommu-groups/{api.iommu_group_of(PAIR[0])}").json["viable"])
        self.assertFalse(self.change(self.together).json["changed"])
        answer = self.change(self.back)
        self.assertEqual((answer.status, answer.json["changed"]), (200, True), answer)
        self.assert_restored()

    def test_when_the_kernel_refuses_the_last_device_none_is_changed(self):
        edu = machine.DEVICES["edu"].bdf
        items = self.together + [{"device": edu, "driver": "e1000e"}]
        answer = api.request("POST", "/v1/bindings", {"items": items, "accept_risks": ["driver.no_match"]})
        self.assertEqual((answer.status, answer.json["code"]), (409, "bind_failed"), answer)
        self.assertTrue(answer.json["restored"], answer)
        self.assertEqual(answer.json["step"]["device"], edu)
        self.assertIsNone(api.driver_of(edu))
        self.assert_restored()

    def test_when_one_device_is_in_use_nothing_is_written(self):
        management = machine.DEVICES["mgmt"].bdf
        answer = self.change(self.together + [VFIO | {"device": management}])
        self.assertEqual((answer.status, answer.json["code"]), (409, "refused"), answer)
        self.assertIn("net.default_route", [item["code"] for item in answer.json["blockers"]])
        self.assert_restored()


@api.by_vfio
class OneDevice(Case):
    def test_a_nic_goes_to_vfio_and_comes_back(self):
        self.assertEqual(api.request("GET", f"/v1/devices/{NIC}").json["driver"], "e1000e")
        self.assertEqual(section_of(NIC), "Network devices using kernel driver")
        self.assert_on_vfio(api.request("PUT", binding(NIC), VFIO), NIC)
        self.assertEqual(section_of(NIC), "Network devices using DPDK-compatible driver")
        self.assertEqual(api.override_of(NIC), "vfio-pci")
        back = api.request("DELETE", binding(NIC))
        self.assertEqual(back.status, 200, back)
        self.assertEqual(back.json["driver"], "e1000e")
        self.assertIsNone(back.json["original"])
        self.assert_restored()
        self.assertEqual(section_of(NIC), "Network devices using kernel driver")

    def test_the_same_by_new_id_leaves_no_id_behind(self):
        self.assert_on_vfio(api.request("PUT", binding(NIC), VFIO | {"method": "new_id"}), NIC)
        self.assertIsNone(api.override_of(NIC))
        api.request("DELETE", binding(NIC))
        self.assert_restored()
        # An ID that had stayed would make the second remove_id succeed.
        with self.assertRaises(OSError):
            api.write_sysfs("/sys/bus/pci/drivers/vfio-pci/remove_id", "8086 10d3")

    def test_new_id_names_the_twin_that_it_would_capture(self):
        twin = machine.DEVICES["nic1"].bdf
        self.assertEqual(api.request("PUT", binding(twin), {"driver": None}).status, 200)
        try:
            refused = api.request("PUT", binding(NIC), VFIO | {"method": "new_id"})
            self.assertEqual(refused.status, 409)
            self.assertEqual([item["code"] for item in refused.json["blockers"]], ["driver.id_captures"])
            self.assertIn(twin, refused.json["blockers"][0]["detail"])
        finally:
            self.assertEqual(api.request("DELETE", binding(twin)).json["driver"], "e1000e")

    def test_asking_twice_changes_nothing_the_second_time(self):
        self.assert_on_vfio(api.request("PUT", binding(NIC), VFIO), NIC)
        again = api.request("PUT", binding(NIC), VFIO)
        self.assertEqual((again.status, again.json["changed"], again.json["operation"]), (200, False, None))

    def test_null_unbinds_and_delete_binds_again(self):
        answer = api.request("PUT", binding(NIC), {"driver": None})
        self.assertEqual((answer.status, answer.json["driver"]), (200, None))
        self.assertIsNone(api.driver_of(NIC))
        self.assertEqual(api.request("DELETE", binding(NIC)).json["driver"], "e1000e")
        self.assert_restored()

    def test_an_override_of_the_administrator_is_put_back(self):
        path = f"/sys/bus/pci/devices/{NIC}/driver_override"
        api.write_sysfs(path, "e1000e")
        try:
            self.assert_on_vfio(api.request("PUT", binding(NIC), VFIO), NIC)
            api.request("DELETE", binding(NIC))
            self.assertEqual((api.driver_of(NIC), api.override_of(NIC)), ("e1000e", "e1000e"))
        finally:
            api.write_sysfs(path, "\n")

    def test_a_dry_run_shows_the_writes_and_makes_none(self):
        answer = api.request("PUT", binding(NIC) + "?dry_run=true", VFIO)
        self.assertEqual((answer.status, answer.json["would"]), (200, "change"))
        steps = [(step["action"], step["path"], step["value"]) for step in answer.json["steps"] if step["device"]]
        device, drivers = f"/sys/bus/pci/devices/{NIC}", "/sys/bus/pci/drivers"
        self.assertEqual(steps, [
            ("set_override", f"{device}/driver_override", "vfio-pci"),
            ("unbind", f"{drivers}/e1000e/unbind", NIC),
            ("bind", f"{drivers}/vfio-pci/bind", NIC),
        ])
        self.assert_restored()

    def test_the_operation_tells_its_steps(self):
        answer = api.request("PUT", binding(NIC), VFIO)
        operation = api.request("GET", answer.json["operation"]).json
        self.assertEqual(operation["state"], "succeeded")
        states = {step["state"] for step in operation["steps"]}
        self.assertEqual(states, {"done"}, operation["steps"])
        listed = api.request("GET", "/v1/operations?state=succeeded").json["items"]
        self.assertIn(operation["id"], [item["id"] for item in listed])

    def test_respond_async_answers_at_once_with_the_operation(self):
        answer = api.request("PUT", binding(NIC), VFIO, headers={"Prefer": "respond-async"})
        self.assertEqual(answer.status, 202, answer)
        api.wait_for(lambda: api.request("GET", answer.headers["location"]).json["state"] == "succeeded", 30)
        self.assertEqual(api.driver_of(NIC), "vfio-pci")


@api.by_vfio
class Group(Case):
    def test_a_group_behind_a_bridge_moves_whole_and_is_usable(self):
        # A hotplug driver on the bridge would keep the group from being viable: the bridge is freed of it.
        changed = {*PAIR, BRIDGE} if api.driver_of(BRIDGE) == "shpchp" else {*PAIR}
        answer = api.request("PUT", binding(PAIR[0]), VFIO | {"scope": "group"})
        self.assert_on_vfio(answer, PAIR[0])
        self.assertEqual({item["address"] for item in answer.json["devices"]}, changed)
        self.assertEqual([api.driver_of(bdf) for bdf in PAIR], ["vfio-pci", "vfio-pci"])
        number = api.iommu_group_of(PAIR[0])
        group = api.request("GET", f"/v1/iommu-groups/{number}").json
        self.assertEqual((group["viable"], group["blockers"]), (True, []), group)
        # The kernel agrees: SET_CONTAINER of a group that is not viable is EPERM.
        held = api.sh(f"{api.HOLD_VFIO} {number} {PAIR[1]} </dev/null")
        self.assertEqual(held.split(), ["viable=1", "open"])
        self.assertEqual(api.request("DELETE", binding(PAIR[1])).status, 200)
        self.assert_restored()

    def test_one_device_of_a_group_is_bound_with_a_warning(self):
        answer = api.request("PUT", binding(PAIR[0]) + "?dry_run=true", VFIO)
        self.assertEqual(answer.json["would"], "change")
        warned = {item["device"] for item in answer.json["evidence"] if item["code"] == "group.not_viable"}
        self.assertIn(PAIR[1], warned)
        self.assert_on_vfio(api.request("PUT", binding(PAIR[0]), VFIO), PAIR[0])
        group = api.request("GET", f"/v1/iommu-groups/{api.iommu_group_of(PAIR[0])}").json
        self.assertFalse(group["viable"])
        self.assertIn(PAIR[1], [item["address"] for item in group["blockers"]])
        self.assertEqual(api.request("DELETE", binding(PAIR[0])).status, 200)
        self.assert_restored()


@api.by_vfio
class RawSteps(Case):
    def test_the_manual_procedure_works_step_by_step(self):
        self.assertEqual(api.request("PUT", binding(NIC), {"driver": None}).status, 200)
        added = api.request("POST", "/v1/drivers/vfio-pci/ids", {"vendor": "8086", "device": "10d3"}, timeout=60)
        self.assertEqual(added.status, 200, added)
        self.assertIn(NIC, added.json["devices"])
        removed = api.request("DELETE", "/v1/drivers/vfio-pci/ids?vendor=8086&device=10d3")
        self.assertEqual(removed.status, 200, removed)
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        self.assertEqual(api.request("DELETE", binding(NIC)).json["driver"], "e1000e")
        self.assert_restored()

    def test_an_override_is_set_shown_and_cleared(self):
        answer = api.request("PUT", f"/v1/devices/{NIC}/driver-override", {"driver": "vfio-pci"})
        self.assertEqual((answer.status, answer.json["driver_override"]), (200, "vfio-pci"))
        self.assertEqual(api.override_of(NIC), "vfio-pci")
        self.assertEqual(answer.json["driver_override_set_by"], "devbindd")
        self.assertEqual(api.driver_of(NIC), "e1000e")
        cleared = api.request("DELETE", f"/v1/devices/{NIC}/driver-override")
        self.assertEqual((cleared.status, api.override_of(NIC)), (200, None))
