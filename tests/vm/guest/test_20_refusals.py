# SPDX-License-Identifier: Apache-2.0
"""What is refused, with exactly which answer, and that nothing was changed by it."""

import unittest

import api
import machine

NIC = machine.DEVICES["nic0"].bdf
MGMT = machine.DEVICES["mgmt"].bdf
BRIDGE = machine.DEVICES["bridge"].bdf
VFIO = {"driver": "vfio-pci"}


def put(bdf, body, query=""):
    return api.request("PUT", f"/v1/devices/{bdf}/binding{query}", body)


def codes(answer):
    return [item["code"] for item in answer.json["blockers"]]


class Refusals(unittest.TestCase):
    def setUp(self):
        self.before = {name: (api.driver_of(device.bdf), api.override_of(device.bdf)) for name, device in machine.DEVICES.items()}

    def tearDown(self):
        after = {name: (api.driver_of(device.bdf), api.override_of(device.bdf)) for name, device in machine.DEVICES.items()}
        self.assertEqual(after, self.before, "a refused request changed something")

    def test_a_bad_address_is_400(self):
        for address in ("02:00.0", "0000:02:00", "0000:02:00.8", "nonsense", "0000:02:20.0", "0000-02-00.0"):
            with self.subTest(address):
                answer = put(address, VFIO)
                self.assertEqual((answer.status, answer.json["code"]), (400, "invalid_address"))

    def test_an_absent_device_is_404(self):
        answer = put("0000:7f:00.0", VFIO)
        self.assertEqual((answer.status, answer.json["code"]), (404, "device_not_found"))

    def test_a_driver_that_does_not_exist(self):
        answer = put(NIC, {"driver": "nosuchdriver"})
        self.assertEqual((answer.status, answer.json["code"], codes(answer)), (409, "refused", ["driver.absent"]))
        self.assertFalse(answer.json["blockers"][0]["acceptable"])

    def test_a_blacklisted_driver(self):
        for line, advice in (("blacklist pci_stub", "Take the blacklist line out"), ("install pci-stub /bin/true", "--ignore-install pci_stub")):
            api.sh(f"mkdir -p /etc/modprobe.d; printf '#\\n{line}\\n' > /etc/modprobe.d/test.conf")
            self.addCleanup(api.sh, "rm -f /etc/modprobe.d/test.conf")
            api.sh("modprobe -r pci_stub")
            answer = put(NIC, {"driver": "pci-stub"})
            self.assertEqual((answer.status, codes(answer)), (409, ["driver.blacklisted"]))
            evidence = answer.json["blockers"][0]
            self.assertIn("(/etc/modprobe.d/test.conf line 2)", evidence["detail"])
            self.assertIn(advice, evidence["next_step"])

    def test_a_bridge(self):
        answer = put(BRIDGE, VFIO)
        self.assertEqual((answer.status, codes(answer)), (409, ["device.bridge"]))
        self.assertEqual(put(BRIDGE, VFIO | {"accept_risks": ["device.bridge"]}).status, 409)

    def test_the_device_with_the_default_route(self):
        answer = put(MGMT, VFIO)
        self.assertEqual((answer.status, codes(answer)), (409, ["net.default_route", "net.address"]))
        evidence = answer.json["blockers"][0]
        self.assertEqual(evidence["path"], api.interfaces_of(MGMT))
        self.assertTrue(evidence["acceptable"])
        allowed = put(MGMT, VFIO | {"accept_risks": ["net.default_route", "net.address"]}, "?dry_run=true")
        self.assertEqual(allowed.json["would"], "change")

    def test_the_default_route_on_a_vlan_of_the_device(self):
        nic = api.interfaces_of(NIC)[0]
        api.sh(f"ip link add link {nic} name vlan7 type vlan id 7 && ip link set {nic} up && ip link set vlan7 up && "
               "ip address add 10.7.0.1/24 dev vlan7 && ip route add default via 10.7.0.2 dev vlan7 metric 500")
        self.addCleanup(api.sh, f"ip link del vlan7; ip link set {nic} down")
        answer = put(NIC, VFIO)
        self.assertEqual((answer.status, codes(answer)), (409, ["net.default_route", "net.address"]))
        self.assertEqual(answer.json["blockers"][0]["path"], [nic, "vlan7"])

    def test_a_driver_that_does_not_list_the_device(self):
        answer = put(NIC, {"driver": "nvme"})
        self.assertEqual((answer.status, codes(answer)), (409, ["driver.no_match"]))

    def test_give_back_of_a_device_that_devbindd_did_not_bind(self):
        path = f"/sys/bus/pci/devices/{NIC}/driver_override"
        api.sh("modprobe vfio-pci || true")
        api.write_sysfs(path, "vfio-pci")
        api.write_sysfs("/sys/bus/pci/drivers/e1000e/unbind", NIC)
        api.write_sysfs("/sys/bus/pci/drivers/vfio-pci/bind", NIC)
        try:
            answer = api.request("DELETE", f"/v1/devices/{NIC}/binding")
            self.assertEqual((answer.status, answer.json["code"]), (409, "nothing_to_restore"))
            shown = api.request("GET", f"/v1/devices/{NIC}/binding").json
            self.assertEqual((shown["driver"], shown["driver_override_set_by"]), ("vfio-pci", "other"))
        finally:
            api.write_sysfs("/sys/bus/pci/drivers/vfio-pci/unbind", NIC)
            api.write_sysfs(path, "\n")
            api.write_sysfs("/sys/bus/pci/drivers/e1000e/bind", NIC)

    def test_a_typo_in_a_body_or_a_filter_is_named(self):
        answer = put(NIC, {"driver": "vfio-pci", "scop": "group"})
        self.assertEqual((answer.status, answer.json["errors"][0]["pointer"]), (400, "/scop"))
        answer = api.request("GET", "/v1/devices?drivr=e1000e")
        self.assertEqual((answer.status, answer.json["errors"][0]["pointer"]), (400, "?drivr"))

    def test_a_probe_that_fails_leaves_the_driver_and_says_why(self):
        # e1000 knows nothing of an 82574: its probe ends in EIO.
        answer = put(NIC, {"driver": "e1000", "accept_risks": ["driver.no_match"]})
        self.assertEqual((answer.status, answer.json["code"]), (409, "bind_failed"))
        self.assertEqual(answer.json["errno"], "EIO")
        self.assertTrue(answer.json["restored"])
        self.assertTrue(answer.json["meaning"])
        self.assertTrue(any("Unknown MAC Type" in line for line in answer.json["kernel_log"]), answer.json["kernel_log"])
        self.assertEqual((api.driver_of(NIC), api.override_of(NIC)), ("e1000e", None))
        operation = api.request("GET", answer.json["operation"]).json
        self.assertEqual(operation["state"], "failed")


class ThisUser(unittest.TestCase):
    def test_a_member_of_the_group_may_change_and_others_may_not_connect(self):
        group = int(api.sh("getent group devbindd").split(":")[2])
        with api.acting_as(65534, 65534, [group]):
            self.assertEqual(put(NIC, VFIO).status, 200)
            self.assertEqual(api.request("DELETE", f"/v1/devices/{NIC}/binding").status, 200)
        with api.acting_as(65534, 65534):
            with self.assertRaises(PermissionError):
                api.request("GET", "/v1/devices")
