# SPDX-License-Identifier: Apache-2.0
"""PUT /v1/devices/{bdf}/sriov on the real kernel: no driver of the host ever sees VFs that are meant for VFIO."""

import json
import os
import pathlib
import select
import socket
import time
import unittest

import api
import machine

PF = machine.DEVICES["sriov"].bdf
SRIOV = f"/v1/devices/{PF}/sriov"
VFIO = {"driver": "vfio-pci"}
TOKEN = "3f8e1c52-9d0b-4b7e-a0a6-1c2d3e4f5a6b"
ENABLE_SRIOV = "/sys/module/vfio_pci/parameters/enable_sriov"


def function(index):
    """The address of a VF: they follow the PF."""
    return f"{PF[:-4]}{(index + 1) >> 3:02x}.{(index + 1) & 7}"


class Uevents:
    """What the kernel announces while it is entered: (action, devpath, driver)."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15)  # NETLINK_KOBJECT_UEVENT
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((0, 1))
        self.seen = []
        return self

    def __exit__(self, *_):
        while select.select([self.socket], [], [], 1)[0]:
            fields = self.socket.recv(65536).decode(errors="replace").split("\0")
            keys = dict(field.split("=", 1) for field in fields[1:] if "=" in field)
            self.seen.append((keys.get("ACTION"), keys.get("DEVPATH", ""), keys.get("SUBSYSTEM"), keys.get("DRIVER")))
        self.socket.close()

    def of_functions(self, count):
        names = [function(index) for index in range(count)]
        return [event for event in self.seen if any(f"/{name}/" in event[1] + "/" for name in names)]


def put(body, status=200, query=""):
    answer = api.request("PUT", SRIOV + query, body, timeout=60)
    assert answer.status == status, answer
    return answer.json


def counted():
    return len(list((api.PCI / "devices" / PF).glob("virtfn*")))


def codes(problem):
    return [item["code"] for item in problem["blockers"]]


@api.timeout(150)
class Functions(unittest.TestCase):
    def setUp(self):
        self.assertEqual((counted(), api.driver_of(PF), api.attribute(PF, "sriov_drivers_autoprobe")), (0, "nvme", "1"))
        self.addCleanup(self.tidy)

    def tidy(self):
        api.start_daemon_again()
        put({"vfs": 0, "drivers_autoprobe": True})
        if api.driver_of(PF) != "nvme":
            api.request("DELETE", f"/v1/devices/{PF}/binding", timeout=60)
        self.assertEqual(api.driver_of(PF), "nvme")

    def test_eight_go_straight_to_vfio(self):
        with Uevents() as uevents:
            made = put(VFIO | {"vfs": 8})
        self.assertEqual([(item["index"], item["address"], item["driver"]) for item in made["vfs"]],
                         [(index, function(index), "vfio-pci") for index in range(8)])
        for index in range(8):
            self.assertEqual((api.driver_of(function(index)), api.override_of(function(index))), ("vfio-pci", "vfio-pci"))
            self.assertTrue(os.path.exists(f"/dev/vfio/{api.iommu_group_of(function(index))}"))
        self.assertEqual(api.attribute(PF, "sriov_drivers_autoprobe"), "1")
        events = uevents.of_functions(8)
        self.assertEqual(len([event for event in events if event[0] == "add" and event[2] == "pci"]), 8, events)
        self.assertEqual({event[3] for event in events if event[0] == "bind"}, {"vfio-pci"}, events)
        self.assertEqual({event[2] for event in events} - {"pci", "vfio", "vfio-dev", "iommu"}, set(), events)
        groups = [api.iommu_group_of(function(index)) for index in range(8)]
        gone = put({"vfs": 0})
        self.assertEqual((gone["vfs"], counted(), gone["changed"]), ([], 0, True))
        self.assertFalse([group for group in groups if os.path.exists(f"/dev/vfio/{group}")])
        self.assertEqual(api.attribute(PF, "sriov_drivers_autoprobe"), "1")

    def test_left_to_the_kernel_the_driver_of_the_host_takes_them(self):
        """What the test above would see if it were done otherwise."""
        with Uevents() as uevents:
            put({"vfs": 1})
        events = uevents.of_functions(1)
        self.assertIn("nvme", {event[3] for event in events if event[0] == "bind"}, events)
        self.assertIn("nvme", {event[2] for event in events}, events)

    def test_none_is_none(self):
        made = put({"vfs": 2, "driver": None})
        self.assertEqual([item["driver"] for item in made["vfs"]], [None, None])
        self.assertEqual(api.attribute(PF, "sriov_drivers_autoprobe"), "0")  # a module that comes later would take them
        bound = put(VFIO | {"vfs": 2})
        self.assertEqual(([item["driver"] for item in bound["vfs"]], bound["changed"]), (["vfio-pci"] * 2, True))
        self.assertFalse(put(VFIO | {"vfs": 2})["changed"])

    def test_another_number_goes_by_way_of_none(self):
        put(VFIO | {"vfs": 2})
        with Uevents() as uevents:
            made = put(VFIO | {"vfs": 3})
        self.assertEqual([item["driver"] for item in made["vfs"]], ["vfio-pci"] * 3)
        events = uevents.of_functions(3)
        self.assertEqual(len([event for event in events if event[0] == "remove" and event[2] == "pci"]), 2, events)
        self.assertEqual({event[3] for event in events if event[0] == "bind"}, {"vfio-pci"}, events)
        self.assertEqual(counted(), 3)

    def test_one_that_is_open_keeps_them_all(self):
        put(VFIO | {"vfs": 2})
        holder = api.Holder(function(1))
        self.addCleanup(holder.release)
        for count in (0, 1, 3):
            started = time.monotonic()
            problem = put(VFIO | {"vfs": count, "accept_risks": ["vfio.open"]}, 409)
            self.assertEqual(codes(problem), ["sriov.vf_in_use"], problem)
            self.assertEqual(problem["blockers"][0]["path"], [function(1)])
            self.assertIn(holder.pid, [process["pid"] for process in problem["blockers"][0]["processes"]])
            self.assertLess(time.monotonic() - started, 30 * api.PACE)
        self.assertEqual(counted(), 2)
        holder.release()
        put({"vfs": 0})
        self.assertEqual(counted(), 0)

    def test_one_that_is_claimed_keeps_them_all(self):
        put(VFIO | {"vfs": 2})
        made = api.request("POST", "/v1/claims", {"selector": {"physfn": PF, "count": 2}}).json
        self.assertEqual(sorted(item["address"] for item in made["devices"]), [function(0), function(1)], made)
        problem = put({"vfs": 0}, 409)
        self.assertIn("claim.held", codes(problem))
        self.assertFalse(put(VFIO | {"vfs": 2})["changed"])
        api.request("DELETE", f"/v1/claims/{made['id']}")
        api.wait_for(lambda: api.request("GET", f"/v1/claims/{made['id']}").json["state"] == "released", 30, "the release")
        self.assertEqual([item["driver"] for item in api.request("GET", SRIOV).json["vfs"]], ["vfio-pci"] * 2)
        put({"vfs": 0})

    def test_what_cannot_be_is_refused_before_anything_is_written(self):
        self.assertEqual(codes(put({"vfs": 9}, 409)), ["sriov.too_many"])
        nic = api.request("PUT", f"/v1/devices/{machine.DEVICES['nic0'].bdf}/sriov", {"vfs": 1})
        self.assertEqual((nic.status, codes(nic.json)), (409, ["sriov.absent"]))
        self.assertEqual(codes(put({"vfs": 1, "driver": "nonsense"}, 409)), ["driver.absent"])
        plan = put(VFIO | {"vfs": 2}, query="?dry_run=true")
        self.assertEqual([step["action"] for step in plan["steps"]],
                         ["set_autoprobe", "set_numvfs"] + ["set_override", "bind"] * 2 + ["set_autoprobe"], plan)
        self.assertEqual(counted(), 0)

    def test_a_pf_on_vfio_pci_has_none_unless_its_parameter_says_so(self):
        answer = api.request("PUT", f"/v1/devices/{PF}/binding", VFIO, timeout=60)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(codes(put(VFIO | {"vfs": 1}, 409)), ["sriov.no_driver"])

    def test_a_pf_on_vfio_pci_has_them_where_its_parameter_says_so(self):
        self.addCleanup(api.write_sysfs, ENABLE_SRIOV, "N")
        api.write_sysfs(ENABLE_SRIOV, "Y")
        answer = api.request("PUT", f"/v1/devices/{PF}/binding", VFIO, timeout=60)
        self.assertEqual(answer.status, 200, answer)
        made = put(VFIO | {"vfs": 2, "vf_token": TOKEN})
        self.assertEqual([item["driver"] for item in made["vfs"]], ["vfio-pci"] * 2)
        self.assertNotIn(TOKEN, api.request("GET", made["operation"]).text)
        group = str(api.iommu_group_of(function(0)))
        for name, said in ((function(0), "Permission denied"), (f"{function(0)} vf_token={TOKEN[:-1]}0", "Permission denied"),
                           (f"{function(0)} vf_token={TOKEN}", "open")):
            self.assertIn(said, api.sh(api.HOLD_VFIO, group, name, check=False))
        # Who has claimed it with its token opens it with what the handover says.
        claimed = api.request("POST", "/v1/claims", {"devices": [function(0)], "vf_token": TOKEN})
        self.assertEqual((claimed.status, claimed.json["request"]["has_vf_token"]), (201, True), claimed)
        self.assertNotIn(TOKEN, claimed.text)
        path = "/v1/claims/" + claimed.json["id"]
        told = dict(line.split("=", 1) for line in api.request("GET", path + "/handover?format=env").text.splitlines())
        self.assertIn("open", api.sh(api.HOLD_VFIO, group, f"{told['DEVBINDD_DEVICES']} vf_token={told['DEVBINDD_VF_TOKEN']}", check=False))
        self.assertIn(f"vf-token={TOKEN}", str(api.request("GET", path + "/handover?format=qemu").json["arguments"]))
        self.assertEqual(api.request("DELETE", path).json["state"], "released")
        put({"vfs": 0})

    def test_a_failed_bind_leaves_nothing(self):
        """virtio-pci, forced onto the VFs, looks at the device ID and says no."""
        foreign = {"vfs": 2, "driver": "virtio-pci"}
        self.assertEqual(codes(put(foreign, 409)), ["driver.no_match"])
        foreign["accept_risks"] = ["driver.no_match"]
        problem = put(foreign, 409)
        self.assertEqual((problem["code"], problem["restored"]), ("bind_failed", True), problem)
        self.assertEqual((counted(), api.attribute(PF, "sriov_drivers_autoprobe")), (0, "1"))
        put(VFIO | {"vfs": 1})
        problem = put(foreign, 409)
        self.assertEqual((problem["code"], problem["restored"]), ("bind_failed", True), problem)
        self.assertEqual((counted(), api.driver_of(function(0)), api.override_of(function(0))), (1, "vfio-pci", "vfio-pci"))
        self.assertEqual(api.attribute(PF, "sriov_drivers_autoprobe"), "1")


@api.timeout(150)
class Settings(unittest.TestCase):
    """What ip-link told the PF's driver of its VFs. A module of the tests plays the part of a NIC's driver that keeps it."""

    MODULE = "/usr/libexec/devbindd-tests/vf_settings.ko"
    TOLD = (
        "mac 52:54:00:00:00:0a vlan 10 qos 3 proto 802.1ad min_tx_rate 5 max_tx_rate 500 spoofchk off state enable trust on",
        "mac 52:54:00:00:00:0b vlan 20 qos 0 proto 802.1Q min_tx_rate 0 max_tx_rate 0 spoofchk on state disable trust off",
    )
    NOTHING = "mac 00:00:00:00:00:00 vlan 0 qos 0 proto 802.1Q min_tx_rate 0 max_tx_rate 0 spoofchk on state auto trust off"

    def setUp(self):
        self.assertEqual((counted(), api.driver_of(PF)), (0, "nvme"))
        api.sh("insmod", self.MODULE, f"pf={PF}")
        self.addCleanup(self.tidy)
        api.sh("udevadm settle")
        (self.interface,) = os.listdir(api.PCI / "devices" / PF / "net")

    def tidy(self):
        put({"vfs": 0})
        api.sh("rmmod vf_settings")

    def tell(self, index, settings):
        words = settings.split()
        for name, value in zip(words[::2], words[1::2]):
            if name in ("qos", "proto", "max_tx_rate"):
                continue
            more = {"vlan": words[4:8], "min_tx_rate": words[10:12]}.get(name, [])
            api.sh("ip", "link", "set", "dev", self.interface, "vf", str(index), name, value, *more)

    def shown(self):
        """What ip-link shows of each VF, in the words that devbindd uses."""
        link = json.loads(api.sh("ip", "-json", "-details", "link", "show", "dev", self.interface))[0]
        texts = []
        for item in link["vfinfo_list"]:
            vlan = (item.get("vlan_list") or [{}])[0]
            rate = item.get("rate") or {}
            texts.append(
                f"mac {item['address']} vlan {vlan.get('vlan', 0)} qos {vlan.get('qos', 0)} "
                f"proto {'802.1ad' if '802.1ad' in str(vlan.get('protocol')).lower() else '802.1Q'} "
                f"min_tx_rate {rate.get('min_tx', 0)} max_tx_rate {rate.get('max_tx', 0)} "
                f"spoofchk {'on' if item['spoofchk'] else 'off'} state {item['link_state']} "
                f"trust {'on' if item['trust'] else 'off'}")
        return texts

    def functions_with_settings(self):
        put(VFIO | {"vfs": 2})
        for index, settings in enumerate(self.TOLD):
            self.tell(index, settings)
        self.assertEqual(self.shown(), list(self.TOLD))

    def test_they_come_back_after_a_way_by_none(self):
        self.functions_with_settings()
        made = put(VFIO | {"vfs": 3})
        self.assertEqual(self.shown(), [*self.TOLD, self.NOTHING])
        steps = [(step["action"], step["device"]) for step in api.request("GET", made["operation"]).json["steps"]]
        self.assertLess(steps.index(("set_vf_settings", function(1))), steps.index(("bind", function(1))))
        plan = put({"vfs": 1}, query="?dry_run=true")
        lost = [item["detail"] for item in plan["evidence"] if item["code"] == "sriov.settings_lost"]
        self.assertEqual(len(lost), 1, plan)
        self.assertIn(self.TOLD[1], lost[0])

    def test_they_come_back_when_the_change_fails(self):
        self.functions_with_settings()
        problem = put({"vfs": 3, "driver": "virtio-pci", "accept_risks": ["driver.no_match"]}, 409)
        self.assertEqual((problem["code"], problem["restored"]), ("bind_failed", True), problem)
        self.assertEqual(self.shown(), list(self.TOLD))
        self.assertEqual(api.driver_of(function(0)), "vfio-pci")

    def test_what_the_driver_refuses_is_told_with_its_errno(self):
        self.functions_with_settings()
        api.write_sysfs("/sys/module/vf_settings/parameters/refuse_trust", "1")
        problem = put(VFIO | {"vfs": 3}, 500)
        self.assertEqual((problem["step"]["action"], problem["errno"], problem["restored"]), ("set_vf_settings", "EPERM", False))
        self.assertTrue([item for item in problem["undo_failures"] if "trust of virtual function 0" in item], problem)
        self.assertTrue([item for item in problem["undo_failures"] if self.TOLD[0] in item], problem)
        self.assertEqual((counted(), self.shown()), (2, [self.TOLD[0].replace("trust on", "trust off"), self.TOLD[1]]))

    def test_what_cannot_be_set_again_is_said_before(self):
        drop_in = pathlib.Path("/run/systemd/system/devbindd-keeper@.service.d/rights.conf")
        self.functions_with_settings()
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text("[Service]\nCapabilityBoundingSet=~CAP_NET_ADMIN\n")
        self.addCleanup(lambda: (drop_in.unlink(), api.sh("systemctl daemon-reload; systemctl restart devbindd"),
                                 api.wait_for(api.daemon_answers, 30, "the daemon")))
        api.sh("systemctl daemon-reload; systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 30, "the daemon")
        made = put(VFIO | {"vfs": 3})
        told = [item["detail"] for item in api.request("GET", made["operation"]).json["evidence"]]
        self.assertTrue([detail for detail in told if "CAP_NET_ADMIN" in detail], told)
        self.assertEqual(self.shown(), [self.NOTHING] * 3)

    def test_the_end_of_a_claim_brings_them_back(self):
        self.functions_with_settings()
        claim = api.request("POST", "/v1/claims", {"devices": [function(0)]}, timeout=60).json
        self.assertEqual(claim["state"], "active", claim)
        self.tell(0, self.TOLD[1])
        api.request("DELETE", f"/v1/claims/{claim['id']}", timeout=60)
        api.wait_for(lambda: api.request("GET", f"/v1/claims/{claim['id']}").json["state"] == "released", 30, "the release")
        self.assertEqual((self.shown(), api.driver_of(function(0))), (list(self.TOLD), "vfio-pci"))
