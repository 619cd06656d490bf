# SPDX-License-Identifier: Apache-2.0
"""What is told about devices, groups, IOMMUs and the host: as sysfs has it, and without changing anything."""

import os
import pathlib
import re
import unittest

import api
import machine

NIC = machine.DEVICES["nic0"].bdf
NVME = machine.DEVICES["nvme"].bdf
SRIOV = machine.DEVICES["sriov"].bdf
PAIR = machine.DEVICES["pair0"].bdf
LISTS = ("/v1/devices", "/v1/iommu-groups", "/v1/iommus", "/v1/drivers", "/v1/operations", f"/v1/devices/{NIC}/regions", f"/v1/devices/{NIC}/irqs")


def get(path, **more):
    answer = api.request("GET", path, timeout=60, **more)
    if answer.status != 200:
        raise AssertionError(f"{path}: {answer}")
    return answer.json if answer.json is not None else answer.text


def ask_iommu(**body):
    answer = api.request("POST", "/v1/vfio/probe", body, timeout=60)
    if answer.status != 200:
        raise AssertionError(str(answer))
    return answer.json


def folder(bdf):
    return api.PCI / "devices" / bdf


class Device(unittest.TestCase):
    def test_link_power_and_resets_are_those_of_sysfs(self):
        shown = get(f"/v1/devices/{NIC}")
        self.assertEqual(shown["link"]["max_speed"], api.attribute(NIC, "max_link_speed"))
        self.assertEqual(shown["link"]["current_width"], int(api.attribute(NIC, "current_link_width")))
        self.assertEqual(shown["power"]["state"], api.attribute(NIC, "power_state"))
        self.assertEqual(shown["reset_methods"], api.attribute(NIC, "reset_method").split())
        self.assertEqual(shown["local_cpus"], api.attribute(NIC, "local_cpulist"))
        self.assertEqual(shown["upstream"], [(folder(NIC).resolve().parent).name])
        self.assertEqual(shown["aer"]["correctable"]["TOTAL_ERR_COR"], 0)
        self.assertEqual({item["irq"] for item in shown["msi_irqs"]}, {int(name) for name in os.listdir(folder(NIC) / "msi_irqs")})

    def test_alternative_names_are_shown_and_found(self):
        nic = api.interfaces_of(NIC)[0]
        api.sh("ip", "link", "property", "add", "dev", nic, "altname", "uplink-of-the-second-floor", "altname", "up2")
        try:
            shown = get(f"/v1/devices/{NIC}")["interface_details"]
            found = [item["address"] for item in get("/v1/devices?search=Second-Floor")["items"]]
        finally:
            api.sh("ip", "link", "property", "del", "dev", nic, "altname", "uplink-of-the-second-floor", "altname", "up2")
        (details,) = [item for item in shown if item["name"] == nic]
        self.assertLessEqual({"uplink-of-the-second-floor", "up2"}, set(details["alternative_names"]), shown)
        self.assertEqual(found, [NIC])
        self.assertEqual(get("/v1/devices?search=second-floor")["items"], [])

    def test_the_serial_number_is_that_of_lspci(self):
        shown = get(f"/v1/devices/{NIC}")
        found = re.search(r"Device Serial Number ([0-9a-f-]+)", api.sh("lspci", "-vv", "-s", NIC))
        self.assertEqual(shown["device_serial_number"], found[1])

    def test_what_the_driver_made_of_it(self):
        children = {(child["class"], child["name"]) for child in get(f"/v1/devices/{NVME}")["children"]}
        disks = {("block", path.name) for path in pathlib.Path("/sys/class/block").iterdir() if NVME in str(path.resolve())}
        self.assertTrue(disks and disks <= children, children)
        self.assertIn(("net", api.interfaces_of(NIC)[0]), {(child["class"], child["name"]) for child in get(f"/v1/devices/{NIC}")["children"]})

    def test_bars_are_those_of_the_kernels_resource_file(self):
        for bdf in sorted(path.name for path in (api.PCI / "devices").iterdir()):
            lines = [tuple(int(word, 16) for word in line.split()) for line in (folder(bdf) / "resource").read_text().splitlines()]
            wanted = [(index, last - start + 1) for index, (start, last, flags) in enumerate(lines[:6]) if flags and last > start]
            shown = get(f"/v1/devices/{bdf}")
            self.assertEqual([(bar["index"], bar["size"]) for bar in shown["bars"]], wanted, bdf)
        bars = get(f"/v1/devices/{SRIOV}")["vf_bars"]
        self.assertEqual([bar["size"] // bar["size_per_vf"] for bar in bars], [8])

    def test_the_physical_slot(self):
        self.assertEqual(get(f"/v1/devices/{NVME}")["slot"], "4")

    def test_a_card_without_vital_product_data_says_so(self):
        vpd = get(f"/v1/devices/{NIC}?vpd=true")["vital_product_data"]
        self.assertIn("no vital product data", vpd["error"])


class Changes(unittest.TestCase):
    @api.timeout(180)
    def test_no_report_changes_a_device(self):
        """Of every device: driver, override, enable count, power state, runtime status; and the kernel log says nothing of a reset."""
        names = ("enable", "power_state", "power/runtime_status", "power/control", "d3cold_allowed", "driver_override")

        def state():
            found = {}
            for path in sorted((api.PCI / "devices").iterdir()):
                found[path.name] = [(path / name).read_text() if (path / name).exists() else None for name in names]
                found[path.name].append(api.driver_of(path.name))
            return found

        api.request("PUT", f"/v1/devices/{NIC}/binding", {"driver": "vfio-pci"}, timeout=60)  # an idle one, in D3hot
        self.addCleanup(api.request, "DELETE", f"/v1/devices/{NIC}/binding", timeout=60)
        api.wait_for(lambda: api.attribute(NIC, "power/runtime_status") == "suspended", 20, "the idle device's sleep")
        # Others that were used a moment ago go to sleep as well: a USB controller after two seconds.
        before = api.wait_for(lambda: api.lasting(state, 4), 60, "a state of all devices that lasts")
        modules = pathlib.Path("/proc/modules").read_text().split("\n")
        log = len(api.sh("dmesg").splitlines())
        for bdf in before:
            for part in ("", "/config", "/regions", "/irqs", "/binding"):
                get(f"/v1/devices/{bdf}{part}")
        for path in (*LISTS, "/v1/vfio", "/v1/doctor", *(f"/v1/iommu-groups/{group['iommu_group']}" for group in get("/v1/iommu-groups")["items"])):
            get(path)
        try:  # a read may have woken the sleeping device for a moment
            api.wait_for(lambda: state() == before, 20, "the same state as before")
        except AssertionError:
            self.assertEqual(state(), before)
        self.assertEqual({line.split()[0] for line in pathlib.Path("/proc/modules").read_text().split("\n") if line}, {line.split()[0] for line in modules if line})
        self.assertNotRegex("\n".join(api.sh("dmesg").splitlines()[log:]), "reset|vfio-pci")


class Groups(unittest.TestCase):
    def test_the_bridge_that_merges_a_group_is_named(self):
        group = get(f"/v1/iommu-groups/{api.iommu_group_of(PAIR)}")
        self.assertEqual([(merge["kind"], merge["bridge"]) for merge in group["merged_by"]], [("requester_alias", machine.DEVICES["bridge"].bdf)])
        self.assertEqual(len(group["merged_by"][0]["members"]), 3)

    def test_functions_without_access_control_are_named(self):
        lpc = "0000:00:1f.0"
        merges = get(f"/v1/iommu-groups/{api.iommu_group_of(lpc)}")["merged_by"]
        self.assertEqual([merge["kind"] for merge in merges], ["functions_without_acs"])
        self.assertIn(lpc, merges[0]["members"])

    def test_a_group_of_one_has_no_such_reason(self):
        self.assertEqual(get(f"/v1/iommu-groups/{api.iommu_group_of(NVME)}")["merged_by"], [])

    def test_the_reserved_regions_are_those_of_sysfs(self):
        number = api.iommu_group_of(NIC)
        lines = pathlib.Path(f"/sys/kernel/iommu_groups/{number}/reserved_regions").read_text().splitlines()
        shown = get(f"/v1/iommu-groups/{number}")["reserved_regions"]
        self.assertEqual([(int(item["start"], 16), int(item["end"], 16), item["kind"]) for item in shown],
                         [(int(start, 16), int(end, 16), kind) for start, end, kind in map(str.split, lines)])

    @api.timeout(120)
    def test_who_has_it_open_is_named(self):
        self.assertEqual(api.request("PUT", f"/v1/devices/{NIC}/binding", {"driver": "vfio-pci"}, timeout=60).status, 200)
        holder = api.Holder(NIC)
        try:
            processes = get(f"/v1/iommu-groups/{api.iommu_group_of(NIC)}")["processes"]
            self.assertEqual({process["pid"] for process in processes}, {holder.pid})
        finally:
            holder.release()
            api.request("DELETE", f"/v1/devices/{NIC}/binding", timeout=60)


class Host(unittest.TestCase):
    def test_the_iommu_is_decoded(self):
        shown = get("/v1/iommus")
        self.assertEqual((shown["translation"]["on"], shown["translation"]["interrupt_remapping"], shown["translation"]["why_off"]), (True, True, None))
        unit = shown["items"][0]
        raw = pathlib.Path("/sys/class/iommu/dmar0/intel-iommu")
        self.assertEqual((unit["name"], int(unit["intel"]["cap"], 16)), ("dmar0", int((raw / "cap").read_text(), 16)))
        # As the machine is made: 48 bits of address width, caching mode, interrupt remapping.
        self.assertEqual(unit["intel"]["capabilities"]["address_widths"], [39, 48])
        self.assertTrue(unit["intel"]["capabilities"]["caching_mode"] and unit["intel"]["capabilities"]["interrupt_remapping"])
        self.assertIn(NIC, unit["devices"])

    @api.timeout(120)
    def test_vfio_tells_what_the_iommu_maps_through_an_idle_group(self):
        self.assertIn("no device", ask_iommu()["iommu_error"])
        self.assertEqual(api.request("PUT", f"/v1/devices/{NIC}/binding", {"driver": "vfio-pci"}, timeout=60).status, 200)
        self.addCleanup(api.request, "DELETE", f"/v1/devices/{NIC}/binding", timeout=60)
        log = len(api.sh("dmesg").splitlines())
        iommu = ask_iommu(way="group")["iommu"]
        self.assertEqual((iommu["device"], iommu["way"], iommu["dma_mappings_available"]), (NIC, "group", 65535))
        self.assertIn("0x1000", iommu["page_sizes"])
        self.assertFalse([window for window in iommu["iova_ranges"] if int(window["start"], 16) <= 0xfee00000 <= int(window["end"], 16)])
        self.assertNotIn("reset", "\n".join(api.sh("dmesg").splitlines()[log:]))
        if os.path.exists("/dev/iommu"):
            by_node = ask_iommu(way="cdev")["iommu"]
            self.assertEqual((by_node["way"], by_node["hardware"], by_node["iova_alignment"]), ("cdev", "intel_vtd", 4096))
            self.assertEqual(by_node["iova_ranges"], iommu["iova_ranges"])
        else:
            self.assertTrue({item["name"]: item["present"] for item in iommu["extensions"]}["update_vaddr"])
            self.assertIn("no device", ask_iommu(way="cdev")["iommu_error"])

    def test_the_doctor_finds_this_host_fit(self):
        doctor = get("/v1/doctor")
        verdicts = {check["id"]: check["verdict"] for check in doctor["checks"]}
        self.assertNotIn("fail", verdicts.values(), doctor)
        self.assertEqual({verdicts[name] for name in ("iommu.present", "iommu.interrupt_remapping", "vfio.modules", "devices.unbinding", "devices.overrides")}, {"pass"})
        report = get("/v1/doctor", headers={"Accept": "text/plain"})
        self.assertIn("[ ok ] IOMMU\n", report)

    def test_the_doctor_finds_a_stale_override(self):
        edu = machine.DEVICES["edu"].bdf
        api.write_sysfs(folder(edu) / "driver_override", "nothing-of-that-name")
        self.addCleanup(api.write_sysfs, folder(edu) / "driver_override", "\n")
        check = next(check for check in get("/v1/doctor")["checks"] if check["id"] == "devices.overrides")
        self.assertEqual(check["verdict"], "warn")
        self.assertIn(edu, check["detail"])

    def test_every_list_is_a_table_that_fits(self):
        for path in LISTS:
            with self.subTest(path):
                text = get(path, headers={"Accept": "text/plain"})
                self.assertGreater(len(text.splitlines()), 1)
                if path != "/v1/devices":  # that one is the text of dpdk-devbind.py
                    self.assertLessEqual(max(map(len, text.splitlines())), 120, text)
