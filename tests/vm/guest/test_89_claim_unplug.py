# SPDX-License-Identifier: Apache-2.0
"""A claimed device is pulled out while its claim is made, while it is idle or open, and while the claim ends: the claim comes
to a clear end, and the other devices of it are as they were. The device is that of test_86_unplug."""

import concurrent.futures

import api
import test_33_claims as claims
import test_85_kill as kill
import test_86_unplug as unplug
from tracer import Tracer

BDF = unplug.BDF


@api.timeout(150)
class Unplug(claims.Case):
    devices = (claims.NIC,)

    def setUp(self):
        unplug.plug()
        self.addCleanup(lambda: api.exists(BDF) and api.unplug("pulled", BDF))
        self.daemon = kill.daemon_pid()
        super().setUp()

    def claim_both(self):
        return claims.claim(devices=[BDF, claims.NIC], owner={"users": [claims.OWNER]})

    def pull(self):
        api.unplug("pulled", BDF)

    def pull_at_write(self, number, request):
        """The device goes while a worker stands before the write; the answer to the request."""
        with Tracer(self.daemon, "nobody", number, "before") as tracer:
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                answer = pool.submit(kill.ask, request)
                api.wait_for(tracer.has_reached, 30, "the write to be reached")
                print(number, tracer.reached)
                self.pull()
                tracer.end()
                return answer.result()

    def assert_well(self):
        """The same daemon answers, nothing is left of the claim, and what is plugged in next is free and claimed anew."""
        self.assertEqual(kill.daemon_pid(), self.daemon)
        api.wait_for(kill.all_ended, 40, "no operation to be under way")
        self.assert_given_back()
        self.assertEqual(api.request("GET", f"/v1/devices/{BDF}").status, 404)
        unplug.plug()
        shown = api.request("GET", f"/v1/devices/{BDF}/binding").json
        self.assertEqual((shown["driver"], shown["driver_override"], shown["claim"], shown["original"]), ("e1000e", None, None, None), shown)
        made = self.claim_both()
        self.assertEqual({item["driver"] for item in made["devices"]}, {"vfio-pci"}, made)
        self.assertEqual(api.request("DELETE", claims.path_of(made), timeout=60).json["state"], "released")
        self.assertEqual(api.driver_of(BDF), "e1000e")
        self.assert_given_back()

    def test_while_it_is_being_made(self):
        body = {"devices": [claims.NIC, BDF], "owner": {"users": [claims.OWNER]}}
        for number in (2, 5):  # a write to the other device, and one to this
            with self.subTest(number):
                answer = self.pull_at_write(number, ("POST", "/v1/claims", body))
                self.assertEqual((answer.status, answer.json["code"]), (409, "device_gone"), answer)
                states = {item["state"] for item in api.request("GET", "/v1/claims").json["items"]}
                self.assertLessEqual(states, {"released", "lost"})
                self.assert_well()

    def test_while_it_is_idle(self):
        made = self.claim_both()
        self.pull()
        shown = api.request("GET", claims.path_of(made)).json
        self.assertEqual([(item["address"], item["driver"]) for item in shown["devices"]], [(BDF, None), (claims.NIC, "vfio-pci")], shown)
        self.assertEqual(shown["state"], "active")
        released = api.request("DELETE", claims.path_of(made), timeout=60).json
        self.assertEqual(([item["reset"] for item in released["devices"]], released["state"]), ([None, "done"], "released"), released)
        self.assert_well()

    def test_another_one_in_its_place_is_not_the_claims(self):
        """The next one comes with the kernel's driver: neither is it bound for the claim, nor given back at its end."""
        made = self.claim_both()
        self.pull()
        unplug.plug()
        released = api.request("DELETE", claims.path_of(made), timeout=60).json
        self.assertEqual(([item["reset"] for item in released["devices"]], released["state"]), ([None, "done"], "released"), released)
        self.assertEqual(api.driver_of(BDF), "e1000e")
        self.pull()
        self.assert_well()

    def test_another_one_that_came_while_no_daemon_ran(self):
        """It is of the same make, and gets nothing of what the claimed one had."""
        api.write_sysfs(api.PCI / "devices" / BDF / "driver_override", "e1000e")
        made = self.claim_both()
        api.sh("systemctl stop devbindd")
        self.pull()
        unplug.plug()
        api.start_daemon_again()
        self.daemon = kill.daemon_pid()
        self.assertIsNone(api.request("GET", f"/v1/devices/{BDF}/binding").json["original"])
        released = api.request("DELETE", claims.path_of(made), timeout=60).json
        self.assertEqual(([item["reset"] for item in released["devices"]], released["state"]), ([None, "done"], "released"), released)
        self.assertEqual((api.driver_of(BDF), api.override_of(BDF)), ("e1000e", None))
        self.pull()
        self.assert_well()

    def test_while_it_is_open(self):
        made = self.claim_both()
        consumer = self.consumer(BDF)
        api.qmp("device_del", id="pulled")
        api.wait_for(lambda: unplug.processes_waiting_in("vfio_unregister_group_dev"), 30, "the kernel to begin the removal")
        waiting = api.request("DELETE", claims.path_of(made) + "?when_closed=true", timeout=60)
        self.assertEqual((waiting.status, waiting.json["state"]), (202, "releasing"), waiting)
        self.assertTrue(consumer.runs())
        consumer.end()
        api.wait_for(lambda: not api.exists(BDF), 30, "the device to go")
        api.wait_for(lambda: claims.state_of(made) == "released", 60, "the claim's end")
        self.assert_well()

    def test_while_it_is_given_back(self):
        for number in (1, 3):  # its reset, and a write of the give-back
            with self.subTest(number):
                made = self.claim_both()
                answer = self.pull_at_write(number, ("DELETE", claims.path_of(made), None))
                self.assertIn(answer.status, (200, 202), answer)
                api.wait_for(lambda made=made: claims.state_of(made) != "releasing", 60, "the claim's end")
                ended = api.request("GET", claims.path_of(made)).json
                print(number, ended["state"], ended["reason"])
                if ended["state"] == "quarantined":
                    self.assertIn(BDF, ended["reason"])
                    api.request("POST", claims.path_of(made) + "/acknowledge", {})
                self.assert_well()
