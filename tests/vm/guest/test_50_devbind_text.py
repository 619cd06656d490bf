# SPDX-License-Identifier: Apache-2.0
"""The text of /v1/devices is the text of `dpdk-devbind.py -s`, byte for byte, whatever is bound to what."""

import subprocess
import unittest

import api
import machine

NIC = machine.DEVICES["nic0"].bdf
OTHER = machine.DEVICES["nic1"].bdf


@api.timeout(150)
class Text(unittest.TestCase):
    maxDiff = None

    def assert_same(self):
        ours = api.request("GET", "/v1/devices", headers={"Accept": "text/plain"})
        self.assertTrue(ours.headers["content-type"].startswith("text/plain"))
        script = subprocess.run(["dpdk-devbind.py", "-s"], stdout=subprocess.PIPE, text=True, check=True, timeout=120 * api.PACE)
        self.assertEqual(ours.text, script.stdout)

    def test_with_everything_on_its_kernel_driver(self):
        self.assert_same()

    def test_with_one_nic_on_vfio_one_unbound_and_routes(self):
        pair = api.interfaces_of(machine.DEVICES["pair0"].bdf)[0]
        api.sh(f"ip link set {pair} up; ip address add 10.8.0.1/24 dev {pair}")
        self.addCleanup(api.sh, f"ip address flush dev {pair}; ip link set {pair} down")
        self.assertEqual(api.request("PUT", f"/v1/devices/{NIC}/binding", {"driver": "vfio-pci"}).status, 200)
        self.assertEqual(api.request("PUT", f"/v1/devices/{OTHER}/binding", {"driver": None}).status, 200)
        try:
            self.assert_same()
        finally:
            for bdf in (NIC, OTHER):
                self.assertEqual(api.request("DELETE", f"/v1/devices/{bdf}/binding").status, 200)
