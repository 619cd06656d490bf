# SPDX-License-Identifier: Apache-2.0
"""The process that parses HTTP has no right: what it cannot do when a hostile program takes its place, and what becomes of it
when the process that has the rights (devbindd-keeper@.service) ends or hangs."""

import json
import os
import pathlib
import signal
import socket
import unittest

import api
import machine

NIC = machine.DEVICES["nic0"].bdf
GIVEN = machine.DEVICES["nic1"].bdf
BINDING = f"/v1/devices/{NIC}/binding"
HOSTILE = pathlib.Path(__file__).parent / "hostile_front.py"
STRANGER = 4242


def state():
    return {bdf: (api.driver_of(bdf), api.override_of(bdf)) for bdf in (NIC, GIVEN)}


def main_pid():
    return int(api.sh("systemctl", "show", "-p", "MainPID", "--value", "devbindd"))


def keepers_log():
    return api.sh("journalctl", "-o", "cat", "-n", "200", "-u", "devbindd-keeper@*")


@api.timeout(120)
class Hostile(unittest.TestCase):
    """A device is left with VFIO, the daemon is gone, and something else runs as its user."""

    @classmethod
    def setUpClass(cls):
        answer = api.request("PUT", f"/v1/devices/{GIVEN}/binding", {"driver": "vfio-pci"})
        if answer.status != 200:
            raise AssertionError(answer)
        api.sh("systemctl", "stop", "devbindd")
        cls.before = state()
        group = (api.PCI / "devices" / GIVEN / "iommu_group").resolve().name
        place = pathlib.Path("/run/hostile_front.py")
        place.write_bytes(HOSTILE.read_bytes())
        lines = api.sh("setpriv", "--reuid", "devbindd", "--regid", "devbindd", "--clear-groups", "python3", str(place), NIC, group, timeout=90)
        cls.told = {words[0]: words[1:] for words in map(json.loads, lines.splitlines())}

    @classmethod
    def tearDownClass(cls):
        api.start_daemon_again()
        api.request("DELETE", f"/v1/devices/{GIVEN}/binding")

    def test_no_device_has_changed(self):
        self.assertEqual(state(), self.before)
        self.assertEqual(self.before, {NIC: ("e1000e", None), GIVEN: ("vfio-pci", "vfio-pci")})
        self.assertFalse(pathlib.Path("/sys/module/dummy").exists())

    def test_workers_refuse_what_no_accepted_operation_names(self):
        for name in ("unbind", "override", "reset", "new_id", "module", "node", "grant"):
            with self.subTest(name):
                done, why = self.told[name]
                self.assertFalse(done)
                self.assertIn("no accepted operation, claim or probe names it", why)

    def test_workers_take_no_path_for_a_name(self):
        for name in ("path", "file", "disk"):
            with self.subTest(name):
                done, why = self.told[name]
                self.assertFalse(done)
                self.assertIn("malformed", why)

    def test_no_file_is_lent_but_those_that_the_daemon_needs(self):
        for path in ("/etc/shadow", "/dev/mem", "/sys/firmware/acpi/tables/../../../etc/shadow"):
            self.assertEqual(self.told[path], [13, 0], path)
        self.assertEqual(self.told["/dev/kmsg"], [0, 1])

    def test_no_container_gets_a_hook(self):
        self.assertEqual(self.told["hook"][:2], ["answered", "01"], "an error is in the answer")
        self.assertNotEqual(self.told["place"], ["answered", "00"])
        self.assertFalse(list(pathlib.Path("/run/cdi").glob("devbindd-*")))

    def test_no_other_process_is_ended_and_nothing_else_is_open_to_it(self):
        self.assertEqual(self.told["end of process 1"], ["01"])
        for name, errno_text in (("kill keeper", "Operation not permitted"), ("write sysfs", "Permission denied"), ("open node", "Permission denied")):
            self.assertEqual(self.told[name], [errno_text], name)

    def test_what_was_refused_is_in_the_journal(self):
        self.assertIn("says more than which nodes a container gets", keepers_log())


@api.timeout(120)
class Keeper(unittest.TestCase):
    def test_nobody_else_may_connect(self):
        with api.acting_as(STRANGER, STRANGER), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stream:
            self.assertRaises(PermissionError, stream.connect, "/run/devbindd-keeper.sock")

    def test_the_journal_says_what_may_be_touched_and_for_what(self):
        answer = api.request("PUT", BINDING, {"driver": "vfio-pci"})
        operation = answer.json["operation"].rpartition("/")[2]
        self.assertEqual(api.request("DELETE", BINDING).status, 200)
        self.assertIn(f"operation {operation} may touch {NIC}\n", keepers_log())

    def test_one_that_is_killed_is_followed_by_another(self):
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}).status, 200)
        daemon, keeper = main_pid(), api.keeper_pid()
        os.kill(keeper, signal.SIGKILL)
        api.wait_for(lambda: main_pid() not in (0, daemon) and api.daemon_answers(), 30, "a new daemon")
        self.assertNotEqual(api.keeper_pid(), keeper)
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        self.assertEqual(api.request("DELETE", BINDING).json["driver"], "e1000e")

    def test_one_that_hangs_is_given_up(self):
        daemon, keeper = main_pid(), api.keeper_pid()
        os.kill(keeper, signal.SIGSTOP)
        self.addCleanup(os.kill, keeper, signal.SIGKILL)
        try:
            api.request("PUT", BINDING, {"driver": "vfio-pci"}, timeout=5)
        except OSError:
            pass  # no answer: the operation waits for its permit
        api.wait_for(lambda: main_pid() not in (0, daemon) and api.daemon_answers(), 60, "a new daemon")
        api.wait_for(lambda: not api.request("GET", "/v1/operations?state=running").json["items"], 30, "the end of the operation")
        self.assertEqual(state()[NIC], ("e1000e", None))
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}).status, 200)
        self.assertEqual(api.request("DELETE", BINDING).json["driver"], "e1000e")

    def test_it_ends_with_the_daemon(self):
        keeper = api.keeper_pid()
        self.addCleanup(api.start_daemon_again)
        api.sh("systemctl", "stop", "devbindd")
        api.wait_for(lambda: not pathlib.Path(f"/proc/{keeper}").exists(), 10, "the keeper's end")
