# SPDX-License-Identifier: Apache-2.0
"""What a host uses is refused, with the code, the way to it and the process; the same device idle is accepted.

A row of SITUATIONS is a test: idle, in use, idle again. What is missing: net.api_client, since the daemon listens on TCP
at the loopback address only, where no device can be in between (tests/sysfs/network_use_test.cpp has it).
"""

import contextlib
import dataclasses
import mmap
import os
import pathlib
import re
import unittest

import api
import hidden_situations as hidden
import machine
import network_situations as wired
import others
import plugged_situations as plugged
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
    more.setdefault("acceptable", code not in ("mounted", "swap", "served"))
    return Situation(name, given.DISK, f"block.{code}", path, build, **more)


def usb(name, code, path, build, **more):
    return Situation(name, given.USB, code, path, build, **more)


NO_TERMINAL = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK  # not waiting for a modem
ADDRESS = "address add 192.0.2.1/24 dev"
BOND = "link add bond7 type bond; link set {nic} master bond7"
VLAN = "link add link {nic} name vlan7 type vlan id 7"
UP = "link set {nic} up"
HOP = "nexthop add via 198.51.100.2 dev {nic} onlink id"
VXLAN = "link add vx7 type vxlan id 7 dev {nic} remote 198.51.100.2 dstport 4789"
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

    net("a route without any address", "route", "{nic}", given.network(f"{UP}; route add 192.0.2.0/24 dev {{nic}}")),
    net("an IPv6 route", "route", "{nic}", given.network(f"{UP}; -6 route add 2001:db8:7::/48 dev {{nic}}")),
    net("two halves of a default route", "route", "{nic}", given.network(
        f"{UP}; route add 0.0.0.0/1 dev {{nic}}; route add 128.0.0.0/1 dev {{nic}}")),
    net("a route by a VLAN without any address", "route", "{nic} vlan7", given.network(
        f"{UP}; {VLAN}; link set vlan7 up; route add 192.0.2.0/24 dev vlan7", "vlan7")),
    net("a default route by a nexthop object", "default_route", "{nic}", wired.next_hops(
        f"{HOP} 77; route add default nhid 77 metric 500")),
    net("a route by a group of nexthops", "route", "{nic}", wired.next_hops(
        f"{HOP} 77; link add dummy7 type dummy; link set dummy7 up; nexthop add id 78 via 198.51.100.3 dev dummy7 onlink;"
        "nexthop add id 79 group 78/77; route add 192.0.2.0/24 nhid 79", "nexthop flush; link delete dummy7")),
    net("an IPv6 route by a nexthop object", "route", "{nic}", wired.next_hops(
        "-6 nexthop add id 77 via fe80::9 dev {nic}; -6 route add 2001:db8:7::/48 nhid 77")),
    net("an IPv6 route by a group of nexthops", "route", "{nic}", wired.next_hops(
        "-6 nexthop add id 77 via fe80::9 dev {nic}; link add dummy7 type dummy; link set dummy7 up; -6 nexthop add id 78 via fe80::8 dev dummy7;"
        "nexthop add id 79 group 78/77; -6 route add 2001:db8:7::/48 nhid 79", "nexthop flush; link delete dummy7")),
    net("an IPv6 route with two ways in another table", "route", "{nic}", given.network(
        f"link add dummy7 type dummy; link set dummy7 up; {UP}; -6 route add 2001:db8:7::/48 table 77"
        " nexthop via fe80::8 dev dummy7 nexthop via fe80::9 dev {nic}", "dummy7")),
    net("an MPLS label", "route", "{nic}", wired.labelled),
    net("a nexthop object without a route", "next_hop", "{nic}", wired.next_hops(f"{HOP} 77"), severity="warn"),

    net("a VXLAN with an address", "address", "{nic} vx7", given.network(
        f"{UP}; {VXLAN}; {ADDRESS} vx7", "vx7")),
    net("a VXLAN with its own end on lo in a bridge", "master", "{nic} vx7 br7", given.network(
        f"{UP}; {VXLAN} local 192.0.2.9; link add br7 type bridge; link set vx7 master br7", "br7 vx7")),
    net("a VXLAN in another network namespace", "other_namespace", "{nic} vx7", wired.tunnel_in_namespace),
    net("a GRE tunnel with an address", "address", "{nic} gre7", given.network(
        f"link add gre7 type gre local 192.0.2.9 remote 198.51.100.2 dev {{nic}}; {ADDRESS} gre7", "gre7")),
    net("an Ethernet tunnel with a route", "route", "{nic} tap7", given.network(
        f"{UP}; link add tap7 type gretap remote 198.51.100.2 dev {{nic}}; link set tap7 up; route add 192.0.2.0/24 dev tap7", "tap7")),
    net("an IPv6 in IPv4 tunnel with an address", "address", "{nic} sit7", given.network(
        "link add sit7 type sit remote 198.51.100.2 dev {nic}; address add 2001:db8::1/64 dev sit7", "sit7")),
    net("a tunnel on a VLAN", "address", "{nic} vlan7 ipip7", given.network(
        f"{VLAN}; link add ipip7 type ipip remote 198.51.100.2 dev vlan7; {ADDRESS} ipip7", "ipip7 vlan7")),
    net("an IPv6 VXLAN with a multicast group", "address", "{nic} vx7", given.network(
        f"{UP}; link add vx7 type vxlan id 7 group ff05::7 dev {{nic}} dstport 4789; {ADDRESS} vx7", "vx7")),
    net("an IPv6 GRE tunnel with an address", "address", "{nic} gre7", given.network(
        f"link add gre7 type ip6gre local 2001:db8::9 remote 2001:db8::2 dev {{nic}}; {ADDRESS} gre7", "gre7")),
    net("an IPsec interface with an address", "address", "{nic} ipsec7", given.network(
        f"link add ipsec7 type xfrm dev {{nic}} if_id 7; {ADDRESS} ipsec7", "ipsec7")),
    net("a mesh of batman", "master", "{nic} bat7", given.network(
        "link add bat7 type batadv; link set {nic} master bat7", "bat7")),
    net("a VLAN in another network namespace", "other_namespace", "{nic} vlan7", wired.vlan_in_namespace),
    net("in a network namespace that only a mount keeps", "other_namespace", "{nic}", wired.in_namespace_of_a_mount),
    net("in a network namespace that only a descriptor keeps", "other_namespace", "{nic}", wired.in_namespace_of_a_descriptor),
    net("a VLAN that nothing uses", "stacked", "{nic} vlan7", given.network(VLAN, "vlan7"), severity="warn"),

    net("a PPPoE session", "session", "{nic}", wired.script(wired.PPPOE, told=False)),
    net("MACsec", "session", "{nic} macsec7", given.network("link add link {nic} macsec7 type macsec", "macsec7")),
    net("multicast routing", "session", "{nic}", wired.script(wired.MULTICAST_ROUTER, told=False)),
    net("the kernel's network console", "session", "{nic}", wired.network_console),
    net("a packet generator", "session", "{nic}", wired.packet_generator),
    net("a connection by link-local addresses", "session", "{nic}", wired.script(wired.LINK_LOCAL, told=False)),
    net("a TIPC bearer", "session", "{nic}", wired.tipc_bearer),
    net("a WireGuard tunnel to a link-local peer", "session", "{nic}", wired.wireguard),
    net("packets that tc sends into it", "session", "{nic}", wired.redirected),
    net("packets that tc mirrors into its VLAN", "session", "{nic} vlan7", wired.redirected_to_vlan),
    net("Fibre Channel over Ethernet", "session", "{nic}", wired.fibre_channel),
    net("RDMA by software", "session", "{nic}", wired.software_rdma),
    net("Fibre Channel over Ethernet", "session", "{nic}", wired.fibre_channel),
    net("a socket that is bound to it", "packet_socket", "{nic}", wired.script(wired.BOUND_SOCKET), severity="warn"),
    net("a server at its link-local address", "packet_socket", "{nic}", wired.script(wired.LINK_LOCAL_SERVER), severity="warn"),
    net("filters of tc", "traffic_control", "{nic}", wired.filtered, severity="warn"),
    net("an XDP program", "xdp", "{nic}", wired.xdp_program),
    net("an AF_XDP socket that the kernel does not place", "packet_socket", "{nic}", wired.script(wired.XDP_SOCKET), severity="warn"),
    net("a packet socket", "packet_socket", "{nic}", wired.script(wired.PACKET_SOCKET), severity="warn"),
    net("every packet for a socket that is bound to nothing", "packet_socket", "{nic}", wired.script(wired.EVERY_PACKET, told=False),
        severity="warn"),
    net("an LLC socket", "packet_socket", "{nic}", wired.script(wired.LLC_SOCKET, told=False), severity="warn"),
    net("an anycast address", "packet_socket", "{nic}", wired.script(wired.ANYCAST, told=False), severity="warn"),
    net("a UDP-Lite socket that is bound to it", "packet_socket", "{nic}", wired.script(wired.BOUND_DATAGRAMS), severity="warn"),
    net("a DCCP server that is bound to it", "packet_socket", "{nic}", wired.script(wired.BOUND_SERVER), severity="warn"),
    net("the state of another director for IPVS", "packet_socket", "{nic}", wired.virtual_servers, severity="warn"),
    net("one of the links of an equalizer", "address", "{nic} teql0", wired.equalized, also=("net.master",)),
    net("a route that names it below an IPsec interface", "route", "{nic}", wired.tunnel_of_a_route),
    net("AppleTalk", "session", "{nic}", wired.script(wired.APPLE_TALK, told=False)),
    net("AX.25 over Ethernet", "session", "{nic}", wired.radio),

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
    block("an md array that is not started", "holder", "{disk} {disk}p1 md7", given.storage(
        given.MIRROR + "echo inactive >/sys/block/md7/md/array_state", given.NO_MIRROR), ground=given.unwatched_disk),
    block("an idle logical volume", "holder", "{disk} vg7-data", given.storage(given.volume("{disk}"), given.NO_VOLUME),
          ground=given.unwatched_disk),
    block("dm-crypt", "mounted", "{disk} crypt7", given.storage(
        "echo secret | cryptsetup open --type plain --key-file - --key-size 128 --cipher aes-cbc-plain {disk} crypt7\n"
        "mke2fs -qF -t ext4 /dev/mapper/crypt7\nmount /dev/mapper/crypt7 {mount}", UNMOUNT + "\ncryptsetup close crypt7")),
    block("a mounted sub-volume of btrfs", "mounted", "{disk}", given.storage(
        "mkfs.btrfs -qf {disk}\nmount {disk} {mount}\nbtrfs -q subvolume create {mount}/part\numount {mount}\n"
        "mount -o subvol=part {disk} {mount}", UNMOUNT)),
    block("btrfs on two disks, mounted by the other one", "mounted", "{disk}", given.storage(
        "truncate -s 160M {mount}2/image\nlosetup /dev/loop7 {mount}2/image\nmkfs.btrfs -qf -d single {disk} /dev/loop7\n"
        "mount /dev/loop7 {mount}", UNMOUNT + "\nlosetup -d /dev/loop7\nrm {mount}2/image")),
    block("a mounted table of dm on a table of dm", "mounted", "{disk} low7 high7", given.storage(
        given.table("low7", "{disk}") + given.table("high7", "/dev/mapper/low7") +
        "mke2fs -qF -t ext4 /dev/mapper/high7\nmount /dev/mapper/high7 {mount}",
        UNMOUNT + "\nudevadm settle\ndmsetup remove high7 low7")),
    block("mounted in a mount namespace without a process", "holder", "{disk}", given.mounted_without_a_process, acceptable=False),
    block("a swap disk", "swap", "{disk}", given.storage("mkswap -q {disk}\nswapon {disk}", "swapoff {disk}")),
    block("a swap partition", "swap", "{disk} {disk}p1", given.storage(
        given.ONE_PARTITION + "mkswap -q {disk}p1\nswapon {disk}p1", "swapoff {disk}p1")),
    block("a swap file", "swap", "{disk}", given.storage(
        given.EXT4 + MOUNT + "\ndd if=/dev/zero of={mount}/swap bs=1M count=8 status=none\nchmod 600 {mount}/swap\n"
        "mkswap -q {mount}/swap\nswapon {mount}/swap", "swapoff {mount}/swap\n" + UNMOUNT), also=("block.mounted",)),
    block("a mounted loop file", "mounted", "{disk} /run/usage/image", given.storage(
        given.EXT4 + MOUNT + "\ntruncate -s 16M {mount}/image\nmke2fs -qF -t ext4 {mount}/image\nmount -o loop {mount}/image {mount}2",
        "umount {mount}2\n" + UNMOUNT)),
    block("swap on a table of dm", "swap", "{disk} usage7", given.storage(
        given.table("usage7", "{disk}") + "mkswap -q /dev/mapper/usage7\nswapon /dev/mapper/usage7",
        "swapoff /dev/mapper/usage7\nudevadm settle\ndmsetup remove usage7")),
    block("a mounted loop file that is deleted", "mounted", "{disk} /run/usage/image", given.storage(
        given.EXT4 + MOUNT + "\ntruncate -s 16M {mount}/image\nmke2fs -qF -t ext4 {mount}/image\nmount -o loop {mount}/image {mount}2\n"
        "rm {mount}/image", "umount {mount}2\n" + UNMOUNT)),
    block("an idle loop device on a partition", "holder", "{disk} {disk}p1 loop", given.storage(
        given.ONE_PARTITION + "losetup /dev/loop7 {disk}p1", "losetup -d /dev/loop7")),
    block("a mounted loop device on the disk", "mounted", "{disk} loop", given.storage(
        given.EXT4 + "mount -o loop,offset=0 {disk} {mount}", UNMOUNT)),
    block("an idle loop device on the disk", "holder", "{disk} loop", given.storage(
        "losetup /dev/loop7 {disk}", "losetup -d /dev/loop7")),
    block("a file system's external journal", "holder", "{disk}", given.storage(
        "mke2fs -qF -O journal_dev -b 4096 {disk}\ntruncate -s 16M {mount}2/image\n"
        "mke2fs -qF -t ext4 -b 4096 -J device={disk} {mount}2/image\nmount -o loop {mount}2/image {mount}",
        UNMOUNT + "\nrm {mount}2/image"), acceptable=False),
    block("unmounted lazily, still in use", "holder", "{disk}", given.unmounted_while_in_use, acceptable=False),
    block("served by the kernel's SCSI target", "served", "{disk}", given.exported(
        "target_core_iblock", "iblock", "udev_path={disk}")),
    block("served by the kernel's SCSI target as a file", "served", "{disk}", given.exported(
        "target_core_file", "fileio", "fd_dev_name={disk},fd_dev_size=16777216")),
    block("a namespace of the kernel's NVMe target", "served", "{disk}", given.nvme_target("{disk}")),
    block("a partition as a namespace of the kernel's NVMe target", "served", "{disk} {disk}p1", given.stacked(
        given.storage(given.ONE_PARTITION, "true"), given.nvme_target("{disk}p1"))),
    block("a USB gadget's disk", "served", "{disk}", given.gadget("{disk}")),
    block("the back end of zram", "holder", "{disk} zram0", given.compressed(False)),
    block("swap on zram with the disk as back end", "swap", "{disk} zram0", given.compressed(True)),
    block("a table of dm that is only loaded", "holder", "{disk} usage7", given.storage(
        "dmsetup create usage7 --notable\ndmsetup load usage7 --table '0 2048 linear {disk} 0'", "udevadm settle\ndmsetup remove usage7")),
    block("a multipath table of dm", "holder", "{disk} usage7", given.storage(
        "dmsetup create usage7 --table '0 2048 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 1 {disk} 1000'",
        "udevadm settle\ndmsetup remove usage7")),
    block("flash memory made of the disk", "holder", "{disk}", given.storage(
        "modprobe block2mtd\necho {disk},4096 >/sys/module/block2mtd/parameters/block2mtd", "modprobe -r block2mtd"), acceptable=False),
    block("an idle table of dm", "holder", "{disk} usage7", given.storage(
        "dmsetup create usage7 --table '0 2048 linear {disk} 0'", "udevadm settle\ndmsetup remove usage7")),
    block("a loop device by a node that is gone", "holder", "{disk} {disk}p1 loop", given.looped_by_another_name),
    block("mapped and closed", "open", "{disk}", lambda: given.mapping(given.disk_node())()),
    block("mapped privately and closed", "open", "{disk}", lambda: given.mapping(given.disk_node(), flags=lambda: mmap.MAP_PRIVATE)()),
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

    Situation("its VFIO group is open, without the device", given.OTHER, "vfio.open", "", given.opening(
        lambda: f"/dev/vfio/{api.iommu_group_of(given.OTHER)}", os.O_RDWR), ground=given.on_vfio(given.OTHER), body={"driver": "e1000e"}),

    Situation("an address of another device of the group", given.PAIR0, "net.address", "{nic}",
              given.network(ADDRESS + " {nic}", bdf=given.PAIR1), culprit=given.PAIR1, body=VFIO | {"scope": "group"}),

    Situation("the text console", given.VGA, "display.framebuffer", "fb0", given.with_console, also=("display.boot_vga",),
              ground=given.without_console, idle=("display.boot_vga",)),
    Situation("a graphical session", given.VGA, "display.open", "", given.opening(given.card, os.O_RDWR),
              also=("display.boot_vga",), ground=given.without_console, idle=("display.boot_vga",)),

    Situation("a frame buffer, mapped and closed", given.VGA, "display.open", "fb0", given.mapping("/dev/fb0"),
              also=("display.boot_vga",), ground=given.without_console, idle=("display.boot_vga",)),

    usb("a keyboard", "usb.in_use", "-1:1.0", given.keyboard),
    usb("a mounted stick", "block.mounted", "{disk}", given.mounted_stick, ground=given.stick, acceptable=False),
    usb("an open stick", "block.open", "{disk}", given.opening(lambda: given.disk_node(given.USB)), ground=given.stick),
    usb("an open generic node of a stick", "block.open", "sg", given.opening(plugged.generic_node, os.O_RDWR), ground=given.stick),
    usb("a network adapter with an address", "net.address", "{nic}", given.stacked(given.dongle, given.dongle_with_address),
        also=("usb.in_use",)),
    usb("a device driven by a process", "usb.in_use", "-1", given.opening(given.usb_node, os.O_RDWR), ground=given.stick),
    usb("an open serial adapter", "char.open", "ttyUSB", given.opening(
        lambda: given.node_below(given.USB, "usb*/**/tty/ttyUSB*")()), ground=plugged.serial_adapter),
    usb("a speaker that plays", "sound.open", "", given.opening(given.speaker_node, os.O_WRONLY), ground=given.speaker, severity="warn"),
)

SITUATIONS += (
    Situation("an open serial port", given.SERIAL, "char.open", "ttyS", given.opening(lambda: given.serial_port(), NO_TERMINAL)),
    Situation("a serial port that a container has open", given.SERIAL, "char.open", "ttyS",
              lambda: given.by_a_node_in_a_container(given.serial_port)),
    Situation("a serial port of a process whose first thread has ended", given.SERIAL, "char.open", "ttyS",
              lambda: given.without_first_thread(given.serial_port)),
    Situation("an open virtio port", given.PORTS, "char.open", "vport", given.opening(lambda: given.port(), os.O_RDWR)),
    Situation("an open watchdog", given.WATCHDOG, "char.open", "watchdog", hidden.open_watchdog("/dev/watchdog0"),
              also=("kernel.in_use",)),
    Situation("a watchdog open by its older name", given.WATCHDOG, "char.open", "watchdog", hidden.open_watchdog("/dev/watchdog"),
              also=("kernel.in_use",)),
    Situation("an open I2C bus", given.SMBUS, "char.open", "i2c", given.opening(
        lambda: given.node_below(given.SMBUS, "i2c-*/i2c-dev/i2c-*")()), ground=given.i2c_nodes,
              idle=("kernel.may_use", "group.not_viable", "device.system")),
    Situation("a chip with a driver at an I2C bus", given.SMBUS, "kernel.may_use", "-0050", hidden.chip_at_the_bus, severity="warn",
              ground=given.i2c_nodes, idle=("kernel.may_use", "group.not_viable", "device.system")),
    Situation("an open clock made of a NIC's clock", given.NIC, "char.open", "ptp", hidden.divided_clock),
    Situation("an open clock of a NIC", given.NIC, "char.open", "ptp", given.opening(
        lambda: given.node_below(given.NIC, "ptp/ptp*")())),
    Situation("the open node for randomness", plugged.PLUGGED, "char.open", "virtio", given.opening(lambda: "/dev/hwrng"),
              ground=plugged.randomness, idle=("kernel.may_use",)),
    Situation("an open UIO node", given.EDU, "char.open", "uio", given.opening(
        lambda: given.node_below(given.EDU, "uio/uio*")(), os.O_RDWR), ground=given.on_driver(given.EDU, "uio_pci_generic")),
    Situation("memory of a device without a driver, mapped and closed", given.EDU, "device.mapped", "",
              given.mapping(given.resource_file(given.EDU))),
    Situation("memory of a device on UIO, mapped and closed", given.EDU, "device.mapped", "",
              given.mapping(given.resource_file(given.EDU)), ground=given.on_driver(given.EDU, "uio_pci_generic")),
    Situation("memory mapped by its address", given.EDU, "device.mapped", "", given.memory_by_address(given.EDU)),
    Situation("memory mapped by the older way", given.EDU, "device.mapped", "", given.memory_by_proc(given.EDU)),
    Situation("an open resource file", given.EDU, "device.mapped", "", given.opening(
        lambda: given.resource_file(given.EDU), os.O_RDWR)),

    Situation("a mounted share", given.SHARE, "fs.mounted", "virtio", given.stacked(given.share_bound, given.share_mounted),
              ground=given.without_share_driver, acceptable=False),
    Situation("a share mounted in another mount namespace", given.SHARE, "fs.mounted", "virtio",
              given.stacked(given.share_bound, given.share_mounted_out_of_sight), ground=given.without_share_driver, acceptable=False),
    Situation("a share that may be mounted out of sight", given.SHARE, "fs.share", "virtio", given.share_bound,
              ground=given.without_share_driver),

    Situation("a cipher that the kernel has taken", given.CIPHERS, "kernel.in_use", "virtio", given.cipher_taken),
    Situation("a mounted disk of a function below", given.EDU, "block.mounted", "below0", plugged.disk_below_mounted,
              ground=plugged.functions_below, acceptable=False),
    Situation("an open disk of a function below", given.EDU, "block.open", "below0", given.opening(lambda: "/dev/below0"),
              ground=plugged.functions_below),
)

SITUATIONS += (
    net("in a network namespace that only a socket keeps", "other_namespace", "", hidden.in_namespace_of_a_socket),
    net("in a network namespace that only a mount out of sight keeps", "other_namespace", "", hidden.in_namespace_of_a_mount_out_of_sight),
    net("a segment of IPv6 whose packets leave there", "route", "{nic}", given.network(
        f"link add dummy7 type dummy; link set dummy7 up; {UP}; -6 route add 2001:db8:7::1 encap seg6local action End.DX2 oif {{nic}} dev dummy7",
        "dummy7")),
    net("a peer of a VXLAN that names no interface", "address", "{nic} vx7", hidden.peer_of_a_tunnel),
    net("packets that nftables sends into it", "session", "{nic}", hidden.filtered(hidden.FORWARDED)),
    net("packets that nftables copies into it", "session", "{nic}", hidden.filtered(hidden.COPIED)),
    net("packets that nftables copies into it as IP", "session", "{nic}", hidden.filtered(hidden.COPIED_AS_IP)),
    net("a chain of nftables", "traffic_control", "{nic}", hidden.filtered(hidden.CHAIN), severity="warn"),
    net("a flowtable of nftables", "traffic_control", "{nic}", hidden.filtered(hidden.FLOWTABLE), severity="warn"),
    net("a multicast group that somebody receives", "packet_socket", "{nic}", wired.script(hidden.GROUP, told=False), severity="warn"),
    net("an IPv6 multicast group that somebody receives", "packet_socket", "{nic}", wired.script(hidden.GROUP_OF_VERSION_6, told=False),
        severity="warn"),
    net("an SCTP server that is bound to it", "packet_socket", "{nic}", wired.script(hidden.BOUND_ASSOCIATION), severity="warn"),
    net("a socket of the kernel that is bound to it", "packet_socket", "{nic}", hidden.decapsulated, severity="warn"),
    Situation("a receiver of CAN frames", plugged.PLUGGED, "net.session", "{nic}", hidden.can_receiver, ground=hidden.can_controller),
    Situation("a gateway of CAN frames", plugged.PLUGGED, "net.route", "{nic}", hidden.can_gateway, ground=hidden.can_controller),

    block("registered with io_uring and closed", "open", "{disk}", hidden.registered(given.disk_node)),
    block("the kernel's store for its last messages", "served", "{disk}", hidden.last_messages("{disk}")),
    block("a partition as the kernel's store for its last messages", "served", "{disk} {disk}p1", given.stacked(
        given.storage(given.ONE_PARTITION, "true"), hidden.last_messages("{disk}p1"))),
    Situation("a mounted virtio disk at a root port", plugged.PLUGGED, "block.mounted", "{disk}", plugged.virtio_disk_mounted,
              ground=plugged.virtio_disk, acceptable=False),
    Situation("an open virtio disk at a root port", plugged.PLUGGED, "block.open", "{disk}", given.opening(
        lambda: given.disk_node(plugged.PLUGGED)), ground=plugged.virtio_disk),

    Situation("a serial port that is registered with io_uring", given.SERIAL, "char.open", "ttyS", hidden.registered(lambda: given.serial_port())),
    Situation("the kernel's last messages in its memory", plugged.PLUGGED, "kernel.in_use", "", hidden.last_messages_in_memory,
              ground=hidden.shared_memory, idle=("device.system",)),
    Situation("a watchdog that was left running", given.WATCHDOG, "kernel.in_use", "watchdog", hidden.running_watchdog),
    Situation("a serial port through which the kernel speaks", given.SERIAL, "kernel.in_use", "ttyS", hidden.speech),
    usb("a stick that is offered to other hosts", "kernel.may_use", "-1", hidden.exported_stick, ground=given.stick, severity="warn"),
    usb("a stick that another host has taken", "kernel.in_use", "-1", given.stacked(hidden.exported_stick, hidden.taken_stick),
        ground=given.stick),
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


def settle(row):
    """udev looks into new disks, and has them open while it does. Interfaces are left alone by it."""
    if row.bdf != given.NIC:
        api.sh("udevadm", "settle")


@api.timeout(100)
class Situations(unittest.TestCase):
    def setUp(self):
        if not (pathlib.Path("/lib/modules") / os.uname().release).exists():
            self.skipTest("this kernel has everything built in, but not everything that is needed here")

    def ask(self, row, query="?dry_run=true", **more):
        return api.request("PUT", f"/v1/devices/{row.bdf}/binding{query}", row.body | more, timeout=60)

    def assert_idle(self, row, left=()):
        settle(row)
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
        settle(row)
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
            if row.ground is not given.nothing:  # else it is as the situation before has left it, idle
                self.assert_idle(row)
            with row.build() as pid:
                later = names_of(row)
                self.assert_in_use(row, {key: names[key] or later[key] for key in names}, pid)
            self.assert_idle(row, ("block.signature",))  # what was stored is data

    def test_the_root_file_system_is_refused(self):
        """It is the lower layer of an overlay, which no mount table shows."""
        roots = [path.parent.parent.name for path in api.PCI.glob("devices/*/virtio*/mount_tag")
                 if path.read_text().strip("\0\n") == "root"]
        answer = api.request("PUT", f"/v1/devices/{roots[0]}/binding?dry_run=true", VFIO, timeout=60)
        self.assertEqual((answer.status, answer.json["would"]), (200, "refuse"), answer)  # tried for real, it ends the machine
        self.assertEqual([item["code"] for item in answer.json["refused_by"]], ["fs.share"])

    def test_idle_nics_and_disks_of_a_fresh_machine_are_not_refused(self):
        for name in ("nic0", "nic1", "nvme", "sriov", "pair0", "pair1", "usb", "edu", "serial", "ports", "watchdog", "ciphers"):
            with self.subTest(name):
                bdf = machine.DEVICES[name].bdf
                answer = api.request("PUT", f"/v1/devices/{bdf}/binding?dry_run=true", VFIO, timeout=60)
                self.assertEqual((answer.status, answer.json["refused_by"], answer.json["would"]), (200, [], "change"), answer)
                codes = {item["code"] for item in answer.json["evidence"]} - {"group.not_viable", "group.sibling_in_use"}
                self.assertLessEqual(codes, {"block.signature"} if name == "nvme" else set(), answer)

    def test_an_interface_that_is_merely_up_is_accepted(self):
        with wired.merely_up():
            answer = api.request("PUT", f"/v1/devices/{given.NIC}/binding?dry_run=true", VFIO, timeout=60)
            shown = api.request("GET", f"/v1/devices/{given.NIC}/usage", timeout=60).json
        self.assertEqual((answer.status, answer.json["refused_by"]), (200, []), answer)
        self.assertLessEqual({item["code"] for item in shown["evidence"]}, {"net.carrier"}, shown["evidence"])
        self.assertEqual({rule["outcome"] for rule in shown["rules"] if rule["rule"] != "link"}, {"nothing"}, shown["rules"])

    def test_what_is_about_others_or_only_names_a_device_is_no_use(self):
        with others.uses():
            api.sh("udevadm", "settle")
            for bdf in (given.NIC, given.DISK, given.EDU, given.SERIAL, given.USB):
                with self.subTest(bdf):
                    answer = api.request("PUT", f"/v1/devices/{bdf}/binding?dry_run=true", VFIO, timeout=60)
                    self.assertEqual((answer.status, answer.json["refused_by"], answer.json["would"]), (200, [], "change"), answer)
                    codes = {item["code"] for item in answer.json["evidence"]}
                    self.assertLessEqual(codes, {"block.signature"} if bdf == given.DISK else set(), answer.json["evidence"])

    def test_what_does_not_tell_its_interface_is_told_as_not_visible(self):
        def reason():
            rules = api.request("GET", f"/v1/devices/{given.NIC}/usage", timeout=60).json["rules"]
            return next(rule["reason"] or "" for rule in rules if rule["rule"] == "sessions")

        with wired.unseen_targets() as told:
            shown = reason()
            for words in told:
                self.assertIn(words, shown)
        self.assertEqual(reason(), "")

    def test_a_claim_by_selector_prefers_a_device_without_any_evidence(self):
        selector = {"selector": {"vendor": "8086", "device": "10d3"}}
        with given.network("link set {nic} up; link add link {nic} name vlan7 type vlan id 7", "vlan7")():
            answer = api.request("POST", "/v1/claims?dry_run=true", selector, timeout=60)
        self.assertEqual([item["address"] for item in answer.json["devices"]], [given.OTHER], answer)

    def test_what_was_looked_at_is_in_the_audit(self):
        with given.network(ADDRESS + " {nic}")():
            api.request("PUT", f"/v1/devices/{given.NIC}/binding", VFIO, timeout=60)
        line = api.request("GET", f"/v1/audit?device={given.NIC}&page_size=1").json["items"][0]
        looked = line["looked_at"][0]
        self.assertEqual((line["event"], looked["device"], looked["found"]), ("refused", given.NIC, ["addresses"]), line)
        self.assertIn("sessions", looked["nothing"])

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
