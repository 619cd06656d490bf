# SPDX-License-Identifier: Apache-2.0
"""Builds what looks like a use of a device and is none: uses of other devices, and mere mentions of this one.

It asserts nothing; test_90_usage does.
"""

import contextlib
import ctypes
import socket
import struct

import situations as given

PLACE = "/run/usage-others"


def network():
    """The NIC beside it is in full use; the NIC itself is named in rules, in an action of tc and by a namespace that is gone.
    A rule of nftables sends packets into the one beside it."""
    other = given.interface(given.OTHER)
    nic = given.interface()
    up = f"""ip link set {other} up
        ip address add 192.0.2.1/24 dev {other}
        ip route add 198.51.100.0/24 via 192.0.2.9
        ip -6 route add 2001:db8:7::/48 dev {other}
        ip link add link {other} name vlan8 type vlan id 8
        ip link add br8 type bridge
        ip link set vlan8 master br8
        ip route add unreachable 203.0.113.0/24
        ip rule add iif {nic} table 78
        tc actions add action mirred egress redirect dev {nic} index 78
        nft -f - <<'END'
table inet usage8 {{
    chain forward {{
        type filter hook forward priority 0
        iifname "{nic}" drop
    }}
}}
table netdev usage8 {{
    chain incoming {{
        type filter hook ingress device "{other}" priority 0
        fwd to "{other}"
    }}
}}
END
        ip link add vx8 type vxlan id 8 dstport 4789 local 192.0.2.1
        bridge fdb append 00:00:00:00:00:00 dev vx8 dst 198.51.100.2 via {other}
        ip netns add usage8
        ip link set {nic} netns usage8
        ip -n usage8 link set {nic} netns 1
        ip netns delete usage8"""
    down = f"""nft flush ruleset
        ip link delete vx8
        tc actions delete action mirred index 78
        ip rule delete iif {nic} table 78
        ip route delete unreachable 203.0.113.0/24
        ip link delete br8
        ip link delete vlan8
        ip address flush dev {other}
        ip link set {other} down"""
    return given.shell(up, down)


def storage():
    """A file that is no disk's is a loop device with a table of dm, swap, and a namespace of the NVMe target that is off."""
    target = given.NVME_TARGET
    up = given.WITH_CONFIGURATION + f"""mkdir -p {PLACE}
        truncate -s 40M {PLACE}/image
        losetup /dev/loop8 {PLACE}/image
        {given.table("usage8", "/dev/loop8")}
        mkswap -q /dev/mapper/usage8
        swapon /dev/mapper/usage8
        modprobe nvmet
        mkdir -p {target}/namespaces/1
        echo -n {given.disk_node()} >{target}/namespaces/1/device_path
        modprobe zram num_devices=1"""
    down = f"""rmdir {target}/namespaces/1 {target}
        swapoff /dev/mapper/usage8
        udevadm settle
        dmsetup remove usage8
        losetup -d /dev/loop8
        rm -r {PLACE}
        modprobe -r zram"""
    return given.shell(up, down)


def watchers():
    """A process that is told when somebody closes a node, as udev is."""

    def begin():
        libc = ctypes.CDLL(None, use_errno=True)
        watch = libc.inotify_init()
        for node in (given.disk_node(), given.serial_port()):
            if libc.inotify_add_watch(watch, node.encode(), 8) < 0:  # IN_CLOSE_WRITE
                raise OSError(ctypes.get_errno(), node)
        return watch

    return given.busy("watches", begin)


def listeners():
    """A packet socket for all interfaces, one at the NIC beside it, servers for all addresses, and groups of multicast."""

    def begin():
        everywhere = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5))
        beside = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B6))
        beside.bind((given.interface(given.OTHER), 0x88B6))
        server = socket.create_server(("::", 7778), family=socket.AF_INET6)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("0.0.0.0", 7778))
        # A name service joins its group at every interface; another one is received beside the NIC.
        for group, interface in (("224.0.0.251", given.interface()), ("239.1.2.3", given.interface(given.OTHER))):
            place = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), socket.if_nametoindex(interface))
            datagrams.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, place)
        return everywhere, beside, server, datagrams

    return given.busy("listeners", begin)


@contextlib.contextmanager
def uses():
    with contextlib.ExitStack() as stack:
        for build in (network, storage, watchers, listeners):
            stack.enter_context(build())
        yield
