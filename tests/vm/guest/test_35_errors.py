# SPDX-License-Identifier: Apache-2.0
"""Errors of claimed devices on the real kernel: QEMU has the port above a card report a fatal one, AER resets what is below it, and
the claim tells what came of it. What the kernel has given up is not given to its driver.

A card is plugged in for each test: the kernel never uses one again that it has given up.
"""


import api
import machine
import test_33_claims as claims

PORT = machine.SPARE_PORTS[2]
CARD, SIBLING = (f"0000:{machine.ROOT_PORTS[PORT][1]:02x}:00.{function}" for function in (0, 1))


def plugged(functions):
    """False while QEMU has not let go of the one before."""
    try:
        for function in reversed(functions):  # the slot tells the guest when function 0 has come
            api.qmp(
                "device_add", driver="e1000e", id=f"faulty{function}", bus=PORT, addr=f"0.{function}", multifunction=True, romfile=""
            )
    except RuntimeError:
        return False
    return True


def report_fatal_error():
    """A data link protocol error of the link to the card. Returns at once; the kernel's recovery takes a while."""
    answer = api.qmp("human-monitor-command", **{"command-line": f"pcie_aer_inject_error {PORT} DLP"})
    if not answer.startswith("OK"):
        raise AssertionError(answer)


class Case(claims.Case):
    def setUp(self):
        api.wait_for(lambda: plugged(range(len(self.devices))), 20, "QEMU to plug the card in")
        self.addCleanup(api.unplug, "faulty0", CARD)
        for bdf in self.devices:
            api.wait_for(lambda bdf=bdf: api.driver_of(bdf) == "e1000e", 40, f"e1000e on {bdf}")
        api.sh("udevadm", "settle", "--timeout=30")
        super().setUp()
        self.made = claims.claim(devices=list(self.devices), owner={"users": ["nobody"]})
        self.addCleanup(self.acknowledge)

    def acknowledge(self):
        """Nothing else frees the devices of a quarantined claim."""
        if claims.state_of(self.made) == "quarantined":
            acknowledged = api.request("POST", claims.path_of(self.made) + "/acknowledge", {})
            self.assertEqual(acknowledged.json["state"], "released", acknowledged)

    def wait_for_recoveries(self, wanted):
        def recoveries():
            devices = api.request("GET", claims.path_of(self.made)).json["devices"]
            return {item["address"]: item["error_recovery"] for item in devices}

        api.wait_for(lambda: recoveries() == wanted, 40, f"the kernel's recovery to end as {wanted}")

    def release(self):
        return api.request("DELETE", claims.path_of(self.made), timeout=60).json

    def assert_quarantined(self, reason):
        answer = self.release()
        self.assertEqual(answer["state"], "quarantined", answer)
        self.assertIn(reason, answer["reason"])
        refused = api.request("DELETE", f"/v1/devices/{CARD}/binding")
        codes = {item["code"] for item in refused.json["blockers"]}
        self.assertEqual((refused.status, codes), (409, {"claim.held"}), refused)
        self.assertEqual(api.driver_of(CARD), "vfio-pci")


@api.timeout(150)
class OneFunction(Case):
    devices = (CARD,)

    def test_a_device_that_was_open_is_recovered_and_given_back(self):
        self.wait_for_recoveries({CARD: None})
        consumer = self.consumer(CARD)
        report_fatal_error()
        self.wait_for_recoveries({CARD: "succeeded"})
        consumer.end()
        answer = self.release()
        self.assertEqual((answer["state"], answer["reason"]), ("released", "it was released"), answer)
        self.assert_given_back()

    def test_one_that_was_idle_has_lost_its_base_addresses(self):
        """Drivers restore their devices after the reset; vfio-pci does not: the native driver's probe would fail."""
        report_fatal_error()
        self.wait_for_recoveries({CARD: "succeeded"})
        self.assert_quarantined(f"{CARD} has lost its base addresses")
        api.write_sysfs(api.PCI / "devices" / CARD / "remove", "1")
        api.write_sysfs(api.PCI / "rescan", "1")
        api.wait_for(lambda: api.driver_of(CARD) == "e1000e", 40, f"e1000e on {CARD}")
        self.wait_for_recoveries({CARD: None})
        self.acknowledge()
        bound = api.request("PUT", f"/v1/devices/{CARD}/binding", {"driver": "vfio-pci"})
        self.assertEqual(bound.status, 200, bound)
        self.assertEqual(api.request("DELETE", f"/v1/devices/{CARD}/binding").json["driver"], "e1000e")


@api.timeout(150)
class TwoFunctions(Case):
    devices = (CARD, SIBLING)

    def test_what_the_kernel_gives_up_is_not_given_to_its_driver(self):
        """A function without a driver cannot be asked: the kernel's recovery of the whole card fails."""
        api.write_sysfs(api.PCI / "drivers/vfio-pci/unbind", SIBLING)
        report_fatal_error()
        self.wait_for_recoveries({CARD: "failed", SIBLING: "failed"})
        api.sh("systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 40, "the daemon's answer")
        self.assert_quarantined(f"the kernel could not recover {CARD} from an error")
        self.assertIsNone(api.driver_of(SIBLING))
