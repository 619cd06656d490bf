# SPDX-License-Identifier: Apache-2.0
"""No answer is older than a change whose call has returned, whoever made it, while others ask without pause; and who follows hears of it."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import unittest

import api
import machine
import situations as given

NIC = machine.DEVICES["nic0"].bdf
SECOND = machine.DEVICES["nic1"].bdf
SRIOV = machine.DEVICES["sriov"].bdf
DRIVERS = api.PCI / "drivers"
ROUNDS = 3
LOAD = """
import sys
sys.path[:0] = ["/mnt/src/tests/vm", "/mnt/src/tests/vm/guest"]
import api
connection = api.Connection()
while True:
    for path in sys.argv[1:]:
        connection.ask("GET", path)
"""


def folder(bdf):
    return api.PCI / "devices" / bdf


class Load:
    """Others who ask without pause: for the list, for its table by a filter, for the devices that the tests change."""

    def __enter__(self):
        paths = (["/v1/devices"], ["/v1/devices?driver=e1000e", "/v1/iommu-groups"], [f"/v1/devices/{NIC}", f"/v1/devices/{SECOND}/binding"])
        self.processes = [subprocess.Popen([sys.executable, "-c", LOAD, *path]) for path in paths]
        return self

    def __exit__(self, *_):
        self.ended = [process.poll() for process in self.processes]
        for process in self.processes:
            process.kill()
            process.wait()


class Fresh(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.load = Load()
        cls.load.__enter__()
        cls.connection = api.Connection()

    @classmethod
    def tearDownClass(cls):
        cls.load.__exit__()
        cls.connection.close()
        assert cls.load.ended == [None] * 3, f"the load has ended: {cls.load.ended}"

    def get(self, path):
        answer = self.connection.ask("GET", path)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def listed(self, bdf=NIC):
        """As the whole list has it; None: it has not."""
        return next((item for item in self.get("/v1/devices")["items"] if item["address"] == bdf), None)

    def shown(self, bdf=NIC):
        return self.get(f"/v1/devices/{bdf}")

    def interface(self):
        return api.interfaces_of(NIC)[0]

    def both(self, member, value, bdf=NIC):
        self.assertEqual(self.listed(bdf)[member], value)
        self.assertEqual(self.shown(bdf)[member], value)

    def test_unbind_and_bind(self):
        for _ in range(ROUNDS):
            api.write_sysfs(DRIVERS / "e1000e/unbind", NIC)
            self.both("driver", None)
            api.write_sysfs(DRIVERS / "e1000e/bind", NIC)
            self.both("driver", "e1000e")
            self.assertTrue(self.listed()["interfaces"])

    def test_a_tag_stands_for_one_state(self):
        tags = set()
        for name in ("unbind", "bind") * ROUNDS:
            api.sh("udevadm", "settle")  # it gives a new interface its name
            tag = self.connection.ask("GET", "/v1/devices").headers["etag"]
            self.assertEqual(self.connection.ask("GET", "/v1/devices", headers={"If-None-Match": tag}).status, 304)
            api.write_sysfs(DRIVERS / "e1000e" / name, NIC)
            answer = self.connection.ask("GET", "/v1/devices", headers={"If-None-Match": tag})
            self.assertEqual(answer.status, 200)
            tags.add(answer.headers["etag"])
        self.assertGreaterEqual(len(tags), 2)

    def test_driver_override(self):
        for _ in range(ROUNDS):
            api.write_sysfs(folder(NIC) / "driver_override", "vfio-pci")
            self.assertEqual(self.shown()["driver_override"], "vfio-pci")
            self.assertEqual(self.get(f"/v1/devices/{NIC}/binding")["driver_override"], "vfio-pci")
            api.write_sysfs(folder(NIC) / "driver_override", "\n")
            self.assertIsNone(self.shown()["driver_override"])

    def test_numa_node(self):
        before = api.attribute(NIC, "numa_node")
        for _ in range(ROUNDS):
            api.write_sysfs(folder(NIC) / "numa_node", "0")
            self.both("numa_node", 0)
            api.write_sysfs(folder(NIC) / "numa_node", "-1")
            self.both("numa_node", None)
        api.write_sysfs(folder(NIC) / "numa_node", before)

    def test_virtual_functions(self):
        for count in (2, 0, 5, 0):
            api.write_sysfs(folder(SRIOV) / "sriov_numvfs", str(count))
            self.assertEqual(len(self.listed(SRIOV)["virtfns"]), count)
            self.assertEqual(len(self.get(f"/v1/devices?physfn={SRIOV}")["items"]), count)
            self.assertEqual(len(self.get(f"/v1/devices/{SRIOV}/sriov")["vfs"]), count)

    def test_new_id(self):
        api.sh("modprobe", "vfio-pci")
        api.write_sysfs(DRIVERS / "e1000e/unbind", SECOND)
        try:
            api.write_sysfs(DRIVERS / "vfio-pci/new_id", "8086 10d3")
            self.both("driver", "vfio-pci", SECOND)
            node = pathlib.Path(self.listed(SECOND)["nodes"]["group"]["path"])
            for mode in ("0640", "0600", "0660"):
                os.chmod(node, int(mode, 8))
                self.assertEqual(self.listed(SECOND)["nodes"]["group"]["mode"], mode)
            os.chown(node, 4242, -1)
            self.assertEqual(self.listed(SECOND)["nodes"]["group"]["uid"], 4242)
        finally:
            api.write_sysfs(DRIVERS / "vfio-pci/remove_id", "8086 10d3")
            api.write_sysfs(DRIVERS / "vfio-pci/unbind", SECOND)
        self.both("nodes", {"group": None, "device": None}, SECOND)
        api.write_sysfs(DRIVERS / "e1000e/bind", SECOND)
        self.both("driver", "e1000e", SECOND)

    def test_interfaces_are_renamed_and_move_to_other_namespaces(self):
        api.sh("udevadm", "settle")
        for name in ("up0", "up1", "up0", "up1"):  # the first name stays as an alternative one, which udev gives
            api.sh("ip", "link", "set", self.interface(), "name", name)
            self.both("interfaces", [name])
        before = self.interface()
        api.sh("ip", "netns", "add", "elsewhere")
        try:
            api.sh("ip", "link", "set", before, "netns", "elsewhere")
            self.both("interfaces", [])
            api.sh("ip", "-n", "elsewhere", "link", "set", before, "netns", "1")
            self.both("interfaces", [before])
        finally:
            api.sh("ip", "netns", "del", "elsewhere")

    def test_alternative_names(self):
        nic = self.interface()
        for word, found in (("add", [NIC]), ("del", [])) * ROUNDS:
            api.sh("ip", "link", "property", word, "dev", nic, "altname", "fresh-name")
            self.assertEqual([item["address"] for item in self.get("/v1/devices?search=fresh-name")["items"]], found)

    def test_routes_and_what_is_stacked_on_an_interface(self):
        nic = self.interface()
        api.sh("ip", "link", "set", nic, "up")
        try:
            for family in ("-4", "-6") * 3:
                api.sh("ip", family, "route", "add", "default", "dev", nic, "metric", "9999")
                self.both("default_route", True)
                api.sh("ip", family, "route", "del", "default", "dev", nic, "metric", "9999")
                self.both("default_route", False)
            api.sh("ip", "link", "add", "link", nic, "name", "fresh.5", "type", "vlan", "id", "5")
            api.sh("ip", "link", "set", "fresh.5", "up")
            api.sh("ip", "route", "add", "default", "dev", "fresh.5", "metric", "9999")
            self.both("default_route", True)
            api.sh("ip", "link", "del", "fresh.5")
            self.both("default_route", False)
            api.sh("ip", "route", "add", "192.0.2.0/24", "dev", nic)
            table = self.connection.ask("GET", "/v1/devices", headers={"Accept": "text/plain"}).text
            self.assertIn("*Active*", next(line for line in table.splitlines() if line.startswith(NIC)))
            api.sh("ip", "route", "del", "192.0.2.0/24", "dev", nic)
            table = self.connection.ask("GET", "/v1/devices", headers={"Accept": "text/plain"}).text
            self.assertNotIn("*Active*", next(line for line in table.splitlines() if line.startswith(NIC)))
        finally:
            api.sh("ip", "link", "set", nic, "down")

    def test_modules(self):
        for _ in range(3):
            api.sh("modprobe", "uio_pci_generic")
            self.assertIn("uio_pci_generic", self.listed()["candidates"])
            api.sh("modprobe", "-r", "uio_pci_generic")
            self.assertNotIn("uio_pci_generic", self.listed()["candidates"])

    def test_devices_go_and_come(self):
        for _ in range(3):
            api.write_sysfs(folder(NIC) / "remove", "1")
            self.assertIsNone(self.listed())
            self.assertEqual(self.connection.ask("GET", f"/v1/devices/{NIC}").status, 404)
            api.write_sysfs(api.PCI / "rescan", "1")
            self.assertIsNotNone(self.listed())
            api.write_sysfs(folder(NIC) / "driver_override", "nobody")  # the files of the new one are watched too
            self.assertEqual(self.shown()["driver_override"], "nobody")
            api.write_sysfs(folder(NIC) / "driver_override", "\n")
            api.write_sysfs(folder(NIC) / "numa_node", "0")
            self.both("numa_node", 0)
        api.write_sysfs(folder(NIC) / "numa_node", "-1")

    def test_a_card_in_the_place_of_another_has_its_own_serial_number(self):
        port = machine.SPARE_PORTS[0]
        bdf = f"0000:{machine.ROOT_PORTS[port][1]:02x}:00.0"
        for number in (1, 2):
            card = {"driver": "e1000e", "id": "plugged", "bus": port, "romfile": "", "mac": f"52:54:00:00:00:{number:02x}"}
            api.wait_for(lambda card=card: plugs(card), 40, "the port is free")
            try:
                api.wait_for(lambda: api.driver_of(bdf) == "e1000e", 40, f"e1000e on {bdf}")
                for _ in range(2):  # read, and from memory
                    shown = self.get(f"/v1/devices/{bdf}")
                    self.assertEqual(shown["device_serial_number"], f"52-54-00-ff-ff-00-00-{number:02x}", shown["device_serial_number_error"])
            finally:
                api.unplug("plugged", bdf)

    def test_power_and_probing(self):
        before = api.attribute(NIC, "power/control")
        for value in ("auto", "on") * 3:
            api.write_sysfs(folder(NIC) / "power/control", value)
            self.assertEqual(self.shown()["power"]["control"], value)
        api.write_sysfs(folder(NIC) / "power/control", before)
        for value in (0, 1) * 3:
            api.write_sysfs(folder(SRIOV) / "sriov_drivers_autoprobe", str(value))
            self.assertEqual(self.get(f"/v1/devices/{SRIOV}/sriov")["drivers_autoprobe"], bool(value))


def plugs(card):
    """Whether QEMU takes it: the one before may have left the kernel, and not yet its port."""
    try:
        api.qmp("device_add", **card)
    except RuntimeError:
        return False
    return True


class Following:
    """The documents of the event stream from now on, as a reader that waits for the next; nobody asks the daemon for anything meanwhile."""

    def __init__(self, query=""):
        since = api.request("HEAD", "/v1/events").headers["last-event-id"]
        self.process = subprocess.Popen(["curl", "-sN", "--unix-socket", api.SOCKET, "-H", "Accept: application/x-ndjson",
                                         f"http://localhost/v1/events?since={since}{query}"], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def next(self, wanted):
        """The first event that is wanted."""
        found = []
        timer = threading.Timer(30 * api.PACE, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                if not line.strip():
                    continue
                found.append(json.loads(line))
                if wanted(found[-1]):
                    return found[-1]
        finally:
            timer.cancel()
        raise AssertionError(f"it did not come in time; there were {found}")


class Events(unittest.TestCase):
    def test_what_others_do_is_heard_though_nobody_asks(self):
        with Following() as events:
            api.write_sysfs(DRIVERS / "e1000e/unbind", NIC)
            event = events.next(lambda event: "driver" in event["changes"])
            self.assertEqual((event["devices"], event["operation"]), ([NIC], None))
            self.assertEqual(event["changes"]["driver"], {"from": "e1000e", "to": None})
            api.write_sysfs(DRIVERS / "e1000e/bind", NIC)
            event = events.next(lambda event: event["changes"].get("driver", {}).get("to") == "e1000e")
            api.sh("udevadm", "settle")
            nic = api.interfaces_of(NIC)[0]
            api.sh("ip", "link", "set", nic, "up")
            event = events.next(lambda event: event["kind"] == "usage.changed" and NIC in event["devices"])
            self.assertEqual(event["sources"], ["network"])
            api.sh("ip", "link", "set", nic, "down")
            api.write_sysfs(folder(SRIOV) / "sriov_numvfs", "3")
            added = {events.next(lambda event: event["kind"] == "device.added")["devices"][0] for _ in range(3)}
            self.assertEqual(len(added), 3)
            api.write_sysfs(folder(SRIOV) / "sriov_numvfs", "0")
            removed = {events.next(lambda event: event["kind"] == "device.removed")["devices"][0] for _ in range(3)}
            self.assertEqual(removed, added)

    def test_mounts_and_swap_on_a_disk_are_heard(self):
        given.with_file_system()
        disk = given.disk_node()
        of_mounts = lambda event: event["kind"] == "usage.changed" and event["sources"] == ["mounts"]  # noqa: E731
        with Following(f"&device={given.DISK}") as events:
            with given.shell(f"mkdir -p {given.MOUNT}; mount {disk} {given.MOUNT}", f"umount {given.MOUNT}; rmdir {given.MOUNT}"):
                self.assertEqual(events.next(of_mounts)["devices"], [given.DISK])
            self.assertEqual(events.next(of_mounts)["devices"], [given.DISK])
            with given.shell(f"mkswap -q {disk}; swapon {disk}", f"swapoff {disk}; wipefs -aq {disk}; udevadm settle"):
                self.assertEqual(events.next(of_mounts)["devices"], [given.DISK])
            self.assertEqual(events.next(of_mounts)["devices"], [given.DISK])

    def test_what_devbindd_does_names_its_operation_and_drift_does_not(self):
        with Following(f"&device={NIC}") as events:
            answer = api.request("PUT", f"/v1/devices/{NIC}/binding", {"driver": "vfio-pci"})
            self.assertEqual(answer.status, 200, answer)
            event = events.next(lambda event: event["changes"].get("driver", {}).get("to") == "vfio-pci")
            self.assertEqual(event["operation"], answer.json["operation"])
            done = events.next(lambda event: event["state"] == "succeeded")
            self.assertEqual(done["progress"]["steps_done"], done["progress"]["steps"])
            api.write_sysfs(DRIVERS / "vfio-pci/unbind", NIC)
            event = events.next(lambda event: event["kind"] == "device.drifted")
            self.assertEqual(event["changes"]["driver"], {"from": "vfio-pci", "to": None})
            self.assertEqual(api.request("GET", f"/v1/devices/{NIC}").json["drift"], {"expected_driver": "vfio-pci"})
            answer = api.request("DELETE", f"/v1/devices/{NIC}/binding")
            self.assertEqual(answer.status, 200, answer)
            self.assertIsNone(api.request("GET", f"/v1/devices/{NIC}").json["drift"])
