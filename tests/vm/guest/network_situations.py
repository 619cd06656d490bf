# SPDX-License-Identifier: Apache-2.0
"""Builds the ways in which a host uses a NIC that has no address: routes, tunnels, and protocols below IP, for real.

Builders as those of situations.py; it asserts nothing.
"""

import contextlib
import os
import pathlib
import socket
import struct
import sys

import api
import situations as given

NIC = given.NIC
PINNED = "/run/usage-bpf"
CONSOLE = "/sys/kernel/config/netconsole/usage7"


@contextlib.contextmanager
def linked():
    """The kernel takes no nexthop at an interface that has no link yet."""
    nic = given.interface()
    api.sh("ip", "link", "set", nic, "up")
    api.wait_for(lambda: pathlib.Path(f"/sys/class/net/{nic}/carrier").read_text() == "1\n", 20, "a link")
    yield


def next_hops(up, down="nexthop flush"):
    """Builder from lines of ip-batch(8), with {nic}, while routes by nexthop objects do not tell their interface."""

    def build():
        compatible = "/proc/sys/net/ipv4/nexthop_compat_mode"
        return given.stacked(
            lambda: given.shell(f"echo 0 >{compatible}", f"echo 1 >{compatible}"),
            lambda: given.shell("true", "\n".join(f"ip {line.strip()}" for line in down.split(";"))),
            linked,
            given.network(up))()

    return build


def script(text, told=True):
    """Builder: a Python program with `nic` in it that uses the interface, says "ready" and stays. Gives its pid where it is `told`."""

    @contextlib.contextmanager
    def build():
        nic = given.interface()
        program = f"nic = {nic!r}\n{PRELUDE}{text}\nprint('ready', flush=True)\ntime.sleep(1000)\n"
        with given.network("link set {nic} up")(), given.process(sys.executable, "-c", program) as pid:
            yield pid if told else None

    return build


PRELUDE = """
import ctypes, mmap, os, socket, struct, time
libc = ctypes.CDLL(None, use_errno=True)

def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def call(function, descriptor, address):  # with a socket address of a family that Python does not know
    check(function(descriptor, address, len(address)))

index = socket.if_nametoindex(nic)
"""

# A session with a peer that never answers: the kernel does not ask it.
PPPOE = """
session = socket.socket(24, socket.SOCK_STREAM, 0)  # AF_PPPOX, PX_PROTO_OE
peer = struct.pack("!H6s16s", 7, bytes.fromhex("020000000001"), nic.encode())
call(libc.connect, session.fileno(), struct.pack("=HI", 24, 0) + peer)
"""

PACKET_SOCKET = """
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
listener.bind((nic, 0x88b5))
"""

MULTICAST_ROUTER = """
router = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
router.setsockopt(socket.IPPROTO_IP, 200, 1)  # MRT_INIT
router.setsockopt(socket.IPPROTO_IP, 202, struct.pack("=HBBIII", 0, 8, 1, 0, index, 0))  # MRT_ADD_VIF, VIFF_USE_IFINDEX
"""

# Bound for sending alone, without any program on the interface.
XDP_SOCKET = """
SOL_XDP, TX_RING, UMEM_REG, FILL_RING, COMPLETION_RING = 283, 3, 4, 5, 6
sock = socket.socket(44, socket.SOCK_RAW, 0)
area = mmap.mmap(-1, 65536)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
sock.setsockopt(SOL_XDP, UMEM_REG, struct.pack("=QQIIII", address, 65536, 4096, 0, 0, 0))
for ring in (FILL_RING, COMPLETION_RING, TX_RING):
    sock.setsockopt(SOL_XDP, ring, struct.pack("=I", 8))
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
if libc.mmap(None, 4096, 3, 1, sock.fileno(), 0x100000000) == ctypes.c_void_p(-1).value:
    check(-1)
call(libc.bind, sock.fileno(), struct.pack("=HHIII", 44, 2, index, 0, 0))  # XDP_COPY
"""

LINK_LOCAL = """
os.system(f"ip address add fe80::7/64 dev {nic} nodad")
server = socket.socket(socket.AF_INET6)
server.bind(("fe80::7", 7777, 0, index))
server.listen()
client = socket.socket(socket.AF_INET6)
client.connect(("fe80::7", 7777, 0, index))
"""

BOUND_SOCKET = """
bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
bound.setsockopt(socket.SOL_SOCKET, 25, nic.encode())  # SO_BINDTODEVICE
bound.bind(("0.0.0.0", 7777))
"""

LINK_LOCAL_SERVER = """
os.system(f"ip address add fe80::7/64 dev {nic} nodad")
server = socket.socket(socket.AF_INET6)
server.bind(("fe80::7", 7777, 0, index))
server.listen()
"""

# BPF_PROG_LOAD of "r0 = XDP_PASS; exit", and BPF_OBJ_PIN.
PIN_PROGRAM = PRELUDE + f"""
def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = libc.syscall(321, command, buffer, len(attributes))
    check(result)
    return result

code = ctypes.create_string_buffer(struct.pack("=BBhi", 0xb7, 0, 0, 2) + struct.pack("=BBhi", 0x95, 0, 0, 0), 16)
text = ctypes.create_string_buffer(b"GPL")
program = bpf(5, struct.pack("=IIQQIIQ", 6, 2, ctypes.addressof(code), ctypes.addressof(text), 0, 0, 0))
path = ctypes.create_string_buffer(b"{PINNED}/pass")
bpf(6, struct.pack("=QI", ctypes.addressof(path), program))
"""


@contextlib.contextmanager
def xdp_program():
    nic = given.interface()
    up = f"""mkdir -p {PINNED}
        mount -t bpf bpf {PINNED}
        {sys.executable} - <<'PROGRAM'
nic = "{nic}"
{PIN_PROGRAM}
PROGRAM
        ip link set {nic} xdpgeneric pinned {PINNED}/pass"""
    with given.shell(up, f"ip link set {nic} xdpgeneric off\numount {PINNED}\nrmdir {PINNED}"):
        yield


LLC_SOCKET = """
os.system("modprobe llc2")
listener = socket.socket(26, socket.SOCK_DGRAM)  # AF_LLC, which binds by the hardware address
address = bytes.fromhex(open(f"/sys/class/net/{nic}/address").read().strip().replace(":", ""))
call(libc.bind, listener.fileno(), struct.pack("=HHBBBB6s2x", 26, 1, 0, 0, 0, 0x42, address))
"""

# SIOCSIFADDR with a sockaddr_at: 1000.10, in the networks 1000 to 1001 of phase 2.
APPLE_TALK = """
import fcntl
os.system("modprobe appletalk")
router = socket.socket(socket.AF_APPLETALK, socket.SOCK_DGRAM)
address = struct.pack("=HBB", 5, 0, 0) + struct.pack("!HBxBxHH", 1000, 10, 2, 1000, 1001)
fcntl.ioctl(router, 0x8916, nic.encode().ljust(16, b"\\0") + address.ljust(24, b"\\0"))
"""

# A router may take an anycast address of any prefix.
ANYCAST = """
for place in (nic, "all"):
    os.system(f"sysctl -qw net.ipv6.conf.{place}.forwarding=1")
receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
receiver.setsockopt(socket.IPPROTO_IPV6, 27, socket.inet_pton(socket.AF_INET6, "2001:db8:77::") + struct.pack("=I", index))
os.system("sysctl -qw net.ipv6.conf.all.forwarding=0")
"""

BOUND_DATAGRAMS = """
bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)  # UDP-Lite
bound.setsockopt(socket.SOL_SOCKET, 25, nic.encode())  # SO_BINDTODEVICE
bound.bind(("0.0.0.0", 7777))
"""

BOUND_SERVER = """
os.system("modprobe -a dccp_ipv4 dccp_diag")
bound = socket.socket(socket.AF_INET, 6, 33)  # DCCP
bound.setsockopt(socket.SOL_SOCKET, 25, nic.encode())  # SO_BINDTODEVICE
bound.bind(("0.0.0.0", 7777))
bound.setsockopt(269, 2, struct.pack("=I", 1))  # a service code
bound.listen()
"""

# PACKET_ADD_MEMBERSHIP of PACKET_MR_PROMISC, by a socket that is bound to no interface.
EVERY_PACKET = """
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
listener.setsockopt(263, 1, struct.pack("=IHH8x", index, 1, 0))
"""


@contextlib.contextmanager
def virtual_servers():
    """A thread of the kernel receives the state of another director for IPVS by multicast, as its backup."""
    nic = given.interface()
    start, stop, backup = 0x48B, 0x48C, 2  # IP_VS_SO_SET_STARTDAEMON and its like
    with given.shell(f"modprobe ip_vs\nip link set {nic} up", f"modprobe -r ip_vs\nip link set {nic} down"):
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as control:
            control.setsockopt(socket.IPPROTO_IP, start, struct.pack("=i16si", backup, nic.encode(), 7))
            try:
                yield
            finally:
                control.setsockopt(socket.IPPROTO_IP, stop, struct.pack("=i16si", backup, nic.encode(), 7))


def radio():
    """AX.25 over Ethernet: rtnetlink does not tell which interface it stands on."""
    nic = given.interface()
    up = f"""modprobe bpqether
        ip link set {nic} up
        ip link set $(awk '$2 == "{nic}" {{ print $1 }}' /proc/net/bpqether) up"""
    return given.shell(up, f"modprobe -r bpqether\nip link set {nic} down")


def equalized():
    """One of several links that send as one (teql): neither a master nor a link ties it."""
    nic = given.interface()
    up = f"""modprobe sch_teql
        tc qdisc add dev {nic} root teql0
        ip link set {nic} up
        ip link set teql0 up
        ip address add 192.0.2.1/24 dev teql0"""
    return given.shell(up, f"tc qdisc delete dev {nic} root\nip link set {nic} down\nmodprobe -r sch_teql")


def tunnel_of_a_route():
    """An IPsec interface that names no interface below it: the route does."""
    nic = given.interface()
    up = f"""ip link set {nic} up
        ip link add ipsec7 type xfrm external
        ip link set ipsec7 up
        ip route add 203.0.113.0/24 dev ipsec7 encap xfrm if_id 7 link_dev {nic}"""
    return given.shell(up, f"ip link delete ipsec7\nip link set {nic} down")


@contextlib.contextmanager
def unseen_targets():
    """What may send packets into the NIC, or be done by it, and does not say so. Gives what is told of it."""
    nic = given.interface()
    up = f"""ip link set {nic} up
        ip link add dummy7 type dummy
        tc qdisc add dev dummy7 clsact
        tc filter add dev dummy7 egress bpf direct-action bytecode '1,6 0 0 0'
        ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 7 enc cipher_null '' auth digest_null ''"""
    with given.shell(up, f"ip xfrm state flush\nip link delete dummy7\nip link set {nic} down"):
        yield ("the BPF program of tc at dummy7", "1 associations of IPsec")


def redirected():
    """What comes in at another interface goes out at the NIC."""
    up = """link add dummy7 type dummy
        tc qdisc add dev dummy7 clsact
        tc filter add dev dummy7 ingress matchall action mirred egress redirect dev {nic}"""
    nic = given.interface()
    return given.shell("ip " + up.format(nic=nic), "ip link delete dummy7")


def redirected_to_vlan():
    """The same with a VLAN on the NIC."""
    nic = given.interface()
    up = f"""ip link add link {nic} name vlan7 type vlan id 7
        ip link add dummy7 type dummy
        tc qdisc add dev dummy7 clsact
        tc filter add dev dummy7 egress matchall action mirred egress mirror dev vlan7"""
    return given.shell(up, "ip link delete dummy7\nip link delete vlan7")


def labelled():
    """What comes in with an MPLS label goes out at the NIC."""
    nic = given.interface()
    labels = "/proc/sys/net/mpls/platform_labels"
    up = f"""modprobe mpls_router
        echo 100 >{labels}
        ip link set {nic} up
        ip -f mpls route add 16 via inet6 fe80::9 dev {nic}"""
    return given.shell(up, f"ip -f mpls route delete 16\necho 0 >{labels}\nip link set {nic} down")


def software_rdma():
    nic = given.interface()
    return given.shell(f"modprobe rdma_rxe\nrdma link add rxe7 type rxe netdev {nic}\nudevadm settle", "rdma link delete rxe7")


def fibre_channel():
    """Fibre Channel over Ethernet on the NIC: no address, nothing above it in the stack, and no disk yet."""
    nic = given.interface()
    up = f"modprobe fcoe\nip link set {nic} up\necho {nic} >/sys/bus/fcoe/ctlr_create\necho 1 >$(echo /sys/bus/fcoe/devices/ctlr_*/enabled)\nudevadm settle"
    return given.shell(up, f"echo {nic} >/sys/bus/fcoe/ctlr_destroy\nudevadm settle\nip link set {nic} down")


def vlan_in_namespace():
    """A container's VLAN, made on the NIC and moved away."""
    nic = given.interface()
    up = f"""ip netns add usage7
        ip link add link {nic} name vlan7 type vlan id 7
        ip link set vlan7 netns usage7"""
    return given.shell(up, "ip -n usage7 link delete vlan7\nip netns delete usage7")


def in_namespace_of_a_mount():
    """The NIC is in a namespace without any process, which a mount keeps that is not where ip(8) has its own."""
    nic = given.interface()
    place = "/run/usage-namespace"
    up = f"touch {place}\nunshare --net={place} true\nip link set {nic} netns {place}"
    return given.shell(up, f"nsenter --net={place} ip link set {nic} netns 1\numount {place}\nrm {place}")


@contextlib.contextmanager
def in_namespace_of_a_descriptor():
    """The NIC is in a namespace without any process and any mount: a descriptor keeps it."""
    nic = given.interface()
    with given.process("unshare", "-n", "sh", "-c", "echo ready; exec sleep 1000") as first:
        kept = os.open(f"/proc/{first}/ns/net", os.O_RDONLY)
    try:
        api.sh(f"ip link set {nic} netns /proc/{os.getpid()}/fd/{kept}")
        yield
    finally:
        api.sh(f"nsenter --net=/proc/{os.getpid()}/fd/{kept} ip link set {nic} netns 1")
        os.close(kept)


def filtered():
    nic = given.interface()
    return given.shell(f"tc qdisc add dev {nic} clsact", f"tc qdisc delete dev {nic} clsact")


def network_console():
    nic = given.interface()
    up = f"""ip link set {nic} up
        modprobe netconsole
        systemctl start sys-kernel-config.mount
        mkdir {CONSOLE}
        echo {nic} >{CONSOLE}/dev_name
        echo 192.0.2.9 >{CONSOLE}/local_ip
        echo 192.0.2.10 >{CONSOLE}/remote_ip
        echo 02:00:00:00:00:01 >{CONSOLE}/remote_mac
        echo 1 >{CONSOLE}/enabled"""
    return given.shell(up, f"echo 0 >{CONSOLE}/enabled\nrmdir {CONSOLE}\nmodprobe -r netconsole\nip link set {nic} down")


def packet_generator():
    thread = "/proc/net/pktgen/kpktgend_0"
    nic = given.interface()
    up = f"modprobe pktgen\nip link set {nic} up\necho add_device {nic} >{thread}"
    return given.shell(up, f"echo rem_device_all >{thread}\nip link set {nic} down")


def tipc_bearer():
    nic = given.interface()
    up = f"modprobe tipc\nip link set {nic} up\ntipc bearer enable media eth device {nic}"
    return given.shell(up, f"tipc bearer disable media eth device {nic}\nip link set {nic} down\nmodprobe -r tipc")


# WG_CMD_SET_DEVICE with one peer, whose endpoint is a link-local address of the NIC's link.
WIREGUARD_PEER = PRELUDE + """
def attribute(kind, content):
    return struct.pack("=HH", 4 + len(content), kind) + content + b"\\0" * (-len(content) % 4)

def ask(family, command, version, content):
    netlink.send(struct.pack("=IHHII", 20 + len(content), family, 5, 1, 0) + struct.pack("=BBH", command, version, 0) + content)
    return netlink.recv(8192)

netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
answer = ask(16, 3, 1, attribute(2, b"wireguard\\0"))
family = struct.unpack_from("=H", answer, answer.index(struct.pack("=HH", 6, 1)) + 4)[0]
netlink.recv(8192)  # the acknowledgement
endpoint = struct.pack("=H", 10) + struct.pack("!HI16sI", 51820, 0, socket.inet_pton(socket.AF_INET6, "fe80::9"), 0)[:22] + struct.pack("=I", index)
peer = attribute(1, bytes(range(32))) + attribute(4, endpoint)
done = ask(family, 1, 1, attribute(2, b"wg7\\0") + attribute(0x8008, attribute(0x8000, peer)))
check(struct.unpack_from("=i", done, 16)[0])
"""


def wireguard():
    nic = given.interface()
    up = f"""ip link set {nic} up
        ip link add wg7 type wireguard
        {sys.executable} - <<'PROGRAM'
nic = "{nic}"
{WIREGUARD_PEER}
PROGRAM"""
    return given.shell(up, f"ip link delete wg7\nip link set {nic} down")


def tunnel_in_namespace():
    """A container's VXLAN, made on the NIC and moved away."""
    nic = given.interface()
    up = f"""ip netns add usage7
        ip link set {nic} up
        ip link add vx7 type vxlan id 7 dev {nic} remote 198.51.100.2 dstport 4789
        ip link set vx7 netns usage7"""
    return given.shell(up, f"ip -n usage7 link delete vx7\nip netns delete usage7\nip link set {nic} down")


@contextlib.contextmanager
def merely_up():
    """Up, with what the kernel and usual services give such an interface by themselves: none of it is a use."""
    lines = ("link set {nic} up; address add fe80::7/64 dev {nic} nodad; address add 169.254.7.7/16 dev {nic};"
             "route add 169.254.0.0/16 dev {nic} scope link metric 1000; route add 224.0.0.0/4 dev {nic};"
             "-6 route add ff05::/16 dev {nic} table local")
    with given.network(lines)():
        yield pathlib.Path("/sys/class/net", given.interface())
