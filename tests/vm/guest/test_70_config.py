# SPDX-License-Identifier: Apache-2.0
"""Configuration space of every device of the machine: the bytes as in sysfs, the decoding as lspci says, and what is said
without the right to read all of it."""

import base64
import pathlib
import re
import sys
import unittest

import api
import machine

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "sysfs"))
import lspci_text  # noqa: E402

NIC = machine.DEVICES["nic0"].bdf
DROP_IN = "/run/systemd/system/devbindd-keeper@.service.d/privileges.conf"


def devices():
    return sorted(path.name for path in (api.PCI / "devices").iterdir())


def config_of(bdf):
    answer = api.request("GET", f"/v1/devices/{bdf}/config")
    if answer.status != 200:
        raise AssertionError(f"{bdf}: {answer}")
    return answer.json


def without_status(data):
    """The bytes without the registers that change by themselves: status, interrupt line, and the link's and device's status."""
    return data[:6] + bytes(2) + data[8:0x40]


def has_memory_bar(bdf):
    """As the kernel says: of a virtual function the registers are empty."""
    lines = (api.PCI / "devices" / bdf / "resource").read_text().splitlines()[:6]
    return any(int(line.split()[2], 16) & 0x200 for line in lines)


class Whole(unittest.TestCase):
    @api.timeout(180)
    def test_every_device_is_decoded_as_lspci_does(self):
        self.assertEqual(api.sh("lspci", "--version").strip(), "lspci version 3.9.0")
        compared = 0
        for bdf in devices():
            with self.subTest(bdf):
                config = config_of(bdf)
                self.assertTrue(config["complete"], config["missing"])
                self.assertEqual(config["problems"], [])
                shown = api.sh("lspci", "-D", "-nn", "-vvv", "-s", bdf)
                self.assertEqual(lspci_text.differences(config, bdf, shown, memory_bar=has_memory_bar(bdf)), [], shown)
                compared += len(config["capabilities"]) + len(config["extended_capabilities"])
        self.assertGreater(compared, 60)

    @api.timeout(120)
    def test_the_bytes_are_those_of_the_kernel(self):
        for bdf in devices():
            with self.subTest(bdf):
                config = config_of(bdf)
                data = base64.b64decode(config["data_base64"])
                file = (api.PCI / "devices" / bdf / "config").read_bytes()
                self.assertEqual((config["size"], config["bytes_read"]), (len(file), len(file)))
                self.assertEqual(without_status(data), without_status(file))
                changed = [at for at in range(0x40, len(file)) if data[at] != file[at]]
                self.assertLess(len(changed), 8, changed)

    @api.timeout(120)
    def test_virtual_functions_are_decoded_too(self):
        controller = machine.DEVICES["sriov"].bdf
        folder = api.PCI / "devices" / controller
        self.addCleanup(api.write_sysfs, folder / "sriov_drivers_autoprobe", "1")
        api.write_sysfs(folder / "sriov_drivers_autoprobe", "0")
        self.addCleanup(api.write_sysfs, folder / "sriov_numvfs", "0")
        api.write_sysfs(folder / "sriov_numvfs", "2")
        sriov = next(item for item in config_of(controller)["extended_capabilities"] if item["name"] == "sriov")
        self.assertEqual((sriov["fields"]["total_vfs"], sriov["fields"]["num_vfs"]), (8, 2))
        function = (folder / "virtfn1").resolve().name
        config = config_of(function)
        shown = api.sh("lspci", "-D", "-nn", "-vvv", "-s", function)
        self.assertEqual(lspci_text.differences(config, function, shown, memory_bar=has_memory_bar(function)), [], shown)
        self.assertIn("exp", [item["name"] for item in config["capabilities"]])

    def test_the_text_is_that_of_lspci(self):
        answer = api.request("GET", f"/v1/devices/{NIC}/config", headers={"Accept": "text/plain"})
        self.assertEqual(answer.status, 200)
        rows = [line for line in answer.text.splitlines() if re.match(r"[0-9a-f]+: ", line)]
        wanted = [line for line in api.sh("lspci", "-xxxx", "-s", NIC).splitlines() if re.match(r"[0-9a-f]+: ", line)]
        self.assertEqual(len(rows), 256)
        self.assertEqual([row[:5] for row in rows], [row[:5] for row in wanted])
        self.assertLess(sum(row != other for row, other in zip(rows, wanted)), 4)
        dump = pathlib.Path("/tmp/config.txt")
        dump.write_text(answer.text)
        self.assertIn("Express (v1) Endpoint", api.sh("lspci", "-F", str(dump), "-vv"))

    def test_a_device_that_is_not_there(self):
        answer = api.request("GET", "/v1/devices/0000:7f:00.0/config")
        self.assertEqual((answer.status, answer.json["code"]), (404, "device_not_found"))


class WithoutPrivilege(unittest.TestCase):
    @api.timeout(120)
    def test_an_answer_without_the_capability_says_what_is_missing(self):
        def restore():
            drop_in.unlink(missing_ok=True)
            api.sh("systemctl daemon-reload && systemctl restart devbindd")
            api.wait_for(api.daemon_answers, 30, "the daemon with all its capabilities")

        drop_in = pathlib.Path(DROP_IN)
        self.addCleanup(restore)
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text("[Service]\nCapabilityBoundingSet=\nCapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_SYSLOG\n")
        api.sh("systemctl daemon-reload && systemctl restart devbindd")
        api.wait_for(api.daemon_answers, 30, "the daemon without CAP_SYS_ADMIN")
        config = config_of(NIC)
        self.assertEqual((config["complete"], config["size"], config["bytes_read"]), (False, 4096, 64))
        self.assertEqual(config["missing"]["code"], "privilege")
        self.assertIn("CAP_SYS_ADMIN", config["missing"]["detail"])
        self.assertEqual((config["capabilities"], config["extended_capabilities"]), (None, None))
        self.assertEqual([problem["code"] for problem in config["problems"]], ["truncated", "truncated"])
        self.assertEqual(config["header"]["device"], "10d3")
        text = api.request("GET", f"/v1/devices/{NIC}/config", headers={"Accept": "text/plain"}).text
        self.assertIn("only the first 64 of 4096 bytes", text)
