# SPDX-License-Identifier: Apache-2.0
"""Power loss in the middle of changes: the machine is reset, and the next boot's daemon brings its books in order.

The daemon's state is on a disk (main.py); everything else of the guest is gone with the reset.
"""

import json
import pathlib
import subprocess
import time
import unittest

import api
import machine
import test_85_kill as kill
from tracer import Tracer

RESETS = True
NIC, SECOND, PAIR0, PAIR1 = (machine.DEVICES[name].bdf for name in ("nic0", "nic1", "pair0", "pair1"))
NOTES = pathlib.Path("/mnt/results/before-the-reset.json")
PF, USB = (machine.DEVICES[name].bdf for name in ("sriov", "usb"))
NATIVE = {NIC: "e1000e", SECOND: "e1000e", PAIR0: "e1000", PAIR1: "e1000"}
ETC = pathlib.Path("/mnt/results/etc")
SEEN = pathlib.Path("/run/seen-by-the-unit-after")
VFS = tuple(f"{PF[:-1]}{index}" for index in (1, 2))

# What the next boot finds in /etc: policies, a unit that wants what they promise, and an override of the administrator's
# own, set before devbindd starts (as driverctl's udev rule does).
FILES = {
    "devbindd/devbindd.json": json.dumps(
        {
            "policies": [
                {"name": "usb", "selector": {"address": USB}, "driver": "vfio-pci"},
                {"name": "functions", "selector": {"address": PF}, "vfs": 2, "driver": "vfio-pci"},
                {"name": "second", "selector": {"address": SECOND}, "driver": "vfio-pci"},
            ]
        }
    ),
    "systemd/system/devbindd.service.d/after.conf": "[Unit]\nWants=vm-before.service vm-after.service\n",
    "systemd/system/vm-before.service": f"""
[Unit]
DefaultDependencies=no
Before=devbindd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo e1000e > /sys/bus/pci/devices/{SECOND}/driver_override'
""",
    "systemd/system/vm-after.service": f"""
[Unit]
DefaultDependencies=no
After=devbindd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for d in {USB} {SECOND} {" ".join(VFS)}; do readlink /sys/bus/pci/devices/$d/driver; done > {SEEN}'
""",
}


def put(bdf, body):
    return api.request("PUT", f"/v1/devices/{bdf}/binding", body)


class Before(unittest.TestCase):
    boot = 1

    def test_leave_three_changes_behind(self):
        """One that is done, one that hangs in the kernel, and one that stands still between two writes."""
        done = put(NIC, kill.VFIO)
        self.assertEqual(done.status, 200, done)
        self.assertEqual(put(SECOND, kill.VFIO).status, 200)
        body = {"devices": [machine.DEVICES["edu"].bdf], "owner": {"users": ["nobody"]}, "labels": {"vm": "42"}}
        claim = api.request("POST", "/v1/claims", body)
        self.assertEqual(claim.status, 201, claim)
        tracer = Tracer(kill.daemon_pid(), "nobody", 4, "after")
        answer = api.request("POST", "/v1/bindings", {"items": [kill.GROUP | {"device": PAIR0}]}, {"Prefer": "respond-async"})
        self.assertEqual(answer.status, 202, answer)
        api.wait_for(tracer.has_reached, 30, "the fourth write")
        hold = f"sleep 600 | {api.HOLD_VFIO} {api.iommu_group_of(SECOND)} {SECOND}"
        subprocess.Popen(["bash", "-c", hold], stdout=subprocess.DEVNULL, start_new_session=True)
        enable = pathlib.Path(f"/sys/bus/pci/devices/{SECOND}/enable")
        api.wait_for(lambda: enable.read_text() != "0\n", 20, "an open device")
        hanging = put(SECOND, {"driver": None, "accept_risks": ["vfio.open"]})
        self.assertEqual((hanging.status, hanging.json["state"]), (202, "blocked"), hanging)
        # The tracer outlives this test and holds its worker until the power is cut. It could not have attached to one
        # that hangs in the kernel.
        operations = {"done": done.json["operation"].rpartition("/")[2], "hanging": hanging.json["id"], "between": answer.json["id"]}
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        NOTES.write_text(json.dumps({"operations": operations, "boot": boot, "claim": claim.json["id"]}))
        for name, text in FILES.items():
            (ETC / name).parent.mkdir(parents=True, exist_ok=True)
            (ETC / name).write_text(text)
        time.sleep(1)


class After(unittest.TestCase):
    boot = 2

    def setUp(self):
        self.notes = json.loads(NOTES.read_text())
        self.assertNotEqual(pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(), self.notes["boot"])

    def operation(self, name):
        return api.request("GET", f"/v1/operations/{self.notes['operations'][name]}").json

    def test_what_was_done_is_still_told_as_done(self):
        self.assertEqual(self.operation("done")["state"], "succeeded")

    def test_what_was_under_way_ended_with_the_power(self):
        for name in ("hanging", "between"):
            operation = self.operation(name)
            self.assertEqual((operation["state"], operation["error"]["code"]), ("failed", "interrupted"), operation)
            self.assertTrue(operation["error"]["restored"], operation)
            self.assertIn("restarted", operation["error"]["detail"])
        self.assertEqual(api.request("GET", "/v1/operations?state=running").json["items"], [])
        lines = api.request("GET", f"/v1/audit?device={PAIR1}").json["items"]
        self.assertEqual([line["event"] for line in lines], ["ended", "begun"], lines)

    def test_a_claim_of_before_is_lost_and_holds_nothing(self):
        claim = api.request("GET", f"/v1/claims/{self.notes['claim']}").json
        self.assertEqual((claim["state"], claim["devices"][0]["driver"]), ("lost", None), claim)
        self.assertEqual((claim["labels"], claim["request"]["owner"]["users"]), ({"vm": "42"}, ["nobody"]), claim)
        self.assertIn("restarted while it was active", claim["reason"])
        self.assertEqual(api.request("POST", "/v1/claims", {"devices": [machine.DEVICES["edu"].bdf]}).status, 201)

    def test_policies_are_in_force_before_a_unit_that_comes_after_and_leave_others_overrides(self):
        api.wait_for(SEEN.exists, 20, "the unit that is ordered after devbindd")
        drivers = [line.rpartition("/")[2] for line in SEEN.read_text().split()]
        self.assertEqual(drivers, ["vfio-pci", "e1000e", "vfio-pci", "vfio-pci"])
        outcomes = {item["name"]: [place["outcome"] for place in item["devices"]] for item in api.request("GET", "/v1/policies").json["items"]}
        self.assertEqual(outcomes, {"usb": ["in_force"], "functions": ["in_force"], "second": ["respected"]})

    def test_every_device_is_as_the_boot_left_it_and_free(self):
        for bdf, driver in NATIVE.items():
            binding = api.request("GET", f"/v1/devices/{bdf}/binding").json
            override = "e1000e" if bdf == SECOND else None  # the administrator's
            self.assertEqual((binding["driver"], binding["driver_override"]), (driver, override), binding)
            self.assertEqual((binding["original"], binding["incomplete_operation"], binding["operation"]), (None, None, None), binding)
        items = [kill.VFIO | {"device": NIC}, kill.VFIO | {"device": SECOND}, kill.GROUP | {"device": PAIR0}]
        answer = api.request("POST", "/v1/bindings", {"items": items})
        self.assertEqual(answer.status, 200, answer)
        back = [{"device": item["device"], "restore": True} for item in items]
        self.assertEqual(api.request("POST", "/v1/bindings", {"items": back}).status, 200)
        self.assertEqual(api.override_of(SECOND), "e1000e")
