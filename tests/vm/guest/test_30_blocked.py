# SPDX-License-Identifier: Apache-2.0
"""A device that somebody holds open through VFIO: refused with his name; when told to go on, nothing else suffers."""

import subprocess
import time
import unittest

import api
import machine
import test_85_kill as kill

NIC = machine.DEVICES["nic0"].bdf
OTHER = machine.DEVICES["nic1"].bdf
BINDING = f"/v1/devices/{NIC}/binding"


class Held(unittest.TestCase):
    def setUp(self):
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}).status, 200)
        self.holder = api.Holder(NIC)
        self.addCleanup(self.give_back)

    def give_back(self):
        self.holder.release()
        api.start_daemon_again()
        api.wait_for(kill.all_ended, 40, "no operation to be under way")
        api.request("DELETE", BINDING)
        self.assertEqual(api.driver_of(NIC), "e1000e")

    def go_on(self):
        """Tells the daemon to unbind although the device is open; the blocked operation's address."""
        answer = api.request("DELETE", BINDING + "?accept_risks=vfio.open", timeout=50)
        self.assertEqual(answer.status, 202, answer)
        return answer

    @api.by_vfio
    def test_it_is_refused_and_the_process_is_named(self):
        answer = api.request("DELETE", BINDING)
        self.assertEqual((answer.status, answer.json["blockers"][0]["code"]), (409, "vfio.open"))
        process = answer.json["blockers"][0]["processes"][0]
        self.assertEqual((process["pid"], process["command"]), (self.holder.pid, "hold_vfio"))
        self.assertEqual(api.driver_of(NIC), "vfio-pci")

    @api.by_vfio
    def test_told_to_go_on_it_is_blocked_by_name_and_completes_when_the_holder_closes(self):
        answer = self.go_on()
        self.assertEqual(answer.json["state"], "blocked")
        blocked = answer.json["blocked"]
        self.assertEqual([holder["pid"] for holder in blocked["holders"]], [self.holder.pid])
        self.assertEqual(blocked["wait_channel"], "vfio_unregister_group_dev")
        self.holder.release()
        location = answer.headers["location"]
        api.wait_for(lambda: api.request("GET", location).json["state"] == "succeeded", 30, "the operation's end")
        self.assertEqual((api.driver_of(NIC), api.override_of(NIC)), ("e1000e", None))

    @api.timeout(120)
    def test_everything_else_goes_on_meanwhile(self):
        location = self.go_on().headers["location"]
        for path in ("/v1/devices", "/v1/iommu-groups", "/v1/vfio", "/v1/drivers", f"/v1/devices/{OTHER}", BINDING, "/readyz"):
            with self.subTest(path):
                started = time.monotonic()
                self.assertEqual(api.request("GET", path, timeout=20).status, 200)
                self.assertLess(time.monotonic() - started, 10 * api.PACE, "an answer must not wait for the blocked device")
        second = api.request("PUT", BINDING, {"driver": "vfio-pci"})
        self.assertEqual((second.status, second.json["code"], second.json["operation"]), (409, "operation_in_progress", location))
        other = api.request("PUT", f"/v1/devices/{OTHER}/binding", {"driver": "vfio-pci"})
        self.assertEqual(other.status, 200, other)
        self.assertEqual(api.request("DELETE", f"/v1/devices/{OTHER}/binding").json["driver"], "e1000e")

    @api.timeout(120)
    def test_the_service_restarts_in_time_and_recovers_when_the_kernel_lets_go(self):
        # Whoever else has root's rights and the name of a worker keeps nothing waiting.
        api.sh("cp /bin/sleep /tmp/devbindd-worker")
        named = subprocess.Popen(["/tmp/devbindd-worker", "600"])
        self.addCleanup(named.kill)
        location = self.go_on().headers["location"]
        started = time.monotonic()
        api.sh("systemctl", "restart", "devbindd", timeout=60)
        self.assertLess(time.monotonic() - started, 25 * api.PACE, "a restart must not wait for the kernel")
        self.assertEqual(api.request("GET", "/healthz").status, 200)
        self.assertEqual(api.request("GET", "/v1/devices", timeout=20).status, 200)
        # The worker of before is still in the kernel: the new daemon waits for it, and lets nobody race it.
        operation = api.request("GET", "/v1/operations?state=blocked").json["items"][0]
        self.assertEqual((operation["id"], operation["devices"][0]["address"]), (location.rsplit("/", 1)[1], NIC))
        self.assertEqual(operation["blocked"]["wait_channel"], "vfio_unregister_group_dev")
        self.assertNotEqual(operation["blocked"]["worker_pid"], named.pid)
        second = api.request("PUT", BINDING, {"driver": "vfio-pci"})
        self.assertEqual((second.status, second.json["code"], second.json["operation"]), (409, "operation_in_progress", location))
        self.assertEqual(api.request("GET", BINDING, timeout=20).json["original"]["driver"], "e1000e")
        # When it is done, the device is brought back to how it was before the operation.
        self.holder.release()
        api.wait_for(lambda: api.request("GET", location).json["state"] == "failed", 30, "the recovery's end")
        error = api.request("GET", location).json["error"]
        self.assertEqual((error["code"], error["restored"]), ("interrupted", True))
        self.assertEqual((api.driver_of(NIC), api.override_of(NIC)), ("vfio-pci", "vfio-pci"))
