# SPDX-License-Identifier: Apache-2.0
"""The daemon as the administrator meets it: the unit, restarts, options, and what others do behind its back."""

import json
import os
import pathlib
import re
import unittest

import api
import machine

NIC = machine.DEVICES["nic0"].bdf
BINDING = f"/v1/devices/{NIC}/binding"


class Unit(unittest.TestCase):
    def capabilities(self, pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return {name: int(re.search(rf"{name}:\t(\w+)", status).group(1), 16) for name in ("CapBnd", "CapPrm", "CapEff", "CapAmb", "CapInh")}

    def test_the_process_that_parses_http_has_no_right(self):
        pid = api.sh("systemctl show -p MainPID --value devbindd").strip()
        self.assertEqual(set(self.capabilities(pid).values()), {0})
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        uid = api.sh("id", "-u", "devbindd").strip()
        self.assertEqual(re.search(r"Uid:\t(.+)", status).group(1).split(), [uid] * 4)
        self.assertNotEqual(uid, "0")

    def test_what_has_rights_has_five_capabilities(self):
        bounding = self.capabilities(api.keeper_pid())["CapBnd"]
        dac_read_search, net_admin, sys_ptrace, sys_admin, syslog = 2, 12, 19, 21, 34
        self.assertEqual(bounding, 1 << dac_read_search | 1 << net_admin | 1 << sys_ptrace | 1 << sys_admin | 1 << syslog)

    def test_the_unit_file_is_good_and_scores_well(self):
        self.assertEqual(api.sh("systemd-analyze", "verify", "devbindd.service").strip(), "")
        self.assertEqual(api.sh("systemd-analyze", "verify", "devbindd-keeper@.service").strip(), "")
        api.sh("systemd-analyze", "security", "--offline=true", "--threshold=20", "devbindd.service")
        api.sh("systemd-analyze", "security", "--offline=true", "--threshold=31", "devbindd-keeper@.service")

    def test_a_module_is_loaded_on_demand_by_systemd(self):
        api.sh("modprobe -r pci_stub")
        self.assertFalse((api.PCI / "drivers/pci-stub").exists())
        answer = api.request("PUT", BINDING, {"driver": "pci-stub"})
        self.assertEqual((answer.status, answer.json["driver"]), (200, "pci-stub"), answer)
        self.assertEqual(api.request("DELETE", BINDING).json["driver"], "e1000e")

    def test_what_it_remembers_survives_a_restart(self):
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}).status, 200)
        api.sh("systemctl", "restart", "devbindd")
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        shown = api.request("GET", BINDING).json
        self.assertEqual((shown["original"]["driver"], shown["driver_override_set_by"]), ("e1000e", "devbindd"))
        self.assertEqual(api.request("DELETE", BINDING).json["driver"], "e1000e")
        self.assertIsNone(api.override_of(NIC))

    def test_it_survives_a_kill_and_still_gives_back(self):
        self.assertEqual(api.request("PUT", BINDING, {"driver": "vfio-pci"}).status, 200)
        api.sh("systemctl kill -s KILL --kill-who=main devbindd")
        api.wait_for(api.daemon_answers, 30, "the restarted daemon")
        self.assertEqual(api.request("DELETE", BINDING).json["driver"], "e1000e")

    def test_no_worker_outlives_a_stop(self):
        self.addCleanup(api.start_daemon_again)
        self.assertTrue(api.sh("pgrep", "-x", "devbindd-worker"))
        api.sh("systemctl", "stop", "devbindd")
        api.wait_for(lambda: not api.sh("pgrep", "-x", "devbindd-worker", check=False), 10, "workers gone")


class Options(unittest.TestCase):
    def run_daemon(self, *options):
        return api.sh("/usr/sbin/devbindd", *options, check=False, timeout=30)

    def test_check_config_names_what_is_wrong(self):
        bad = pathlib.Path("/tmp/bad.json")
        bad.write_text('{ "tcp": { "prot": 1 } } // comment\n')
        self.assertIn("/tcp/prot", self.run_daemon("--config", str(bad), "--check-config"))
        self.assertIn("good", self.run_daemon("--check-config"))

    def test_what_other_tools_were_told_is_imported(self):
        files = {pathlib.Path("/etc/driverctl.d/pci-0000:02:00.0"): "vfio-pci\n", pathlib.Path("/etc/modprobe.d/zz.conf"): "options vfio-pci ids=8086:10d3\n"}
        for path, text in files.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            self.addCleanup(path.unlink)
        imported = self.run_daemon("--import-policies")
        self.assertEqual([policy["selector"] for policy in json.loads(imported)["policies"]],
                         [{"address": "0000:02:00.0"}, {"vendor": "8086", "device": "10d3"}])
        good = pathlib.Path("/tmp/imported.json")
        good.write_text(imported)
        self.assertIn("good", self.run_daemon("--config", str(good), "--check-config"))

    def test_read_only_shows_everything_and_changes_nothing(self):
        path = "/tmp/read-only.sock"
        unit = "read-only"
        api.sh("systemd-run", "--quiet", f"--unit={unit}", "/usr/sbin/devbindd", "--read-only", "--socket", path)
        self.addCleanup(api.sh, "systemctl", "stop", unit)
        api.wait_for(lambda: os.path.exists(path), 20, "the socket")
        ask = lambda *arguments: api.request(*arguments, socket_path=path)  # noqa: E731
        self.assertEqual(ask("GET", f"/v1/devices/{NIC}").json["driver"], "e1000e")
        self.assertEqual(ask("PUT", BINDING, {"driver": "vfio-pci"}).json["code"], "read_only")
        self.assertEqual(ask("PUT", BINDING + "?dry_run=true", {"driver": "vfio-pci"}).json["would"], "change")
        self.assertEqual(api.driver_of(NIC), "e1000e")


class OutsideChanges(unittest.TestCase):
    def test_an_unbind_by_hand_shows_in_the_very_next_answer(self):
        for _ in range(5):
            api.write_sysfs("/sys/bus/pci/drivers/e1000e/unbind", NIC)
            self.assertIsNone(api.request("GET", f"/v1/devices/{NIC}").json["driver"])
            api.write_sysfs("/sys/bus/pci/drivers/e1000e/bind", NIC)
            self.assertEqual(api.request("GET", f"/v1/devices/{NIC}").json["driver"], "e1000e")

    @api.timeout(120)
    def test_hot_plugged_devices_come_and_go(self):
        bus = machine.ROOT_PORTS[machine.SPARE_PORTS[0]][1]
        bdf = f"0000:{bus:02x}:00.0"
        api.qmp("device_add", driver="e1000e", id="plugged", bus=machine.SPARE_PORTS[0], romfile="")
        api.wait_for(lambda: api.request("GET", f"/v1/devices/{bdf}").status == 200, 40, "the plugged NIC")
        api.unplug("plugged", bdf)
        self.assertEqual(api.request("GET", f"/v1/devices/{bdf}").status, 404)
