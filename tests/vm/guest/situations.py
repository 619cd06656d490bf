# SPDX-License-Identifier: Apache-2.0
"""Builds the ways in which a host uses its devices, for real: interfaces, disks, virtual functions, USB, open nodes.

Each is a context manager that takes away again all that it made, whatever happens meanwhile. One that lets a process
use the device gives its pid. It asserts nothing; test_90_usage does.
"""

import contextlib
import ctypes
import fcntl
import mmap
import os
import pathlib
import re
import socket
import struct
import subprocess

import api
import machine

NIC, OTHER, MGMT, DISK, PF, USB, VGA, PAIR0, PAIR1 = (
    machine.DEVICES[name].bdf for name in ("nic0", "nic1", "mgmt", "nvme", "sriov", "usb", "vga", "pair0", "pair1")
)
SERIAL, PORTS, WATCHDOG, SHARE, CIPHERS, EDU, SMBUS = (
    *(machine.DEVICES[name].bdf for name in ("serial", "ports", "watchdog", "share", "ciphers", "edu")), "0000:00:1f.3")
VF = PF[:-1] + "1"
MOUNT = "/run/usage"


@contextlib.contextmanager
def nothing():
    yield


@contextlib.contextmanager
def shell(up, down):
    """`up`, which must succeed, and at the end `down`, each line of which is tried."""
    try:
        api.sh("set -e\n" + up)
        yield
    finally:
        api.sh(down, check=False)


def stacked(*builders):
    """The builders one inside the other; gives what the last one gives."""

    @contextlib.contextmanager
    def build():
        with contextlib.ExitStack() as stack:
            given = None
            for builder in builders:
                given = stack.enter_context(builder())
            yield given

    return build


@contextlib.contextmanager
def process(*command):
    """A program that says "ready" and stays; gives its pid."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            if child.stdout.readline() != "ready\n":
                raise RuntimeError(f"{command} did not get ready")
            yield child.pid
        finally:
            child.kill()


def holder(path, flags=os.O_RDONLY):
    """A process that has a node open; gives its pid."""
    return busy(path, lambda: os.open(path, flags))


@contextlib.contextmanager
def busy(what, begin):
    """A process that has called begin() and stays; gives its pid."""
    started, say = os.pipe()
    wait, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(release)
            kept = [begin()]
            os.write(say, b"1")
            os.read(wait, 1)
            kept.clear()
        finally:
            os._exit(0)
    os.close(say)
    os.close(wait)
    try:
        if os.read(started, 1) != b"1":
            raise RuntimeError(f"{what} does not begin")
        yield pid
    finally:
        os.close(release)
        os.close(started)
        os.waitpid(pid, 0)


def opening(find_node, flags=os.O_RDONLY):
    """Builder: a process with the node open that find_node() names."""
    return lambda: holder(find_node(), flags)


# Network.

def interface(bdf=NIC):
    return api.interfaces_of(bdf)[0]


def ip(lines, force=False):
    """A shell's lines for ip(8): one run for all of them where none needs an option of its own, since in the emulator a
    program takes longer to start than to do its work. `force`: each is tried."""
    lines = [line.strip() for line in lines]
    if any(line.startswith("-") for line in lines):
        return "\n".join(f"ip {line}" for line in lines)
    return "\n".join([f"ip {'-force ' if force else ''}-batch - <<'END'", *lines, "END"])


def network(up, down="", bdf=NIC):
    """Builder from lines of ip(8), with {nic}; a link that was made goes by its name in `down`."""

    def build():
        nic = interface(bdf)
        remove = [f"link delete {name}" for name in down.split()]
        tidy = [*remove, f"address flush dev {nic}", f"link set {nic} nomaster down", f"link set {nic} mtu 1500"]
        return shell(ip(up.format(nic=nic).split(";")), ip(tidy, force=True))

    return build


@contextlib.contextmanager
def without_management_network():
    """The management interface is down and bare; afterwards it is as it was at boot."""
    nic = interface(MGMT)
    again = f"""ip link set {nic} up
        ip address add {machine.GUEST_ADDRESS}/{machine.GUEST_PREFIX} dev {nic}
        ip route add default via {machine.GUEST_GATEWAY}"""
    with shell(f"ip address flush dev {nic}\nip link set {nic} down", again):
        yield


def management_network():
    up = f"link set {{nic}} up; address add {machine.GUEST_ADDRESS}/24 dev {{nic}}; route add default via {machine.GUEST_GATEWAY}"
    return network(up, bdf=MGMT)()


@contextlib.contextmanager
def in_named_namespace():
    nic = interface()
    with shell(f"ip netns add usage7\nip link set {nic} netns usage7", f"ip -n usage7 link set {nic} netns 1\nip netns delete usage7"):
        yield


@contextlib.contextmanager
def in_namespace_of_a_process():
    nic = interface()
    with process("unshare", "-n", "sh", "-c", "echo ready; exec sleep 1000") as pid:
        with shell(f"ip link set {nic} netns {pid}", f"nsenter -t {pid} -n ip link set {nic} netns 1"):
            yield


def macvlan_in_namespace(same_index):
    """Builder: a container's macvlan on the NIC, whose index in the container may be that of the NIC in the host."""

    def build():
        nic = interface()
        index = int(pathlib.Path("/sys/class/net", nic, "ifindex").read_text())
        # A namespace counts its interfaces from 1, which is lo. One run of ip(8) for all: it takes longer to start than to do its work.
        others = range(2, index) if same_index else range(2, index + 2)
        dummies = "\n".join(f"link add dummy{other} type dummy" for other in others)
        up = ["ip netns add usage7", f"ip -n usage7 -batch - <<'END'\n{dummies}\nEND",
              f"ip link add link {nic} name macvlan7 netns usage7 type macvlan", f"ip link set {nic} up",
              f"test $(ip netns exec usage7 cat /sys/class/net/macvlan7/ifindex) {'=' if same_index else '!='} {index}"]
        return shell("\n".join(up), f"ip -n usage7 link delete macvlan7\nip netns delete usage7\nip link set {nic} down")

    return build


def vswitch(more="true"):
    """Builder: the NIC as a port of an Open vSwitch datapath."""

    def build():
        up = f"modprobe openvswitch\novs-dpctl add-dp dp7\novs-dpctl add-if dp7 {interface()}\n{more}"
        return shell(up, f"ovs-dpctl del-dp dp7\nip link set {interface()} down")

    return build


@contextlib.contextmanager
def linked():
    """The NIC is up and has found its link."""
    carrier = pathlib.Path("/sys/class/net", interface(), "carrier")
    with network("link set {nic} up")():
        api.wait_for(lambda: carrier.read_text() == "1\n", 20, "the link")
        yield


# Disks.

def disk_of(bdf):
    """The kernel's name of a function's disk, or None."""
    for pattern in ("nvme/nvme*/nvme*n*", "usb*/**/block/*", "virtio*/block/*"):
        found = [path.name for path in (api.PCI / "devices" / bdf).glob(pattern)]
        if found:
            return re.sub(r"c\d+n", "n", found[0])  # one of several paths to it: they have no node
    return None


def disk_node(bdf=DISK):
    return f"/dev/{disk_of(bdf)}"


def controller_of(bdf=DISK):
    return "/dev/" + next((api.PCI / "devices" / bdf).glob("nvme/nvme*")).name


WIPE = "udevadm settle\nwipefs -aqf $(ls -r {0}*)\nudevadm settle\n"  # partitions first: what stood in them must not come back
UNLESS_BLANK = "test -z \"$(wipefs -n $(ls -r {0}*))\" && exit 0\n"


@contextlib.contextmanager
def blank_disk():
    """The disk is blank, and stays so. At boot it has a file system (with_file_system)."""
    disk = disk_node()
    with shell((UNLESS_BLANK + WIPE).format(disk), WIPE.format(disk)):
        yield


def with_file_system():
    """The disk has a file system, as at boot."""
    api.sh("udevadm settle\nblkid -p {0} || mke2fs -qF -t ext4 -L devbindd -E nodiscard {0}\nudevadm settle".format(disk_node()))


@contextlib.contextmanager
def unwatched_disk():
    """blank_disk without udev's rules that assemble and watch md and LVM by themselves: it is the situation that does that."""
    names = ("63-md-raid-arrays.rules", "64-md-raid-assembly.rules", "69-lvm.rules")
    rules = [pathlib.Path("/etc/udev/rules.d", name) for name in names]
    rules[0].parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        for rule in rules:
            rule.write_text("")
            stack.callback(rule.unlink)
        api.sh("udevadm control --reload")
        yield stack.enter_context(blank_disk())


def storage(up, down):
    """Builder from shell lines, with {disk} and the mount points {mount} and {mount}2."""

    def build():
        names = {"disk": disk_node(), "mount": MOUNT}
        stay = f"mkdir -p {MOUNT} {MOUNT}2\n"
        return shell(stay + up.format(**names), down.format(**names) + f"\nrmdir {MOUNT} {MOUNT}2")

    return build


EXT4 = "mke2fs -qF -t ext4 {disk}\n"
ONE_PARTITION = "echo ,,L | sfdisk -q {disk}\nudevadm settle\n"
TWO_PARTITIONS = "printf ',64M,L\\n,64M,L\\n' | sfdisk -q {disk}\nudevadm settle\n"
MIRROR = TWO_PARTITIONS + ("modprobe raid1\nmdadm --quiet --create /dev/md7 --run --level=1 --raid-devices=2 --metadata=1.2 "
                           "--assume-clean {disk}p1 {disk}p2\nudevadm settle\n")
NO_MIRROR = "udevadm settle\nmdadm --quiet --stop /dev/md7\n"
LVM = "lvm {} --config 'devices/use_devicesfile=0 activation/monitoring=0' -q {}\n"
NO_VOLUME = LVM.format("vgchange", "-an vg7") + LVM.format("vgremove", "-ff vg7")


def volume(on):
    """Lines that make a logical volume on a block device."""
    return (LVM.format("pvcreate", f"-ffy {on}") + LVM.format("vgcreate", f"vg7 {on}") +
            LVM.format("lvcreate", "-y -Wn -n data -l 100%FREE vg7"))


@contextlib.contextmanager
def mounted_out_of_sight():
    """The disk is mounted in a mount namespace of its own and nowhere else."""
    api.sh(f"mke2fs -qF -t ext4 {disk_node()}; mkdir -p {MOUNT}")
    script = f"mount {disk_node()} {MOUNT} && echo ready && exec sleep 1000"
    try:
        with process("unshare", "-m", "--propagation", "private", "sh", "-c", script) as pid:
            yield pid
    finally:
        pathlib.Path(MOUNT).rmdir()


@contextlib.contextmanager
def unmounted_while_in_use():
    """Nothing shows the mount any more, but a process still works in it."""
    with storage(EXT4 + "mount {disk} {mount}\ntouch {mount}/file", "umount {mount}")():
        with holder(f"{MOUNT}/file"):
            api.sh(f"umount -l {MOUNT}")
            yield


@contextlib.contextmanager
def by_another_name():
    """A process has the disk open by a node of a container, which has been removed since."""
    folder = pathlib.Path("/tmp/usage/dev")  # device nodes do not work below /run
    node = folder / "disk7"
    folder.mkdir(parents=True)
    try:
        os.mknod(node, 0o60600, os.stat(disk_node()).st_rdev)
        with holder(node) as pid:
            node.unlink()
            yield pid
    finally:
        node.unlink(missing_ok=True)
        folder.rmdir()
        folder.parent.rmdir()


CONFIGURATION = "/sys/kernel/config"
WITH_CONFIGURATION = "systemctl start sys-kernel-config.mount\n"  # which udev may just be starting, too


def exported(module, adapter, control):
    """Builder: the kernel's SCSI target serves the disk."""
    target = f"{CONFIGURATION}/target/core/{adapter}_7"
    up = f"""modprobe {module}
        mkdir -p {target}/disk
        echo {control} >{target}/disk/control
        echo 1 >{target}/disk/enable"""
    return storage(WITH_CONFIGURATION + up, f"rmdir {target}/disk {target}")


NVME_TARGET = f"{CONFIGURATION}/nvmet/subsystems/nqn.2014-08.org.example:usage"


def nvme_target(on):
    """Builder: the kernel's NVMe target serves the disk, or what stands on it."""
    up = f"""modprobe nvmet
        mkdir -p {NVME_TARGET}/namespaces/1
        echo -n {on} >{NVME_TARGET}/namespaces/1/device_path
        echo 1 >{NVME_TARGET}/namespaces/1/enable"""
    return storage(WITH_CONFIGURATION + up, f"rmdir {NVME_TARGET}/namespaces/1 {NVME_TARGET}")


GADGET = f"{CONFIGURATION}/usb_gadget/usage"


def gadget(on):
    """Builder: a USB gadget, which no controller has taken yet, has the disk as its LUN."""
    up = f"""modprobe libcomposite
        mkdir -p {GADGET}/functions/mass_storage.0
        echo {on} >{GADGET}/functions/mass_storage.0/lun.0/file"""
    return storage(WITH_CONFIGURATION + up, f"rmdir {GADGET}/functions/mass_storage.0 {GADGET}")


def compressed(swap):
    """Builder: the disk is the back end of a zram device, which may carry swap."""
    up = "modprobe zram num_devices=1\necho {disk} >/sys/block/zram0/backing_dev\necho 32M >/sys/block/zram0/disksize\n"
    if swap:
        up += "udevadm settle\nmkswap -q /dev/zram0\nswapon /dev/zram0"
    return storage(up, "swapoff /dev/zram0\nudevadm settle\necho 1 >/sys/block/zram0/reset\nmodprobe -r zram")


@contextlib.contextmanager
def looped_by_another_name():
    """A loop device stands on a partition by a node that is not in /dev, and has been removed since."""
    folder = pathlib.Path("/tmp/usage")
    with storage(ONE_PARTITION, "true")():
        number = os.stat(disk_node() + "p1").st_rdev
        with shell(f"mkdir -p {folder}\nmknod {folder}/node b {os.major(number)} {os.minor(number)}\n"
                   f"losetup /dev/loop7 {folder}/node\nrm {folder}/node", f"losetup -d /dev/loop7\nrmdir {folder}"):
            yield


@contextlib.contextmanager
def mounted_without_a_process():
    """The disk is mounted in a mount namespace that has no process: a mount keeps it."""
    place = "/run/usage-namespaces"
    script = f"mount {disk_node()} {MOUNT}"
    up = f"""mke2fs -qF -t ext4 {disk_node()}
        mkdir -p {MOUNT} {place}
        mount --bind {place} {place}
        mount --make-private {place}
        touch {place}/kept
        unshare --mount={place}/kept --propagation private sh -c '{script}'"""
    with shell(up, f"umount {place}/kept\numount {place}\nrm -r {place}\nrmdir {MOUNT}"):
        yield


def table(name, on):
    """A line that makes a linear table of dm."""
    return f"dmsetup create {name} --table '0 65536 linear {on} 0'\n"


# Virtual functions.

def virtualization(controller, action, identity, resource=0, count=0):
    """NVMe's Virtualization Management command (NVM Express 1.4, 5.22)."""
    admin(controller, opcode=0x1C, cdw10=identity << 16 | resource << 8 | action, cdw11=count)


def admin(controller, opcode, nsid=0, cdw10=0, cdw11=0, data=b""):
    buffer = ctypes.create_string_buffer(data, max(len(data), 1))
    command = struct.pack("<BBHIIIQQIIIIIIIIII", opcode, 0, 0, nsid, 0, 0, 0, ctypes.addressof(buffer) if data else 0, 0,
                          len(data), cdw10, cdw11, 0, 0, 0, 0, 5000, 0)
    with open(controller, "rb", buffering=0) as node:
        status = fcntl.ioctl(node, 0xC0484E41, bytearray(command))  # NVME_IOCTL_ADMIN_CMD
    if status:
        raise RuntimeError(f"NVMe status {status:#x} of command {opcode:#x}")


def reset(controller):
    with open(controller, "rb", buffering=0) as node:
        fcntl.ioctl(node, 0x4E44)  # NVME_IOCTL_RESET


@contextlib.contextmanager
def functions():
    """The controller has a VF, which no driver takes."""
    path = api.PCI / "devices" / PF
    try:
        api.write_sysfs(path / "sriov_drivers_autoprobe", "0")
        api.write_sysfs(path / "sriov_numvfs", "1")
        yield
    finally:
        api.write_sysfs(path / "sriov_numvfs", "0")
        api.write_sysfs(path / "sriov_drivers_autoprobe", "1")


@contextlib.contextmanager
def function_with_disk():
    """A VF with the kernel's driver and a disk of its own."""
    controller = controller_of(PF)
    queues, interrupts = (0, 8), (1, 4)  # resource, and how many of it the machine gives to share out
    with contextlib.ExitStack() as stack:
        stack.callback(reset, controller)
        for resource, shared in (queues, interrupts):
            virtualization(controller, 1, 0, resource, 0)
            stack.callback(virtualization, controller, 1, 0, resource, shared)
        reset(controller)
        stack.enter_context(functions())
        virtualization(controller, 8, 1, interrupts[0], 1)
        virtualization(controller, 8, 1, queues[0], 2)
        virtualization(controller, 9, 1)
        only_the_first = struct.pack("<HH", 1, 1).ljust(4096, b"\0")
        admin(controller, opcode=0x15, nsid=1, cdw10=0, data=only_the_first)
        stack.callback(admin, controller, opcode=0x15, nsid=1, cdw10=1, data=only_the_first)
        api.write_sysfs(api.PCI / "devices" / PF / "sriov_drivers_autoprobe", "1")
        api.write_sysfs(api.PCI / "drivers/nvme/bind", VF)
        api.wait_for(lambda: disk_of(VF), 30, "the VF's disk")
        api.sh("udevadm settle")
        yield


def function_mounted():
    node = f"/dev/{disk_of(VF)}"
    return shell(f"mkdir -p {MOUNT}\nmke2fs -qF -t ext4 {node}\nmount {node} {MOUNT}", f"umount {MOUNT}\nrmdir {MOUNT}\nwipefs -aqf {node}")


# VFIO.

def on_vfio(bdf):
    """Builder: devbindd has given the device to vfio-pci."""

    @contextlib.contextmanager
    def build():
        answer = api.request("PUT", f"/v1/devices/{bdf}/binding", {"driver": "vfio-pci"}, timeout=60)
        try:
            if answer.status != 200:
                raise RuntimeError(answer)
            yield
        finally:
            api.request("DELETE", f"/v1/devices/{bdf}/binding", timeout=60)

    return build


def opened_by_a_vmm(bdf):
    """Builder: a process has the device open as a VMM would."""

    @contextlib.contextmanager
    def build():
        vmm = api.Holder(bdf)
        try:
            yield vmm.pid
        finally:
            vmm.release()

    return build


# Displays.

def text_console():
    """The directory of the text console that is drawn into the frame buffer."""
    for console in pathlib.Path("/sys/class/vtconsole").iterdir():
        if "frame buffer" in (console / "name").read_text():
            return console
    raise RuntimeError("no frame buffer console")


@contextlib.contextmanager
def without_console():
    """No text console is shown; afterwards it is again."""
    console = text_console()
    api.write_sysfs(console / "bind", "0")
    try:
        yield
    finally:
        api.write_sysfs(console / "bind", "1")


def with_console():
    console = text_console()
    return shell(f"echo 1 >{console}/bind", f"echo 0 >{console}/bind")


def card():
    return "/dev/dri/" + next((api.PCI / "devices" / VGA).glob("drm/card*")).name


# USB.

def plugged(driver, ready, **properties):
    """Builder: a USB device, there when `ready`, a pattern below the controller, is."""

    @contextlib.contextmanager
    def build():
        controller = api.PCI / "devices" / USB
        try:
            # Without a port each would take the next one, whatever was there before.
            api.qmp("device_add", driver=driver, id="plugged", bus="usb.0", port="1", **properties)
            api.wait_for(lambda: any(controller.glob(ready)), 30, f"{driver} to be ready")
            api.sh("udevadm settle")
            yield
        finally:
            api.qmp("device_del", id="plugged")
            api.wait_for(lambda: not any(controller.glob("usb*/*-*/idVendor")), 30, f"{driver} to be gone")
            api.sh("udevadm settle")

    return build


keyboard = plugged("usb-kbd", "usb*/*-*/*:*/driver")
dongle = plugged("usb-net", "usb*/**/net/*")
speaker = plugged("usb-audio", "usb*/**/sound/card*/pcm*p", audiodev="silence")


@contextlib.contextmanager
def stick():
    """A blank USB stick."""
    with plugged("usb-storage", "usb*/**/block/*", drive="stick")():
        api.sh(f"wipefs -aqf {disk_node(USB)}")
        yield


@contextlib.contextmanager
def mounted_stick():
    node = disk_node(USB)
    with shell(f"mkdir -p {MOUNT}\nmke2fs -qF -t ext4 {node}\nmount {node} {MOUNT}", f"umount {MOUNT}\nrmdir {MOUNT}"):
        yield


def dongle_interface():
    return next((api.PCI / "devices" / USB).glob("usb*/**/net/*")).name


def dongle_with_address():
    return shell(f"ip address add 198.51.100.1/24 dev {dongle_interface()}", "true")


def usb_node():
    directory = next((api.PCI / "devices" / USB).glob("usb*/*-*/idVendor")).parent
    return "/dev/bus/usb/{:03}/{:03}".format(*(int((directory / name).read_text()) for name in ("busnum", "devnum")))


def speaker_node():
    return "/dev/snd/" + next((api.PCI / "devices" / USB).glob("usb*/**/sound/card*/pcm*p")).name


# Other nodes, and memory without a node.

def node_below(bdf, pattern):
    """Finds the node of the device that lies below the function where the pattern says."""
    return lambda: "/dev/" + next((api.PCI / "devices" / bdf).glob(pattern)).name


serial_port = node_below(SERIAL, "tty/ttyS*")
port = node_below(PORTS, "virtio*/virtio-ports/vport*")


@contextlib.contextmanager
def i2c_nodes():
    with shell("modprobe i2c_dev", "true"):
        yield


def on_driver(bdf, driver):
    """Builder: the function has a driver that does not list it."""
    device = api.PCI / "devices" / bdf
    return shell_builder(f"""modprobe {driver}
        echo {driver} >{device}/driver_override
        echo {bdf} >/sys/bus/pci/drivers_probe
        test -e /sys/bus/pci/drivers/{driver}/{bdf}""",
                         f"""echo {bdf} >/sys/bus/pci/drivers/{driver}/unbind
        echo >{device}/driver_override""")


def shell_builder(up, down):
    return lambda: shell(up, down)


@contextlib.contextmanager
def by_a_node_in_a_container(find_node):
    """A process has it open by a node that lies nowhere near /dev."""
    folder = pathlib.Path("/tmp/usage")
    folder.mkdir()
    node = folder / "node"
    try:
        os.mknod(node, 0o20600, os.stat(find_node()).st_rdev)
        with holder(node) as pid:
            yield pid
    finally:
        node.unlink(missing_ok=True)
        folder.rmdir()


@contextlib.contextmanager
def without_first_thread(find_node):
    """A process has it open whose first thread has ended."""
    script = ("import ctypes, os, sys, threading, time\n"
              "node = os.open(sys.argv[1], os.O_RDONLY)\n"
              "def stay():\n    time.sleep(1)\n    print('ready', flush=True)\n    time.sleep(1000)\n"
              "threading.Thread(target=stay).start()\n"
              "ctypes.CDLL(None).syscall(60, 0)  # exit, of this thread alone\n")
    with process("/usr/bin/python3", "-c", script, find_node()) as pid:
        yield pid


def map_and_close(path, length=4096, offset=0, prepare=lambda descriptor: None, flags=mmap.MAP_SHARED):
    """A mapping whose descriptor is closed, in whatever way that leaves only the mapping."""
    descriptor = os.open(path, os.O_RDWR | os.O_SYNC)
    prepare(descriptor)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    address = libc.mmap(None, length, mmap.PROT_READ, flags, descriptor, offset)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), path)
    os.close(descriptor)
    return address


def first_bar(bdf):
    return int(api.attribute(bdf, "resource").split()[0], 16)


def resource_file(bdf):
    return str(api.PCI / "devices" / bdf / "resource0")


def mapping(path, **more):
    """Builder: a process has the file mapped, and not open any more."""
    return lambda: busy(path, lambda: map_and_close(path, **{key: value() for key, value in more.items()}))


def memory_by_address(bdf):
    return mapping("/dev/mem", offset=lambda: first_bar(bdf))


def memory_by_proc(bdf):
    memory = 0x50434902  # PCIIOC_MMAP_IS_MEM
    path = f"/proc/bus/pci/{bdf[5:7]}/{bdf[8:]}"
    return mapping(path, offset=lambda: first_bar(bdf), prepare=lambda: lambda descriptor: fcntl.ioctl(descriptor, memory))


# Shares of the hypervisor.

def share_device():
    return next((api.PCI / "devices" / SHARE).glob("virtio*")).name


@contextlib.contextmanager
def without_share_driver():
    """Nothing has the share; afterwards its driver has."""
    name = share_device()
    driver = "/sys/bus/virtio/drivers/9pnet_virtio"
    with shell(f"echo {name} >{driver}/unbind", f"echo {name} >{driver}/bind"):
        yield


@contextlib.contextmanager
def share_bound():
    name = share_device()
    driver = "/sys/bus/virtio/drivers/9pnet_virtio"
    with shell(f"echo {name} >{driver}/bind", f"echo {name} >{driver}/unbind"):
        yield


SHARE_OPTIONS = "-t 9p -o trans=virtio,version=9p2000.L spare"


def share_mounted():
    return shell(f"mkdir -p {MOUNT}\nmount {SHARE_OPTIONS} {MOUNT}", f"umount {MOUNT}\nrmdir {MOUNT}")


@contextlib.contextmanager
def share_mounted_out_of_sight():
    pathlib.Path(MOUNT).mkdir(parents=True, exist_ok=True)
    script = f"mount {SHARE_OPTIONS} {MOUNT} && echo ready && exec sleep 1000"
    try:
        with process("unshare", "-m", "--propagation", "private", "sh", "-c", script) as pid:
            yield pid
        api.wait_for(lambda: "spare" not in pathlib.Path("/proc/mounts").read_text(), 5, "the share to be free")
    finally:
        pathlib.Path(MOUNT).rmdir()


# The kernel itself.

@contextlib.contextmanager
def cipher_taken():
    """The kernel encrypts for a socket with the processor's cipher."""
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0) as asked:
        asked.bind(("skcipher", "virtio_crypto_aes_cbc"))
        yield
