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


class Firmware(unittest.TestCase):
    """The firmware's table DMAR, as the kernel has read it: everything that its log says of it, and nothing else."""

    def lines_of_the_log(self):
        """What the answer's text must have, made of the kernel's own lines."""
        log = api.sh("dmesg", "--notime").splitlines() if "--notime" in api.sh("dmesg", "--help") else [line.partition("] ")[2] for line in api.sh("dmesg").splitlines()]
        text = "\n".join(log)
        wanted = []
        address, length, revision, oem, table = re.search(r"^ACPI: DMAR 0x([0-9A-F]+) ([0-9A-F]+) \((v\d+) (.{6}) (.{8}) ", text, re.MULTILINE).groups()
        first = int(address, 16)
        last = first + int(length, 16) - 1
        self.assertRegex(text, rf"(?m)^ACPI: Reserving DMAR table memory at \[mem 0x{first:x}-0x{last:x}\]$")
        wanted.append(f"ACPI: DMAR 0x{first:x} {length} ({revision} {oem.strip()} {table.strip()}); Reserving DMAR table memory at 0x{first:x}-0x{last:x}")
        registers = {int(base, 16): (number, found) for number, base, found in re.findall(r"^DMAR: dmar(\d+): reg_base_addr ([0-9a-f]+) (ver .*)$", text, re.MULTILINE)}
        for line in log:
            if found := re.fullmatch(r"DMAR: DRHD base: 0x([0-9a-f]+) flags: (0x[0-9a-f]+)", line):
                wanted.append(f"DMAR: DRHD base 0x{int(found[1], 16):x} flags {found[2]}: {registers[int(found[1], 16)][1]}")
            elif found := re.fullmatch(r"DMAR: RMRR base: 0x([0-9a-f]+) end: 0x([0-9a-f]+)", line):
                wanted.append(f"DMAR: RMRR base 0x{int(found[1], 16):x} end 0x{int(found[2], 16):x}")
            elif found := re.fullmatch(r"DMAR: (ATSR|SATC) flags: (0x[0-9a-f]+)", line):
                wanted.append(f"DMAR: {found[1]} flags {found[2]}")
            elif found := re.fullmatch(r"DMAR-IR: (IOAPIC|HPET) id (\d+) under DRHD base\s+(0x[0-9a-f]+)( IOMMU \d+)?", line):
                wanted.append(f"DMAR-IR: {found[1]} id {found[2]} under DRHD base {found[3]}{found[4] or ''}")
            elif re.fullmatch(r"DMAR: Host address width \d+|DMAR-IR: Enabled IRQ remapping in x?2?apic mode", line):
                wanted.append(line)
        return wanted

    def test_the_answer_says_what_the_kernel_logged_and_nothing_else(self):
        wanted = self.lines_of_the_log()
        self.assertTrue({"DMAR: Host", "DMAR: DRHD", "DMAR-IR: IOAPIC", "DMAR-IR: Enabled"} <= {" ".join(line.split()[:2]) for line in wanted}, wanted)
        shown = []
        for line in get("/v1/iommus", headers={"Accept": "text/plain"}).splitlines():
            prefix, _, rest = line.partition(": ")
            if prefix == "DMAR-IR":  # several sentences share a line
                shown += [f"DMAR-IR: {sentence}" for sentence in rest.split("; ")]
            elif prefix in ("ACPI", "DMAR"):
                shown.append(line)
        self.assertEqual(sorted(shown), sorted(wanted))

    def test_each_part_is_in_the_answer(self):
        shown = get("/v1/iommus")
        (table,) = shown["firmware"]["tables"]
        raw = pathlib.Path("/sys/firmware/acpi/tables/DMAR").read_bytes()
        self.assertEqual((table["signature"], table["length"], table["revision"], table["problems"], table["checksum_right"], table["error"]),
                         ("DMAR", len(raw), raw[8], [], True, None))
        self.assertEqual(table["host_address_width"], raw[36] + 1)
        self.assertIn("interrupt_remapping", table["flags"])
        unit = shown["items"][0]
        self.assertEqual((unit["firmware"]["base"], unit["firmware"]["kind"]), (unit["intel"]["address"], "drhd"))
        self.assertEqual(shown["translation"]["interrupt_remapping_mode"], re.search(r"Enabled IRQ remapping in (\w+) mode", api.sh("dmesg"))[1])
        self.assertIn("log", shown["translation"]["interrupt_remapping_source"])
        devices = [address for scope in unit["firmware"]["scopes"] for address in scope["devices"]]
        self.assertTrue(all((api.PCI / "devices" / address).exists() for address in devices), devices)
        self.assertEqual(shown["firmware"]["reserved_memory"], [])
        group = get(f"/v1/iommu-groups/{api.iommu_group_of(NIC)}")
        self.assertEqual((group["refused_because"], [region["firmware"] for region in group["reserved_regions"]]), (None, [None] * len(group["reserved_regions"])))


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
