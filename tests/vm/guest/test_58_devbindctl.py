# SPDX-License-Identifier: Apache-2.0
"""The main job by devbindctl alone: looked at, bound, claimed, used by a program, given back; and dpdk-devbind.py's output byte for byte."""

import json
import os
import re
import subprocess
import time
import unittest

import api
import machine

NIC, SECOND, PAIR0, PAIR1 = (machine.DEVICES[name].bdf for name in ("nic0", "nic1", "pair0", "pair1"))
NVME = machine.DEVICES["nvme"].bdf
MANAGEMENT = machine.DEVICES["mgmt"].bdf
CONSUMER = "/usr/libexec/devbindd-tests/descriptor_consumer"
DONE, ERROR, NOTHING, REFUSED, BLOCKED = range(5)


def ctl(*words, status=DONE):
    done = subprocess.run(["devbindctl", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120 * api.PACE)
    if done.returncode != status:
        raise AssertionError(f"devbindctl {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def short(bdf):
    """As people write it: 2:0 for 0000:02:00.0."""
    _, bus, rest = bdf.split(":")
    device, function = rest.split(".")
    return f"{int(bus, 16):x}:{int(device, 16):x}" + ("" if function == "0" else "." + function)


@api.timeout(180)
class MainJob(unittest.TestCase):
    maxDiff = None

    def tearDown(self):
        for bdf in (NIC, SECOND, PAIR0):
            api.request("DELETE", f"/v1/devices/{bdf}/binding?scope=group")

    def test_looks_binds_and_gives_back(self):
        self.assertIn(NIC, ctl("status").stdout)
        self.assertIn("e1000e", ctl("show", short(NIC)).stdout)
        shown = ctl("bind", short(NIC)).stdout
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        self.assertIn(f"/dev/vfio/{api.iommu_group_of(NIC)}", shown)
        self.assertTrue(os.path.exists(f"/dev/vfio/{api.iommu_group_of(NIC)}"))
        self.assertIn("Given back    to e1000e", ctl("show", NIC).stdout)
        ctl("bind", NIC, status=NOTHING)
        ctl("release", short(NIC))
        self.assertEqual(api.driver_of(NIC), "e1000e")

    def test_names_of_interfaces_and_disks(self):
        interface = api.interfaces_of(NIC)[0]
        self.assertEqual(ctl("show", interface, "-o", "name").stdout, NIC + "\n")
        self.assertEqual(ctl("show", "nvme0", "-o", "name").stdout, NVME + "\n")
        self.assertEqual(ctl("show", "nvme0n1", "-o", "name").stdout, NVME + "\n")

    def test_json_is_the_api_s(self):
        for words, path in ((("show", NIC), f"/v1/devices/{NIC}"), (("show", "group:" + str(api.iommu_group_of(NIC))), f"/v1/iommu-groups/{api.iommu_group_of(NIC)}"),
                            (("policy",), "/v1/policies")):
            self.assertEqual(ctl(*words, "-o", "json").stdout, api.request("GET", path).text)

    def test_a_whole_group_and_a_group_by_its_number(self):
        group = api.iommu_group_of(PAIR0)
        shown = ctl("bind", f"group:{group}").stdout
        self.assertIn(PAIR1, shown)
        self.assertEqual((api.driver_of(PAIR0), api.driver_of(PAIR1)), ("vfio-pci", "vfio-pci"))
        self.assertIn("Viable        yes", ctl("show", str(group)).stdout)
        ctl("release", f"group:{group}")
        self.assertEqual((api.driver_of(PAIR0), api.driver_of(PAIR1)), ("e1000", "e1000"))

    def test_the_network_of_the_machine_is_refused(self):
        refused = ctl("bind", MANAGEMENT, status=REFUSED)
        self.assertIn("net.default_route", refused.stderr)
        self.assertIn("To go on all the same: --accept ", refused.stderr)
        ctl("bind", MANAGEMENT, "--accept", "net.default_route,net.address", status=REFUSED)  # nobody to ask
        self.assertEqual(api.driver_of(MANAGEMENT), "virtio-pci")

    def test_a_claim(self):
        shown = ctl("claim", short(NIC), "--ttl", "5m", "-u", "nobody").stdout
        identifier = re.match(r"Claim ([0-9a-f-]{36}) is active", shown).group(1)
        self.assertIn("nobody", ctl("claims").stdout)
        self.assertIn("user:nobody:rw-", api.sh(f"getfacl -p /dev/vfio/{api.iommu_group_of(NIC)}"))
        self.assertEqual(ctl("handover", identifier[:8], "-F", "qemu").stdout, f"-device vfio-pci,host={NIC}\n")
        ctl("release", NIC, status=REFUSED)
        self.assertIn("is released", ctl("release", identifier[:8]).stdout)
        self.assertEqual(api.driver_of(NIC), "e1000e")

    def test_runs_a_consumer_that_opens_nothing_itself(self):
        shown = ctl("run", short(NIC), "--descriptors", "group", "-m", "64M", "--", CONSUMER, "group", "{fd:container}", "{fd:group}", "{device}").stdout
        self.assertEqual(shown.splitlines()[-2:], ["config 8086 10d3", f"mapped {1 << 20}"])
        self.assertEqual(api.driver_of(NIC), "e1000e")
        self.assertEqual(json.loads(ctl("claims", "-f", "state=active,preparing,releasing", "-o", "json").stdout)["items"], [])

    def test_a_consumer_that_outlives_devbindctl_keeps_its_device_until_it_ends(self):
        process = subprocess.Popen(["devbindctl", "run", short(NIC), "--", "sh", "-c", "echo $$; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
        consumer = int(process.stdout.readline())
        process.kill()
        process.wait()
        self.assertEqual(api.driver_of(NIC), "vfio-pci")
        self.assertEqual(json.loads(ctl("claims", "-f", "state=active", "-o", "json").stdout)["items"][0]["request"]["pid"], consumer)
        os.kill(consumer, 15)
        api.wait_for(lambda: api.driver_of(NIC) == "e1000e", what="the device is given back when its consumer ends")

    def test_what_the_kernel_waits_for_is_told(self):
        ctl("bind", NIC)
        command = [api.HOLD_VFIO, str(api.iommu_group_of(NIC)), NIC]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            self.assertEqual([holder.stdout.readline().strip() for _ in range(2)], ["viable=1", "open"])
            self.assertIn("hold_vfio (pid", ctl("release", NIC, status=REFUSED).stderr)
            waiting = ctl("release", NIC, "--accept", "vfio.open", "--yes", "--wait", "20", status=BLOCKED).stderr
            self.assertIn("hold_vfio", waiting)
            holder.stdin.close()
        api.wait_for(lambda: api.driver_of(NIC) == "e1000e", what="it goes on by itself")


@api.timeout(240)
class AsOthers(unittest.TestCase):
    maxDiff = None

    def test_devbind_prints_what_dpdk_devbind_prints(self):
        for before in ((), ("-b", "vfio-pci", NIC)):
            if before:
                ctl("devbind", *before)
                self.addCleanup(api.request, "DELETE", f"/v1/devices/{NIC}/binding")
            for option in (["-s"], ["--status-dev", "net"], ["--status-dev", "crypto"], ["--status-dev", "misc"]):
                script = subprocess.run(["dpdk-devbind.py", *option], stdout=subprocess.PIPE, text=True, check=True, timeout=120 * api.PACE)
                self.assertEqual(ctl("devbind", *option).stdout, script.stdout, option)
        ctl("devbind", "-u", short(NIC) + ".0" if "." not in short(NIC) else short(NIC))
        self.assertIsNone(api.driver_of(NIC))
        ctl("devbind", "-b", "e1000e", NIC)
        self.assertEqual(api.driver_of(NIC), "e1000e")

    def test_driverctl_s_words(self):
        ctl("driverctl", "set-override", NIC, "vfio-pci")
        self.assertEqual(ctl("driverctl", "list-overrides").stdout, f"{NIC} vfio-pci\n")
        self.assertIn(f"{NIC} vfio-pci [*]\n", ctl("driverctl", "list-devices", "network").stdout)
        ctl("driverctl", "unset-override", NIC)
        self.assertEqual(ctl("driverctl", "list-overrides").stdout, "")

    def test_it_is_much_faster_than_the_script(self):
        def fastest(command):
            times = []
            for _ in range(3):
                begin = time.monotonic()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                times.append(time.monotonic() - begin)
            return min(times)

        script, ours = fastest(["dpdk-devbind.py", "-s"]), fastest(["devbindctl", "devbind", "-s"])
        print(f"dpdk-devbind.py -s {script:.3f} s, devbindctl devbind -s {ours:.3f} s: {script / ours:.0f} times")
        self.assertGreater(script, 5 * ours)
