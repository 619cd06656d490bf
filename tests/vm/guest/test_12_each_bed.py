# SPDX-License-Identifier: Apache-2.0
"""The main job on every machine there is (beds.py): what must be the same whatever processor, kernel and IOMMU it has, and
what is refused where it cannot be. Each test notes what came out of it (tests/matrix/run makes a table of that)."""

import contextlib
import os
import pathlib
import subprocess
import unittest

import api
import beds
import machine
import runner
import test_33_claims as claims
import test_80_regions as regions

IOMMU = "any"
BED = beds.BEDS[runner.asked()["iommu"]]
NIC, PAIR, PF = (machine.DEVICES[name].bdf for name in ("nic0", "pair0", "sriov"))
VFIO = {"driver": "vfio-pci"}
SCRIPT_SECONDS = 150  # of dpdk-devbind.py, which starts lspci for each device


def note(scenario, outcome):
    """A line for the table: what came out where it went right."""
    runner.report(f"note matrix {scenario}: {outcome}")


def get(path, **more):
    answer = api.request("GET", path, timeout=60, **more)
    if answer.status != 200:
        raise AssertionError(f"{path}: {answer}")
    return answer.json if answer.json is not None else answer.text


def binding(bdf):
    return f"/v1/devices/{bdf}/binding"


def bind(bdf, **more):
    return api.request("PUT", binding(bdf), VFIO | more, timeout=90)


def functions():
    """Addresses of everything that is no bridge."""
    found = sorted(path.name for path in (api.PCI / "devices").iterdir())
    return [bdf for bdf in found if not api.attribute(bdf, "class").startswith("0x06")]


def node_of(bdf):
    """The name of the group's node in /dev/vfio."""
    return f"noiommu-{api.iommu_group_of(bdf)}" if BED.kind == "no-iommu" else str(api.iommu_group_of(bdf))


class Case(unittest.TestCase):
    """Gives back what it has taken, and looks that all is as before."""

    devices = (NIC,)

    def setUp(self):
        present = [bdf for bdf in self.devices if api.exists(bdf)]
        self.before = {bdf: (api.driver_of(bdf), api.override_of(bdf), len(api.interfaces_of(bdf))) for bdf in present}

    def tearDown(self):
        for bdf in self.before:
            api.request("DELETE", binding(bdf), timeout=60)

    def assert_given_back(self):
        api.sh("udevadm", "settle", "--timeout=60", timeout=70)
        now = {bdf: (api.driver_of(bdf), api.override_of(bdf), len(api.interfaces_of(bdf))) for bdf in self.before}
        self.assertEqual(now, self.before)

    def accept(self):
        """What a body needs where there is no isolation, and the administrator has said that there need not be any."""
        return {"accept_risks": ["iommu.absent"]} if BED.kind == "no-iommu" else {}

    def skip_where_nothing_is_isolated(self, scenario):
        """True where VFIO cannot work; the test of the refusal is another one."""
        if BED.kind == "off":
            note(scenario, "refused, as it must be")
            return True
        return False


class Told(Case):
    """What is said of the host is what the kernel says."""

    def test_every_device_is_listed_with_its_driver_and_group(self):
        items = get("/v1/devices?page_size=200&fields=address,driver,iommu_group")["items"]
        wanted = {path.name: (api.driver_of(path.name), api.iommu_group_of(path.name)) for path in (api.PCI / "devices").iterdir()}
        self.assertEqual({item["address"]: (item["driver"], item["iommu_group"]) for item in items}, wanted)
        note("list", f"{len(wanted)} devices")
        note("kernel", os.uname().release)

    def test_every_function_has_its_report(self):
        for bdf in functions():
            with self.subTest(bdf):
                shown = get(f"/v1/devices/{bdf}")
                lines = [[int(word, 16) for word in line.split()] for line in (api.PCI / "devices" / bdf / "resource").read_text().splitlines()]
                bars = [(index, first, last - first + 1) for index, (first, last, flags) in enumerate(lines[:6]) if flags]
                self.assertEqual([(bar["index"], int(bar["address"], 16), bar["size"]) for bar in shown["bars"]], bars)
                self.assertEqual(shown["class"], api.attribute(bdf, "class").removeprefix("0x"))
                for part in ("config", "regions", "irqs", "usage"):
                    get(f"/v1/devices/{bdf}/{part}")
        note("report", "as sysfs")

    def test_groups_and_units_are_those_of_the_kernel(self):
        folder = pathlib.Path("/sys/kernel/iommu_groups")
        shown = {group["iommu_group"]: sorted(member["address"] for member in group["members"]) for group in get("/v1/iommu-groups?page_size=200")["items"]}
        self.assertEqual(shown, {int(path.name): sorted(os.listdir(path / "devices")) for path in folder.iterdir()})
        units = get("/v1/iommus")
        self.assertEqual(sorted(unit["name"] for unit in units["items"]), sorted(os.listdir("/sys/class/iommu")))
        self.assertEqual([name for name in os.listdir("/sys/class/iommu") if BED.unit and name.startswith(BED.unit)] != [], bool(BED.unit))
        self.assertEqual(units["translation"]["on"], bool(BED.unit), units["translation"])
        for group in shown:
            told = get(f"/v1/iommu-groups/{group}")
            self.assertNotIn("unexplained", [merge["kind"] for merge in told["merged_by"]], told)
            if len(shown[group]) > 1 and BED.kind == "on":
                self.assertTrue(told["merged_by"], told)
        note("groups", f"{len(shown)} groups" + (f", {', '.join(unit['name'] for unit in units['items'])}" if BED.unit else ""))

    @api.timeout(2 * SCRIPT_SECONDS)
    def test_the_text_is_that_of_dpdk_devbind(self):
        ours = get("/v1/devices", headers={"Accept": "text/plain"})
        script = subprocess.run(["dpdk-devbind.py", "-s"], stdout=subprocess.PIPE, text=True, check=True, timeout=SCRIPT_SECONDS * api.PACE)
        self.assertEqual(ours, script.stdout)
        note("text", "equal to dpdk-devbind.py -s")

    def test_the_doctor_says_whether_vfio_can_work(self):
        checks = {check["id"]: check for check in get("/v1/doctor")["checks"]}
        verdicts = {name: check["verdict"] for name, check in checks.items()}
        self.assertEqual(verdicts["iommu.present"], "pass" if BED.unit else "fail", checks["iommu.present"])
        if BED.kind == "on":
            self.assertNotIn("fail", verdicts.values(), checks)
        note("doctor", "fit" if "fail" not in verdicts.values() else "not fit: " + ", ".join(name for name, verdict in verdicts.items() if verdict == "fail"))


@api.timeout(180)
class Moved(Case):
    def test_a_nic_goes_to_vfio_is_probed_and_comes_back(self):
        if self.skip_where_nothing_is_isolated("bind and give back"):
            return
        answer = bind(NIC, **self.accept())
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((api.driver_of(NIC), api.override_of(NIC)), ("vfio-pci", "vfio-pci"))
        self.assertEqual(answer.json["nodes"]["group"]["path"], f"/dev/vfio/{node_of(NIC)}")
        api.sh("test", "-c", f"/dev/vfio/{node_of(NIC)}")
        probed = regions.ask_probe(NIC, {"way": "group"})
        self.assertEqual(probed.status, 200, probed)
        if BED.kind == "on":
            told = [[str(region["index"]), str(regions.as_numbers(region["flags_value"])), str(region["size"]), str(regions.as_numbers(region["offset"]))]
                    for region in probed.json["regions"] if not region["errno"]]
            self.assertEqual(told, [words for words in regions.witness(NIC)["region"] if words[1] != "errno"])
        back = api.request("DELETE", binding(NIC), timeout=90)
        self.assertEqual((back.status, back.json["driver"]), (200, "e1000e"), back)
        self.assert_given_back()
        note("bind and give back", "done")
        note("probe", "as an independent program" if BED.kind == "on" else "done")

    def test_without_a_group_a_bind_is_refused_before_anything_is_written(self):
        alone = [bdf for bdf in (NIC, PAIR, machine.DEVICES["pair1"].bdf) if api.exists(bdf) and api.iommu_group_of(bdf) is None]
        for bdf in alone:
            before = (api.driver_of(bdf), api.override_of(bdf))
            answer = bind(bdf)
            self.assertEqual((answer.status, answer.json["code"]), (409, "refused"), answer)
            (blocker,) = answer.json["blockers"]
            self.assertEqual((blocker["code"], blocker["acceptable"]), ("iommu.absent", BED.kind == "no-iommu"))
            if BED.unit:
                self.assertNotIn("iommu=on", blocker["next_step"])
            else:
                self.assertIn("iommu", blocker["next_step"].lower())
            self.assertEqual((api.driver_of(bdf), api.override_of(bdf)), before)
        note("refusal", f"iommu.absent: {', '.join(alone)}" if alone else "every NIC has a group")


@api.timeout(120)
class NeverBound(Case):
    """A device that no driver of the host has had: SMMU and virtio-iommu give it a group only with the first one."""

    devices = (machine.DEVICES["edu"].bdf,)

    def test_a_device_without_a_driver_goes_to_vfio_whenever_its_group_comes(self):
        if self.skip_where_nothing_is_isolated("never bound"):
            return
        (bdf,) = self.devices
        early = api.iommu_group_of(bdf)
        answer = bind(bdf, **self.accept())
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(api.driver_of(bdf), "vfio-pci")
        if BED.kind == "on":
            warned = [item["code"] for item in answer.json["evidence"]]
            self.assertEqual("iommu.group_later" in warned, early is None, answer)
            self.assertEqual(answer.json["iommu_group"], api.iommu_group_of(bdf))
        self.assertEqual(answer.json["nodes"]["group"]["path"], f"/dev/vfio/{node_of(bdf)}")
        self.assertEqual(api.request("DELETE", binding(bdf), timeout=60).status, 200)
        self.assertEqual((api.driver_of(bdf), api.override_of(bdf)), (None, None))
        note("never bound", "its group was there" if early is not None else "its group came with the driver")


@api.timeout(180)
class Group(Case):
    """Of the two NICs behind a bridge."""

    devices = (PAIR, machine.DEVICES["pair1"].bdf, machine.DEVICES["bridge"].bdf)

    def test_a_group_moves_whole_and_the_kernel_finds_it_viable(self):
        if self.skip_where_nothing_is_isolated("group"):
            return
        group = api.iommu_group_of(PAIR)
        if BED.kind == "no-iommu" or group is None:
            note("group", "none: the kernel gives what is behind the bridge no group")
            return
        members = api.group_members(group)
        self.assertGreater(len(members), 1)
        answer = bind(PAIR, scope="group")
        self.assertEqual(answer.status, 200, answer)
        moved = [bdf for bdf in members if api.driver_of(bdf) == "vfio-pci"]
        self.assertEqual(moved, [bdf for bdf in members if bdf in functions()])
        told = get(f"/v1/iommu-groups/{group}")
        self.assertEqual((told["viable"], told["blockers"]), (True, []), told)
        self.assertEqual(api.sh(f"{api.HOLD_VFIO} {group} {PAIR} </dev/null").split(), ["viable=1", "open"])
        self.assertEqual(api.request("DELETE", binding(PAIR), timeout=90).status, 200)
        self.assert_given_back()
        note("group", f"{len(moved)} of {len(members)} members to VFIO")


@api.timeout(240)
class Functions(Case):
    devices = (PF,)

    def test_virtual_functions_go_straight_to_vfio(self):
        if self.skip_where_nothing_is_isolated("VFs"):
            return
        if not api.exists(PF):
            note("VFs", "no SR-IOV device in this machine")
            return
        if BED.name == "amd" and api.driver_of(PF) is None:
            # QEMU 7.2: without interrupt remapping its AMD-Vi unit lets no MSI-X through, so the driver's first command has no answer.
            self.assertIn("Identify Controller failed", api.sh("dmesg"))
            note("VFs", "not tried: the emulated unit lets no interrupt of the controller through, and its driver gave up")
            return
        way = f"/v1/devices/{PF}/sriov"
        self.addCleanup(api.request, "PUT", way, {"vfs": 0, "drivers_autoprobe": True}, timeout=90)
        made = api.request("PUT", way, VFIO | {"vfs": 2} | self.accept(), timeout=120)
        self.assertEqual(made.status, 200, made)
        functions_made = [item["address"] for item in made.json["vfs"]]
        self.assertEqual([api.driver_of(bdf) for bdf in functions_made], ["vfio-pci"] * 2)
        for bdf in functions_made:
            self.assertTrue(os.path.exists(f"/dev/vfio/{node_of(bdf)}"))
        gone = api.request("PUT", way, {"vfs": 0}, timeout=120)
        self.assertEqual((gone.status, gone.json["vfs"]), (200, []), gone)
        self.assert_given_back()
        note("VFs", "2 made, on VFIO, removed")


@api.timeout(240)
class Claim(Case):
    def test_a_claim_lets_its_owner_use_the_device_and_nobody_else(self):
        if self.skip_where_nothing_is_isolated("claim"):
            return
        if BED.kind == "no-iommu":
            answer = api.request("POST", "/v1/claims", {"devices": [NIC], "owner": {"users": ["nobody"]}}, timeout=90)
            self.assertEqual(answer.status, 409, answer)
            note("claim", "refused, as it must be")
            return
        made = claims.claim(devices=[NIC], owner={"users": ["nobody"]})
        self.addCleanup(api.request, "DELETE", claims.path_of(made) + "?when_closed=true", timeout=60)
        self.assertFalse(claims.may_open(f"/dev/vfio/{node_of(NIC)}", claims.STRANGER))
        consumer = claims.Consumer(NIC)
        with contextlib.ExitStack() as stack:
            stack.callback(consumer.end)
            self.assertTrue(consumer.runs())
            busy = api.request("DELETE", binding(NIC), timeout=60)
            self.assertEqual(busy.status, 409, busy)
        released = api.request("DELETE", claims.path_of(made), timeout=120)
        self.assertEqual((released.status, released.json["state"]), (200, "released"), released)
        self.assert_given_back()
        note("claim", "an unprivileged owner has it open, nobody else")
