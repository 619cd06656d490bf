# SPDX-License-Identifier: Apache-2.0
"""Builds uses that neither an address nor a mount nor a process with an open node shows: those of the kernel itself, and
those of processes that have hidden them.

Builders as those of situations.py; it asserts nothing.
"""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import socket
import sys

import api
import plugged_situations as plugged
import situations as given

GET_NAMESPACE = 0x894C  # SIOCGSKNS


# Network.

@contextlib.contextmanager
def in_namespace_of_a_socket():
    """The NIC is in a namespace without any process, mount or descriptor of it: a socket keeps it."""
    nic = given.interface()
    with given.process("unshare", "-n", "sh", "-c", "echo ready; exec sleep 1000") as first:
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/proc/{first}/ns/net", os.O_RDONLY)
        set_namespace(there)
        kept = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        set_namespace(here)
        os.close(there)
        os.close(here)
        api.sh(f"ip link set {nic} netns {first}")
    try:
        yield
    finally:
        space = fcntl.ioctl(kept, GET_NAMESPACE)
        api.sh(f"nsenter --net=/proc/{os.getpid()}/fd/{space} ip link set {nic} netns 1")
        os.close(space)
        kept.close()


def set_namespace(descriptor):
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) < 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def in_namespace_of_a_mount_out_of_sight():
    """The NIC is in a namespace without any process, and the mount that keeps it is in a mount namespace of its own."""
    nic = given.interface()
    place = "/run/usage-namespace"
    script = f"touch {place} && unshare --net={place} true && echo ready && exec sleep 1000"
    try:
        with given.process("unshare", "-m", "--propagation", "private", "sh", "-c", script) as keeper:
            space = f"/proc/{keeper}/root{place}"
            with given.shell(f"ip link set {nic} netns {space}", f"nsenter --net={space} ip link set {nic} netns 1"):
                yield
    finally:
        pathlib.Path(place).unlink(missing_ok=True)


def peer_of_a_tunnel():
    """A VXLAN that names no interface sends to one peer through the NIC."""
    nic = given.interface()
    up = f"""ip link set {nic} up
        ip link add vx7 type vxlan id 7 dstport 4789 local 192.0.2.9
        bridge fdb append 00:00:00:00:00:00 dev vx7 dst 198.51.100.2 via {nic}
        ip address add 203.0.113.1/24 dev vx7"""
    return given.shell(up, f"ip link delete vx7\nip link set {nic} down")


def filtered(text):
    """Builder: a ruleset of nftables, with {nic}, while there is a dummy7."""

    def build():
        rules = text.format(nic=given.interface())
        up = f"ip link add dummy7 type dummy\nip link set dummy7 up\nnft -f - <<'END'\n{rules}\nEND"
        return given.shell(up, "nft flush ruleset\nip link delete dummy7")

    return build


FORWARDED = """table netdev usage7 {{
    chain incoming {{
        type filter hook ingress device "dummy7" priority 0
        fwd to "{nic}"
    }}
}}"""
COPIED = FORWARDED.replace("fwd to", "dup to")
COPIED_AS_IP = """table ip usage7 {{
    chain incoming {{
        type filter hook input priority 0
        dup to 192.0.2.9 device "{nic}"
    }}
}}"""
CHAIN = FORWARDED.replace("dummy7", "{nic}").replace('fwd to "{nic}"', "accept")
FLOWTABLE = """table inet usage7 {{
    flowtable flows {{
        hook ingress priority 0
        devices = {{ {nic} }}
    }}
}}"""

GROUP = """
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("239.1.2.3", 7777))
receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + struct.pack("=4si", bytes(4), index))
"""
GROUP_OF_VERSION_6 = """
receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
receiver.bind(("ff05::77", 7777, 0, index))
receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff05::77") + struct.pack("=I", index))
"""
BOUND_ASSOCIATION = """
os.system("modprobe sctp")
bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
bound.setsockopt(socket.SOL_SOCKET, 25, nic.encode())  # SO_BINDTODEVICE
bound.bind(("0.0.0.0", 7777))
bound.listen()
"""


def decapsulated():
    """The kernel's own socket for packets in UDP, which it takes from the NIC alone."""
    nic = given.interface()
    return given.shell(f"modprobe fou\nip fou add port 5555 ipproto 4 local 127.0.0.1 dev {nic}",
                       f"ip fou delete port 5555 ipproto 4 local 127.0.0.1 dev {nic}\nmodprobe -r fou")


# At a spare port.

def back_end(kind, name, **properties):
    """QEMU's part of a device. It stays, since QEMU may still have the device when the machine has lost it."""
    with contextlib.suppress(RuntimeError):  # it is there already
        api.qmp("object-add", **{"qom-type": kind, "id": name} | properties)


@contextlib.contextmanager
def can_controller():
    """A controller for CAN at a spare port."""
    back_end("can-bus", "cans")
    with plugged.at_a_port("kvaser_pci", "net/*", canbus="cans")():
        yield


def can_interface():
    return api.interfaces_of(plugged.PLUGGED)[0]


@contextlib.contextmanager
def can_receiver():
    name = can_interface()
    with given.shell(f"modprobe can_raw\nip link set {name} type can bitrate 500000\nip link set {name} up", f"ip link set {name} down"):
        with given.busy("receiver", lambda: bound_to_can(name)):
            yield


def bound_to_can(name):
    receiver = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    receiver.bind((name,))
    return receiver


def can_job(command, source, target):
    """Lines that make (24, RTM_NEWROUTE) or remove (25) a gateway from one interface to another: linux/can/gw.h."""
    return f"""{sys.executable} - <<'PROGRAM'
import socket, struct
def attribute(kind, name):
    return struct.pack("=HHI", 8, kind, socket.if_nametoindex(name))
job = struct.pack("=BBH", 29, 1, 0) + attribute(9, "{source}") + attribute(10, "{target}")
link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
link.send(struct.pack("=IHHII", 16 + len(job), {command}, 0x405 if {command} == 24 else 5, 1, 0) + job)
error = struct.unpack_from("=i", link.recv(4096), 16)[0]
if error:
    raise OSError(-error, "can-gw")
PROGRAM
"""


def can_gateway():
    name = can_interface()
    up = f"modprobe vcan\nmodprobe can_gw\nip link add vcan7 type vcan\nip link set vcan7 up\n{can_job(24, 'vcan7', name)}"
    return given.shell(up, f"{can_job(25, 'vcan7', name)}\nip link delete vcan7\nmodprobe -r can_gw")


# Disks.

# A ring with one registered file, whose descriptor is closed: io_uring_setup, io_uring_register.
RING = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
ring = libc.syscall(425, 4, ctypes.create_string_buffer(120))
descriptor = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
if ring < 0 or libc.syscall(427, ring, 2, (ctypes.c_int * 1)(descriptor), 1) < 0:
    raise OSError(ctypes.get_errno(), "io_uring")
os.close(descriptor)
print("ready", flush=True)
time.sleep(1000)
"""


def registered(find_node):
    """Builder: a process has the node open by a ring of io_uring alone."""
    return lambda: given.process(sys.executable, "-c", RING, find_node())


def last_messages(device):
    """Builder: the kernel writes its last messages to a block device when it dies."""
    return given.storage(f"modprobe pstore_blk blkdev={device} best_effort=y kmsg_size=64 max_reason=4", "modprobe -r pstore_blk")


# Memory at a spare port.

@contextlib.contextmanager
def shared_memory():
    """A device that is memory and nothing else, and has no driver."""
    back_end("memory-backend-ram", "memory", size=4 << 20, share=True)
    with plugged.at_a_port("ivshmem-plain", "resource2", memdev="memory")():
        yield


def last_messages_in_memory():
    device = api.PCI / "devices" / plugged.PLUGGED
    start = api.attribute(plugged.PLUGGED, "resource").splitlines()[2].split()[0]
    return given.shell(f"echo 1 >{device}/enable\nmodprobe ramoops mem_address={start} mem_size=0x40000 record_size=0x10000",
                       f"modprobe -r ramoops\necho 0 >{device}/enable")


# Other devices.

@contextlib.contextmanager
def running_watchdog():
    """It was started by a process that has ended without stopping it."""
    node = pathlib.Path("/dev/watchdog0")
    try:
        node.write_bytes(b"x")
        yield
    finally:
        node.write_bytes(b"V")


def open_watchdog(path):
    """Builder: a process has it open, which starts it; afterwards it is stopped."""

    @contextlib.contextmanager
    def build():
        try:
            with given.holder(path, os.O_WRONLY) as pid:
                yield pid
        finally:
            pathlib.Path(path).write_bytes(b"V")

    return build


def speech():
    """The kernel reads the console aloud through the serial port."""
    name = pathlib.Path(given.serial_port()).name
    return given.shell(f"modprobe speakup\nmodprobe speakup_dummy dev={name} start=1", "modprobe -r speakup_dummy speakup")


@contextlib.contextmanager
def divided_clock():
    """A process has a clock open that was made of the NIC's."""
    clock = next((api.PCI / "devices" / given.NIC).glob("ptp/ptp*"))
    with given.shell(f"echo 1 >{clock}/n_vclocks\nudevadm settle", f"echo 0 >{clock}/n_vclocks"):
        made = next(clock.glob("ptp*"))
        with given.holder(f"/dev/{made.name}", os.O_RDWR) as pid:
            yield pid


@contextlib.contextmanager
def chip_at_the_bus():
    """A memory chip at the SMBus has a driver, though nobody has its node."""
    bus = next((api.PCI / "devices" / given.SMBUS).glob("i2c-*"))
    with given.shell(f"modprobe at24\necho 24c02 0x50 >{bus}/new_device\nudevadm settle",
                     f"echo 0x50 >{bus}/delete_device"):
        yield


def exported_stick():
    """The stick is offered to other hosts."""
    name = next((api.PCI / "devices" / given.USB).glob("usb*/*-*/idVendor")).parent.name
    drivers = "/sys/bus/usb/drivers"
    up = f"""modprobe usbip_host
        echo -n add {name} >{drivers}/usbip-host/match_busid
        echo {name} >{drivers}/usb/unbind
        echo {name} >{drivers}/usbip-host/bind"""
    down = f"""echo {name} >{drivers}/usbip-host/unbind
        echo -n del {name} >{drivers}/usbip-host/match_busid
        echo {name} >{drivers}/usb/bind
        modprobe -r usbip_host"""

    @contextlib.contextmanager
    def build():
        with given.shell(up, down):
            yield
        api.wait_for(lambda: given.disk_of(given.USB), 30, "the stick's disk")

    return build()


@contextlib.contextmanager
def taken_stick():
    """Another host, which is this one, has the stick."""
    control = next((api.PCI / "devices" / given.USB).glob("usb*/*-*/usbip_sockfd"))
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        end, _ = server.accept()
        with end:
            api.write_sysfs(control, str(end.fileno()))
            try:
                yield
            finally:
                api.write_sysfs(control, "-1")
                status = control.with_name("usbip_status")
                api.wait_for(lambda: status.read_text().strip() == "1", 20, "the stick to be free")
