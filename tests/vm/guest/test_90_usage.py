"""What a host uses is refused, with the code, the way to it and the process; the same device idle is accepted.

A row of SITUATIONS is a test: idle, in use, idle again. What is missing: net.api_client, since the daemon listens on TCP
at the loopback address only, where no device can be in between (tests/sysfs/network_use_test.cpp has it).
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import unittest

import api
import machine
import situations as given

VFIO = {"driver": "vfio-pci"}


@dataclasses.dataclass(frozen=True)
class Situation:
    """`path` is that of the evidence, each word a part of its element, with {nic} and {disk} for the device's own."""

    name: str
    bdf: str
    code: str
    path: str
    build: object
    also: tuple = ()  # further codes that refuse
    ground: object = given.nothing  # what is there all the time
    idle: tuple = ()  # codes that are there all the time, and do not refuse
    culprit: str | None = None  # the device that the evidence is about, when it is another one
    body: dict = dataclasses.field(default_factory=lambda: VFIO)
    severity: str = "block"
    acceptable: bool = True
    stays_refused: bool = False  # accepting every code is not enough: one of `also` can never be accepted


def net(name, code, path, build, **more):
    return Situation(name, given.NIC, f"net.{code}", path, build, **more)


def block(name, code, path, build, **more):
    more.setdefault("ground", given.blank_disk)
    more.setdefault("acceptable", code not in ("mounted", "swap"))
    return Situation(name, given.DISK, f"block.{code}", path, build, **more)


def usb(name, code, path, build, **more):
    return Situation(name, given.USB, code, path, build, **more)


ADDRESS = "address add 192.0.2.1/24 dev"
BOND = "link add bond7 type bond; link set {nic} master bond7"
VLAN = "link add link {nic} name vlan7 type vlan id 7"
MOUNT = "mount {disk} {mount}"
UNMOUNT = "umount {mount}"

SITUATIONS = (
    Situation("the way to the gateway", given.MGMT, "net.default_route", "{nic}", given.management_network,
              also=("net.address",), ground=given.without_management_network),
    net("a default route by the interface alone", "default_route", "{nic}",
        given.network("link set {nic} up; route add default dev {nic} metric 500")),
    net("an IPv6 default route", "default_route", "{nic}",
        given.network("link set {nic} up; -6 route add default dev {nic} metric 500")),
    net("a default route in another table", "default_route", "{nic}",
        given.network("link set {nic} up; route add default dev {nic} table 77")),
    net("a default route with two ways", "default_route", "{nic}", given.network(
        "link add dummy7 type dummy; link set dummy7 up; link set {nic} up;"
        "route add default metric 500 nexthop dev dummy7 nexthop dev {nic}", "dummy7")),
    net("an address", "address", "{nic}", given.network(ADDRESS + " {nic}")),
    net("an IPv6 address", "address", "{nic}", given.network("link set {nic} up; address add 2001:db8::1/64 dev {nic} nodad")),
    net("an address on a VLAN", "address", "{nic} vlan7", given.network(f"{VLAN}; {ADDRESS} vlan7", "vlan7")),
    net("an address on a VLAN on a bond", "address", "{nic} bond7 vlan7", given.network(
        f"{BOND}; link add link bond7 name vlan7 type vlan id 7; {ADDRESS} vlan7", "vlan7 bond7"), also=("net.master",)),
    net("a port of a bridge", "master", "{nic} br7", given.network(
        "link add br7 type bridge; link set {nic} master br7", "br7")),
    net("a bridge with an address on a VLAN", "address", "{nic} vlan7 br7", given.network(
        f"{VLAN}; link add br7 type bridge; link set vlan7 master br7; {ADDRESS} br7", "br7 vlan7"), also=("net.master",)),
    net("a member of a bond", "master", "{nic} bond7", given.network(BOND, "bond7")),
    net("a team with an address", "address", "{nic} team7", given.network(
        f"link add team7 type team; link set {{nic}} master team7; {ADDRESS} team7", "team7"), also=("net.master",)),
    net("a VRF", "master", "{nic} vrf7", given.network(
        "link add vrf7 type vrf table 77; link set {nic} master vrf7", "vrf7")),
    net("a macvlan with an address", "address", "{nic} macvlan7", given.network(
        f"link add link {{nic}} name macvlan7 type macvlan; {ADDRESS} macvlan7", "macvlan7")),
    net("an ipvlan with an address", "address", "{nic} ipvlan7", given.network(
        f"link add link {{nic}} name ipvlan7 type ipvlan; {ADDRESS} ipvlan7", "ipvlan7")),
    net("a virtual machine's macvtap", "master", "{nic} macvtap7", given.network(
        "link add link {nic} name macvtap7 type macvtap; link set macvtap7 up", "macvtap7")),
    net("a port of Open vSwitch", "master", "{nic} dp7", given.vswitch()),
    net("an address in Open vSwitch", "address", "{nic} dp7 int7", given.vswitch(
        "ovs-dpctl add-if dp7 int7,type=internal; ip address add 192.0.2.1/24 dev int7"), also=("net.master",)),
    net("in another network namespace", "other_namespace", "{nic}", given.in_named_namespace),
    net("in the network namespace of a process", "other_namespace", "{nic}", given.in_namespace_of_a_process),
    net("below a macvlan in another network namespace", "other_namespace", "{nic} macvlan7", given.macvlan_in_namespace(False)),
    net("below a macvlan that has the same index there", "other_namespace", "{nic} macvlan7", given.macvlan_in_namespace(True)),
    net("up with a link", "carrier", "{nic}", given.linked, severity="warn"),

    block("a mounted file system", "mounted", "{disk}", given.storage(given.EXT4 + MOUNT, UNMOUNT)),
    block("mounted in another mount namespace", "mounted", "{disk}", given.mounted_out_of_sight),
    block("a mounted directory of it", "mounted", "{disk}", given.storage(
        given.EXT4 + MOUNT + "\nmkdir {mount}/part\nmount --bind {mount}/part {mount}2\numount {mount}", "umount {mount}2")),
    block("a mounted partition", "mounted", "{disk} {disk}p1", given.storage(
        given.ONE_PARTITION + "mke2fs -qF -t ext4 {disk}p1\nmount {disk}p1 {mount}", UNMOUNT)),
    block("a mounted btrfs", "mounted", "{disk}", given.storage("mkfs.btrfs -qf {disk}\n" + MOUNT, UNMOUNT)),
    block("LVM", "mounted", "{disk} vg7-data", given.storage(
        given.volume("{disk}") + "mke2fs -qF -t ext4 /dev/vg7/data\nmount /dev/vg7/data {mount}", f"{UNMOUNT}\n{given.NO_VOLUME}"),
          ground=given.unwatched_disk),
    block("LVM on md on partitions", "mounted", "{disk} {disk}p1 md7 vg7-data", given.storage(
        given.MIRROR + given.volume("/dev/md7") + "mke2fs -qF -t ext4 /dev/vg7/data\nmount /dev/vg7/data {mount}",
        f"{UNMOUNT}\n{given.NO_VOLUME}{given.NO_MIRROR}"), ground=given.unwatched_disk),
    block("an idle md array", "holder", "{disk} {disk}p1 md7", given.storage(given.MIRROR, given.NO_MIRROR),
          ground=given.unwatched_disk),
    block("an idle logical volume", "holder", "{disk} vg7-data", given.storage(given.volume("{disk}"), given.NO_VOLUME),
          ground=given.unwatched_disk),
    block("dm-crypt", "mounted", "{disk} crypt7", given.storage(
        "echo secret | cryptsetup open --type plain --key-file - --key-size 128 --cipher aes-cbc-plain {disk} crypt7\n"
        "mke2fs -qF -t ext4 /dev/mapper/crypt7\nmount /dev/mapper/crypt7 {mount}", UNMOUNT + "\ncryptsetup close crypt7")),
    block("a swap disk", "swap", "{disk}", given.storage("mkswap -q {disk}\nswapon {disk}", "swapoff {disk}")),
    block("a swap partition", "swap", "{disk} {disk}p1", given.storage(
        given.ONE_PARTITION + "mkswap -q {disk}p1\nswapon {disk}p1", "swapoff {disk}p1")),
    block("a swap file", "swap", "{disk}", given.storage(
        given.EXT4 + MOUNT + "\ndd if=/dev/zero of={mount}/swap bs=1M count=8 status=none\nchmod 600 {mount}/swap\n"
        "mkswap -q {mount}/swap\nswapon {mount}/swap", "swapoff {mount}/swap\n" + UNMOUNT), also=("block.mounted",)),
    block("a mounted loop file", "mounted", "{disk} /run/usage/image", given.storage(
        given.EXT4 + MOUNT + "\ntruncate -s 16M {mount}/image\nmke2fs -qF -t ext4 {mount}/image\nmount -o loop {mount}/image {mount}2",
        "umount {mount}2\n" + UNMOUNT)),
    block("a mounted loop device on the disk", "mounted", "{disk} loop", given.storage(
        given.EXT4 + "mount -o loop,offset=0 {disk} {mount}", UNMOUNT)),
    block("an idle loop device on the disk", "holder", "{disk} loop", given.storage(
        "losetup /dev/loop7 {disk}", "losetup -d /dev/loop7")),
    block("a file system's external journal", "holder", "{disk}", given.storage(
        "mke2fs -qF -O journal_dev -b 4096 {disk}\ntruncate -s 16M {mount}2/image\n"
        "mke2fs -qF -t ext4 -b 4096 -J device={disk} {mount}2/image\nmount -o loop {mount}2/image {mount}",
        UNMOUNT + "\nrm {mount}2/image"), acceptable=False),
    block("unmounted lazily, still in use", "holder", "{disk}", given.unmounted_while_in_use, acceptable=False),
    block("served by the kernel's SCSI target", "holder", "{disk}", given.exported, acceptable=False),
    block("open for reading", "open", "{disk}", given.opening(given.disk_node)),
    block("open for writing", "open", "{disk}", given.opening(given.disk_node, os.O_WRONLY)),
    block("open exclusively", "open", "{disk}", given.opening(given.disk_node, os.O_RDONLY | os.O_EXCL), also=("block.holder",),
          stays_refused=True),
    block("open by a node that is gone", "open", "{disk}", given.by_another_name),
    block("an open partition", "open", "{disk} {disk}p1", given.stacked(
        given.storage(given.ONE_PARTITION, "true"), given.opening(lambda: given.disk_node() + "p1"))),
    block("an open controller node", "open", "", given.opening(given.controller_of)),
    block("an open generic node", "open", "", given.opening(lambda: given.disk_node().replace("nvme", "ng"))),
    block("data without a user", "signature", "{disk}", given.storage(given.EXT4, "true"), severity="warn"),
    block("a partition with data without a user", "signature", "{disk} {disk}p1", given.storage(
        given.ONE_PARTITION + "mke2fs -qF -t ext4 {disk}p1", "true"), severity="warn"),

    Situation("virtual functions", given.PF, "sriov.vfs_enabled", "", given.functions, acceptable=False),
    Situation("virtual functions that an unbind would remove", given.PF, "sriov.vfs_enabled", "", given.functions,
              body={"driver": None}),
    Situation("a virtual function that a VMM has open", given.PF, "sriov.vf_in_use", given.VF, given.stacked(
        given.functions, given.on_vfio(given.VF), given.opened_by_a_vmm(given.VF)),
              also=("sriov.vfs_enabled",), acceptable=False),
    Situation("a mounted disk of a virtual function", given.PF, "block.mounted", given.VF + " nvme nvme", given.stacked(
        given.function_with_disk, given.function_mounted), also=("sriov.vfs_enabled",), acceptable=False),
    Situation("a virtual function with a mounted disk", given.VF, "block.mounted", "nvme {disk}", given.function_mounted,
              ground=given.function_with_disk, acceptable=False),
    Situation("a VMM has it open", given.OTHER, "vfio.open", "", given.opened_by_a_vmm(given.OTHER),
              ground=given.on_vfio(given.OTHER), body={"driver": "e1000e"}),

    Situation("an address of another device of the group", given.PAIR0, "net.address", "{nic}",
              given.network(ADDRESS + " {nic}", bdf=given.PAIR1), culprit=given.PAIR1, body=VFIO | {"scope": "group"}),

    Situation("the text console", given.VGA, "display.framebuffer", "fb0", given.with_console, also=("display.boot_vga",),
              ground=given.without_console, idle=("display.boot_vga",)),
    Situation("a graphical session", given.VGA, "display.open", "", given.opening(given.card, os.O_RDWR),
              also=("display.boot_vga",), ground=given.without_console, idle=("display.boot_vga",)),

    usb("a keyboard", "usb.in_use", "-1:1.0", given.keyboard),
    usb("a mounted stick", "block.mounted", "{disk}", given.mounted_stick, ground=given.stick, acceptable=False),
    usb("an open stick", "block.open", "{disk}", given.opening(lambda: given.disk_node(given.USB)), ground=given.stick),
    usb("a network adapter with an address", "net.address", "{nic}", given.stacked(given.dongle, given.dongle_with_address),
        also=("usb.in_use",)),
    usb("a device driven by a process", "usb.in_use", "-1", given.opening(given.usb_node, os.O_RDWR), ground=given.stick),
    usb("a speaker that plays", "sound.open", "", given.opening(given.speaker_node, os.O_WRONLY), ground=given.speaker, severity="warn"),
)


def has(evidence, row, names):
    """The item of the evidence that the row expects, or None."""
    words = row.path.format(**names).split()
    for item in evidence:
        if item["code"] != row.code or item["device"] != (row.culprit or row.bdf) or item["severity"] != row.severity:
            continue
        if not words or len(item["path"]) == len(words) and all(part in name for part, name in zip(words, item["path"])):
            return item
    return None


def names_of(row):
    """What stands for {nic} and {disk}; the interface in another namespace has the name that it had here."""
    bdf = row.culprit or row.bdf
    interfaces = api.interfaces_of(bdf) or [path.name for path in (api.PCI / "devices" / bdf).glob("usb*/**/net/*")]
    return {"nic": interfaces[0] if interfaces else "", "disk": given.disk_of(bdf) or ""}


def settle():
    """udev looks into new disks, and has them open while it does."""
    api.sh("udevadm", "settle")


@api.timeout(100)
class Situations(unittest.TestCase):
    def setUp(self):
        if not (pathlib.Path("/lib/modules") / os.uname().release).exists():
            self.skipTest("this kernel has everything built in, but not everything that is needed here")

    def ask(self, row, query="?dry_run=true", **more):
        return api.request("PUT", f"/v1/devices/{row.bdf}/binding{query}", row.body | more, timeout=60)

    def assert_idle(self, row, left=()):
        settle()
        answer = self.ask(row)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.json["refused_by"], answer.json["would"]), ([], "change"), answer.json)
        codes = {item["code"] for item in answer.json["evidence"]}
        self.assertLessEqual(codes, {*row.idle, *left}, answer.json["evidence"])

    def assert_found(self, evidence, row, names, pid):
        item = has(evidence, row, names)
        self.assertIsNotNone(item, f"no {row.code} by {row.path.format(**names)!r} in {evidence}")
        self.assertTrue(item["detail"] and item["next_step"], item)
        if pid is not None:
            self.assertIn(pid, [process["pid"] for process in item["processes"]], item)
        return item

    def assert_in_use(self, row, names, pid):
        settle()
        planned = self.ask(row)
        shown = api.request("GET", f"/v1/devices/{row.culprit or row.bdf}/usage", timeout=60)
        self.assertEqual(planned.status, 200, planned)
        self.assert_found(shown.json["evidence"], row, names, pid)
        if row.severity == "warn":
            self.assertEqual((planned.json["refused_by"], planned.json["would"]), ([], "change"), planned.json)
            self.assert_found(planned.json["evidence"], row, names, pid)
            return
        driver = api.driver_of(row.bdf)
        refused = self.ask(row, "")
        self.assertEqual((refused.status, refused.json.get("code")), (409, "refused"), refused)
        self.assertEqual(planned.json["would"], "refuse", planned.json)
        for blockers in (planned.json["refused_by"], refused.json["blockers"]):
            item = self.assert_found(blockers, row, names, pid)
            self.assertEqual(item["acceptable"], row.acceptable, item)
            self.assertEqual({item["code"] for item in blockers}, {row.code, *row.also}, blockers)
        self.assertEqual(api.driver_of(row.bdf), driver, "a refused request changed the driver")
        self.assert_acceptance(row, names)

    def assert_acceptance(self, row, names):
        codes = [row.code, *row.also]
        answer = self.ask(row, accept_risks=codes)
        self.assertEqual(answer.status, 200, answer)
        if row.acceptable and not row.stays_refused and "block.mounted" not in codes:
            self.assertEqual((answer.json["refused_by"], answer.json["would"]), ([], "change"), answer.json)
        else:
            self.assertEqual(answer.json["would"], "refuse", answer.json)
        if not row.acceptable:
            self.assertIsNotNone(has(answer.json["refused_by"], row, names), answer.json["refused_by"])

    def check(self, row):
        with contextlib.ExitStack() as stack:
            stack.enter_context(row.ground())
            names = names_of(row)
            self.assert_idle(row)
            with row.build() as pid:
                later = names_of(row)
                self.assert_in_use(row, {key: names[key] or later[key] for key in names}, pid)
            self.assert_idle(row, ("block.signature",))  # what was stored is data

    def test_a_boot_display_that_shows_nothing_is_a_warning(self):
        with given.without_console():
            answer = api.request("GET", f"/v1/devices/{given.VGA}/usage").json
        self.assertEqual([(item["code"], item["severity"]) for item in answer["evidence"]], [("display.boot_vga", "warn")])
        self.assertFalse(answer["in_use"])


def add_tests():
    """A test for each row."""
    for number, row in enumerate(SITUATIONS, start=1):
        name = re.sub(r"\W+", "_", row.name)
        setattr(Situations, f"test_{number:02}_{name}", lambda self, row=row: self.check(row))


add_tests()
