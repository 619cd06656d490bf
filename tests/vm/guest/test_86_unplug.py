# SPDX-License-Identifier: Apache-2.0
"""A device is pulled out in the middle of a bind or a give-back, while bound to vfio-pci, and while open: a clear end, no harm.

The device is plugged into a spare slot. A tracer holds the worker at a given write while the device goes.
"""

import pathlib
import unittest

import api
import machine
from test_85_kill import Tracer, all_ended, ask, daemon_pid, give_back, operations, put

PORT = machine.SPARE_PORTS[1]
BDF = f"0000:{machine.ROOT_PORTS[PORT][1]:02x}:00.0"
OTHER = machine.DEVICES["nic1"].bdf
VFIO = {"driver": "vfio-pci"}


def plugged():
    """False while QEMU has not let go of the one before."""
    try:
        api.qmp("device_add", driver="e1000e", id="pulled", bus=PORT, romfile="")
    except RuntimeError:
        return False
    return True


def plug():
    api.wait_for(plugged, 20, "QEMU to plug the device in")
    api.wait_for(lambda: api.driver_of(BDF) == "e1000e", 40, f"e1000e on {BDF}")
    api.sh("udevadm", "settle", "--timeout=30")


def processes_waiting_in(function):
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            found += [process.name] if (process / "wchan").read_text() == function else []
        except OSError:
            pass  # ended meanwhile
    return found


@api.timeout(150)
class Unplug(unittest.TestCase):
    def setUp(self):
        plug()
        self.addCleanup(self.take_out)
        self.daemon = daemon_pid()

    def take_out(self):
        if api.exists(BDF):
            api.unplug("pulled", BDF)

    def bind(self):
        answer = ask(put(BDF, VFIO))
        self.assertEqual((answer.status, answer.json["driver"]), (200, "vfio-pci"), answer)

    def give_back(self):
        answer = ask(give_back(BDF))
        self.assertEqual((answer.status, answer.json["driver"]), (200, "e1000e"), answer)

    def assert_gone_and_well(self):
        """The same daemon answers, with nothing under way; another device is moved, and so is this one when it is back."""
        self.assertEqual(daemon_pid(), self.daemon)
        api.wait_for(all_ended, 40, "no operation to be under way")
        self.assertEqual(operations("?state=interrupted"), [])
        for request in (put(BDF, VFIO), give_back(BDF), ("GET", f"/v1/devices/{BDF}", None)):
            answer = ask(request)
            self.assertEqual((answer.status, answer.json["code"]), (404, "device_not_found"), answer)
        plug()
        shown = ask(("GET", f"/v1/devices/{BDF}/binding", None)).json
        self.assertEqual((shown["driver"], shown["driver_override"]), ("e1000e", None), shown)
        self.bind()
        self.give_back()
        self.assertEqual((api.driver_of(BDF), api.override_of(BDF)), ("e1000e", None))
        self.assertEqual(ask(put(OTHER, VFIO)).status, 200)
        self.assertEqual(ask(give_back(OTHER)).json["driver"], "e1000e")
        self.assertEqual(daemon_pid(), self.daemon)

    def pull_at_write(self, request, number, when):
        """The device goes while a worker stands at the write; the operation's end."""
        with Tracer(self.daemon, "nobody", number, when) as tracer:
            answer = ask(request, headers={"Prefer": "respond-async"})
            self.assertEqual(answer.status, 202, answer)
            api.wait_for(tracer.has_reached, 30, "the write to be reached")
            api.unplug("pulled", BDF)
        location = answer.headers["location"]
        api.wait_for(lambda: ask(("GET", location, None)).json["state"] not in ("running", "blocked"), 40, "the operation's end")
        operation = ask(("GET", location, None)).json
        print(number, when, tracer.reached, operation["state"], operation["error"])
        self.assertEqual(operation["state"], "failed", operation)
        self.assertIn(BDF, operation["error"]["detail"])
        # What was there before cannot be brought back: it is not claimed.
        self.assertEqual((operation["error"]["code"], operation["error"]["restored"]), ("device_gone", False), operation["error"])

    def test_during_a_bind_before_anything_was_written(self):
        self.pull_at_write(put(BDF, VFIO), 1, "before")
        self.assert_gone_and_well()

    def test_during_a_bind_between_unbind_and_bind(self):
        self.pull_at_write(put(BDF, VFIO), 2, "after")
        self.assert_gone_and_well()

    def test_during_a_bind_after_the_last_write(self):
        self.pull_at_write(put(BDF, VFIO), 3, "after")
        self.assert_gone_and_well()

    def test_during_a_give_back(self):
        self.bind()
        self.pull_at_write(give_back(BDF), 2, "after")
        self.assert_gone_and_well()

    def test_while_it_goes_to_and_fro(self):
        """Nothing holds anybody: the removal comes whenever it comes, into the kernel's own probe and remove as well."""
        api.qmp("device_del", id="pulled")
        answers = []
        while api.exists(BDF):
            for request in (put(BDF, VFIO), give_back(BDF)):
                answers.append(ask(request))
        print(f"{len(answers)} requests:", *sorted({f"{answer.status} {answer.json.get('code', '')}" for answer in answers}), sep="\n")
        for answer in answers:
            known = answer.status == 200 or answer.json["code"] in ("device_not_found", "device_gone", "refused", "nothing_to_restore")
            self.assertTrue(known, answer)
        self.assert_gone_and_well()

    def test_while_it_is_bound_to_vfio_pci(self):
        self.bind()
        api.unplug("pulled", BDF)
        self.assert_gone_and_well()

    def test_what_was_known_of_a_pulled_device_is_not_applied_to_the_next_one(self):
        """The pulled one had no driver when devbindd took it; the next one, of the same kind, has."""
        api.write_sysfs(api.PCI / "drivers/e1000e/unbind", BDF)
        self.bind()
        self.assertIsNone(ask(("GET", f"/v1/devices/{BDF}/binding", None)).json["original"]["driver"])
        api.unplug("pulled", BDF)
        plug()
        self.assertIsNone(ask(("GET", f"/v1/devices/{BDF}/binding", None)).json["original"])
        self.bind()
        self.give_back()

    def test_while_it_is_open(self):
        self.bind()
        holder = api.Holder(BDF)
        self.addCleanup(holder.release)
        api.qmp("device_del", id="pulled")
        # The kernel's own removal waits for the process; the daemon must not.
        api.wait_for(lambda: processes_waiting_in("vfio_unregister_group_dev"), 30, "the kernel to begin the removal")
        self.assertEqual(ask(("GET", "/v1/devices", None)).status, 200)
        for request in (give_back(BDF), put(BDF, {"driver": None})):
            answer = ask(request)
            self.assertEqual((answer.status, answer.json["code"]), (409, "refused"), answer)
            # Once the kernel has begun its removal the driver is gone, and the device's lock is taken.
            self.assertTrue({"vfio.open", "device.stuck"} & {item["code"] for item in answer.json["blockers"]}, answer)
        self.assertEqual(ask(put(OTHER, VFIO)).status, 200)
        self.assertEqual(ask(give_back(OTHER)).status, 200)
        holder.release()
        api.wait_for(lambda: not api.exists(BDF), 30, "the device to go")
        self.assert_gone_and_well()


@api.timeout(200)
class Functions(unittest.TestCase):
    """A physical function is pulled out while its virtual functions are made."""

    def setUp(self):
        self.daemon = daemon_pid()
        api.wait_for(self.plugged, 20, "QEMU to plug the controller in")
        self.addCleanup(lambda: api.exists(BDF) and api.unplug("pulled", BDF))
        api.wait_for(lambda: api.driver_of(BDF) == "nvme", 40, f"nvme on {BDF}")
        self.assertEqual(api.attribute(BDF, "sriov_totalvfs"), "2")

    def plugged(self):
        try:
            api.qmp("device_add", driver="nvme", id="pulled", serial="pulled", bus=PORT, subsys="spare", sriov_max_vfs=2,
                    sriov_vq_flexible=4, sriov_vi_flexible=2, max_ioqpairs=6, msix_qsize=4)
        except RuntimeError as refused:
            print(refused)
            return False
        return True

    def pull_at_write(self, body, number, when):
        with Tracer(self.daemon, "nobody", number, when) as tracer:
            answer = ask(("PUT", f"/v1/devices/{BDF}/sriov", body), headers={"Prefer": "respond-async"})
            self.assertEqual(answer.status, 202, answer)
            api.wait_for(tracer.has_reached, 30, "the write to be reached")
            api.unplug("pulled", BDF)
        location = answer.headers["location"]
        api.wait_for(lambda: ask(("GET", location, None)).json["state"] not in ("running", "blocked"), 40, "the operation's end")
        operation = ask(("GET", location, None)).json
        print(number, when, tracer.reached, operation["state"], operation["error"])
        self.assertEqual((operation["state"], operation["error"]["code"]), ("failed", "device_gone"), operation)
        self.assertEqual(daemon_pid(), self.daemon)
        api.wait_for(all_ended, 40, "no operation to be under way")
        self.assertEqual(ask(("GET", f"/v1/devices/{BDF}/sriov", None)).json["code"], "device_not_found")
        self.assertEqual(ask(put(OTHER, VFIO)).status, 200)
        self.assertEqual(ask(give_back(OTHER)).json["driver"], "e1000e")

    def test_before_there_is_any(self):
        self.pull_at_write(VFIO | {"vfs": 2}, 1, "after")

    def test_between_two_of_them(self):
        self.pull_at_write(VFIO | {"vfs": 2}, 4, "after")

    def test_while_their_number_changes(self):
        answer = ask(("PUT", f"/v1/devices/{BDF}/sriov", VFIO | {"vfs": 1}))
        self.assertEqual(answer.status, 200, answer)
        self.pull_at_write(VFIO | {"vfs": 2}, 2, "after")
