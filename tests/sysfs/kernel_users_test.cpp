// SPDX-License-Identifier: Apache-2.0
// What the kernel does with a function by itself: consoles, targets that serve its disks, ciphers, firmware, children.
#include "sysfs/use/kernel_users.hpp"

#include "sysfs/use/block_servers.hpp"
#include "sysfs/use/console_use.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::kernel_users_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Uses = std::vector<Use>;

const std::string function = "sys/devices/pci0000:00/0000:00:03.0";
const std::string none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

Use use(UseKind kind, std::vector<std::string> path, std::string subject) {
  return {.kind = kind, .path = std::move(path), .subject = std::move(subject)};
}

Uses users(const FilesTree& tree, const std::string& driver = "some") {
  return kernel_uses(tree, driver, descendants_of(tree, function), {}, {});
}

// "what backing major:minor >device"
std::vector<std::string> servers(const FilesTree& tree) {
  std::vector<std::string> lines;
  for (const auto& server : read_block_servers(tree).servers) {
    auto line = server.what + " " + server.backing;
    if (server.node) line += " " + std::to_string(server.node->major) + ":" + std::to_string(server.node->minor);
    if (server.block) line += " block";
    if (server.device) line += " >" + *server.device;
    lines.push_back(line);
  }
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("A terminal among the registered consoles is one") {
  FilesTree tree;
  tree.add_device(function + "/tty/ttyS4", "class/tty", {{"dev", "4:68"}});
  tree.add_device(function + "/tty/ttyS5", "class/tty", {{"dev", "4:69"}});
  const auto uses = [&tree](const std::string& consoles) {
    tree.files.add_file("proc/consoles", consoles);
    return console_uses(tree, descendants_of(tree, function));
  };
  CHECK(uses("ttyS0                -W- (EC  p a)    4:64\nnetcon0              -W- (E   p  )\n").empty());
  CHECK(uses("tty0                 -WU (EC  p  )    4:1\nttyS4                -W- (E   p a)    4:68\n") ==
        Uses{use(UseKind::Console, {"ttyS4"}, "ttyS4")});
  tree.add_device(function + "/virtio2", "bus/virtio");
  tree.files.add_link(function + "/virtio2/driver", "/sys/bus/virtio/drivers/virtio_console");
  CHECK(uses("hvc0                 -W- (EC  p  )  229:0\n") == Uses{use(UseKind::Console, {"virtio2"}, "hvc0")});
  CHECK(uses("").empty());
}

TEST_CASE("The NVMe target: namespaces and controllers that are enabled") {
  FilesTree tree;
  tree.files.add_block_node("dev/nvme0n1", 259, 0);
  tree.files.add_node("dev/nvme0", 0600, 242, 0);
  const std::string subsystem = "sys/kernel/config/nvmet/subsystems/nqn.x:1/";
  tree.files.add_file(subsystem + "namespaces/3/device_path", "/dev/nvme0n1\n");
  tree.files.add_file(subsystem + "namespaces/3/enable", "0\n");
  CHECK(servers(tree).empty());
  tree.files.add_file(subsystem + "namespaces/3/enable", "1\n");
  CHECK(servers(tree) == Lines{"namespace 3 of the NVMe target nqn.x:1 /dev/nvme0n1 259:0 block"});
  tree.files.add_file(subsystem + "namespaces/3/device_path", "/srv/image\n");
  CHECK(servers(tree) == Lines{"namespace 3 of the NVMe target nqn.x:1 /srv/image"});
  tree.files.add_file(subsystem + "namespaces/3/enable", "0\n");
  tree.files.add_file(subsystem + "passthru/device_path", "/dev/nvme0\n");
  tree.files.add_file(subsystem + "passthru/enable", "1\n");
  CHECK(servers(tree) == Lines{"the NVMe target nqn.x:1 /dev/nvme0 242:0"});
}

TEST_CASE("The SCSI target's back ends: by number, by path, and by what pid 1 sees there") {
  FilesTree tree;
  const std::string core = "sys/kernel/config/target/core/";
  tree.files.add_file(core + "iblock_0/disk/info",
                      "Status: ACTIVATED  Max Queue Depth: 0  SectorSize: 512  HwMaxSectors: 8\n"
                      "        iBlock device: nvme0n1  UDEV PATH: /dev/disk/by-id/x  readonly: 0\n"
                      "        Major: 259 Minor: 0  CLAIMED: IBLOCK\n");
  CHECK(servers(tree) == Lines{"the SCSI target's back end iblock_0/disk /dev/disk/by-id/x 259:0 block"});
  tree.files.add_file(core + "iblock_0/disk/info", "");
  tree.files.add_block_node("proc/1/root/tmp/node", 8, 16);
  tree.files.add_file(core + "fileio_1/disk/info",
                      "Status: ACTIVATED\n        TCM FILEIO ID: 0        File: /tmp/node  Size: 1  Mode: O_DSYNC\n");
  CHECK(servers(tree) == Lines{"the SCSI target's back end fileio_1/disk /tmp/node 8:16 block"});
  tree.files.add_file(core + "fileio_1/disk/info", "Status: DEACTIVATED\n");
  tree.files.add_file(core + "fileio_1/disk/udev_path", "");
  CHECK(servers(tree).empty());
}

TEST_CASE("The SCSI target passes a device through by its address") {
  FilesTree tree;
  const std::string info = "sys/kernel/config/target/core/pscsi_0/disk/info";
  tree.files.add_file(
      info, "Status: ACTIVATED\n        SCSI Device Bus Location: Channel ID: 0 Target ID: 1 LUN: 2 Host ID: 6\n");
  CHECK(servers(tree).empty());
  tree.files.add_file("sys/class/scsi_device/6:0:1:2/device/block/sdb/dev", "8:16\n");
  CHECK(servers(tree) == Lines{"the SCSI target's back end pscsi_0/disk  8:16 block"});
}

TEST_CASE("Gadgets and zram") {
  FilesTree tree;
  tree.files.add_block_node("dev/sda", 8, 0);
  tree.files.add_file("sys/kernel/config/usb_gadget/g1/functions/mass_storage.0/lun.0/file", "/dev/sda\n");
  tree.files.add_file("sys/kernel/config/usb_gadget/g1/functions/mass_storage.0/lun.1/file", "\n");
  tree.files.add_file("sys/kernel/config/usb_gadget/g1/functions/acm.0/port_num", "0\n");
  tree.files.add_file("sys/class/udc/dummy_udc.0/device/gadget.0/lun0/file", "/dev/sda\n");
  tree.files.add_file("sys/block/zram0/backing_dev", "/dev/sda\n");
  tree.files.add_file("sys/block/zram1/backing_dev", "none\n");
  CHECK(servers(tree) == Lines{"lun.0 of the USB gadget g1 /dev/sda 8:0 block",
                               "lun0 of the USB gadget on dummy_udc.0 /dev/sda 8:0 block",
                               "zram0 /dev/sda 8:0 block >zram0"});
}

TEST_CASE("The block device to which the kernel writes its last messages") {
  FilesTree tree;
  tree.files.add_block_node("dev/sda", 8, 0);
  tree.files.add_block_node("dev/disk/by-partuuid/7", 8, 1);
  const auto* what = "the kernel's store for its last messages (pstore) ";
  const auto stored = [&tree](const std::string& device, const std::string& backend = "pstore_blk") {
    tree.files.add_file("sys/module/pstore/parameters/backend", backend + "\n");
    tree.files.add_file("sys/module/pstore_blk/parameters/blkdev", device + "\n");
    return servers(tree);
  };
  CHECK(stored("/dev/sda") == Lines{what + std::string("/dev/sda 8:0 block")});
  CHECK(stored("8:0") == Lines{what + std::string("8:0 8:0 block")});
  CHECK(stored("PARTUUID=7") == Lines{what + std::string("/dev/disk/by-partuuid/7 8:1 block")});
  CHECK(stored("/dev/sda", "ramoops").empty());
}

TEST_CASE("Memory to which the kernel writes its last messages is told once") {
  FilesTree tree;
  tree.files.add_file(function + "/resource", "0x0000000140000000 0x00000001403fffff 0x000000000014220c\n" + none);
  tree.files.add_file("proc/iomem",
                      "140000000-1403fffff : 0000:00:03.0\n"
                      "  140000000-14000403f : ramoops:dmesg(0/62)\n"
                      "  140004040-14000807f : ramoops:dmesg(1/62)\n");
  CHECK(firmware_uses(tree, function, nullptr) ==
        Uses{use(UseKind::KernelUse, {}, "it keeps its last messages there (ramoops)")});
}

TEST_CASE("A watchdog that runs is in use, whoever has it open") {
  FilesTree tree;
  const std::vector<OwnedNode> nodes = {{UseKind::CharacterOpen, {"watchdog0"}, {248, 0}, false, "/dev/watchdog0"},
                                        {UseKind::CharacterOpen, {"watchdog0"}, {10, 130}, false, "/dev/watchdog"}};
  const auto look = [&](const std::string& state) {
    tree.files.add_file("sys/class/watchdog/watchdog0/state", state + "\n");
    return kernel_uses(tree, "some", {}, nodes, {});
  };
  CHECK(look("active") == Uses{use(UseKind::KernelUse, {"watchdog0"}, "the watchdog runs and watches the host")});
  CHECK(look("inactive").empty());
}

TEST_CASE("A terminal through which the kernel speaks") {
  FilesTree tree;
  tree.add_device(function + "/tty/ttyS4", "class/tty", {{"dev", "4:68"}});
  const auto speaking = use(UseKind::KernelUse, {"ttyS4"}, "the host's console is read aloud by it (speakup)");
  const auto look = [&tree](const std::string& voice, const std::string& device, const std::string& number) {
    tree.files.add_file("sys/accessibility/speakup/synth", voice + "\n");
    tree.files.add_file("sys/module/speakup_apollo/parameters/dev", device + "\n");
    tree.files.add_file("sys/module/speakup_apollo/parameters/ser", number + "\n");
    return users(tree);
  };
  CHECK(look("apollo", "ttyS4", "0") == Uses{speaking});
  CHECK(look("apollo", "(null)", "4") == Uses{speaking});
  CHECK(look("apollo", "ttyS5", "4").empty());
  CHECK(look("soft", "ttyS4", "4").empty());
  CHECK(look("none", "ttyS4", "4").empty());
}

TEST_CASE("A target that is there while configfs is not cannot be seen") {
  FilesTree tree;
  CHECK(read_block_servers(tree).not_visible.empty());
  tree.files.add_directory("sys/module/nvmet");
  CHECK_FALSE(read_block_servers(tree).not_visible.empty());
  tree.files.add_directory("sys/kernel/config/nvmet");
  CHECK(read_block_servers(tree).not_visible.empty());
}

TEST_CASE("A controller that the NVMe target passes through") {
  FilesTree tree;
  const OwnedNode controller{UseKind::BlockOpen, {"nvme0"}, {242, 0}, false, "/dev/nvme0"};
  const BlockServer server{.what = "the NVMe target x", .node = DeviceNumber{242, 0}};
  CHECK(kernel_uses(tree, "nvme", {}, {controller}, {server}) ==
        Uses{use(UseKind::Served, {"nvme0"}, "the NVMe target x")});
  auto other = server;
  other.block = true;
  CHECK(kernel_uses(tree, "nvme", {}, {controller}, {other}).empty());
}

TEST_CASE("Ciphers count while somebody has taken them") {
  FilesTree tree;
  tree.add_device(function + "/virtio0", "bus/virtio");
  tree.files.add_link(function + "/virtio0/driver", "/sys/bus/virtio/drivers/virtio_crypto");
  const auto with = [&tree](const std::string& module, const std::string& count) {
    tree.files.add_file("proc/crypto",
                        "name         : cbc(aes)\ndriver       : virtio_crypto_aes_cbc\nmodule       : " + module +
                            "\npriority     : 150\nrefcnt       : " + count +
                            "\n\nname         : sha1\ndriver       : sha1-generic\nrefcnt       : 9\n");
    return users(tree);
  };
  CHECK(with("virtio_crypto", "1").empty());
  CHECK(with("virtio_crypto", "2") ==
        Uses{use(UseKind::KernelUse, {"virtio0"}, "the kernel encrypts with virtio_crypto_aes_cbc")});
  CHECK(with("aesni_intel", "2").empty());
}

TEST_CASE("Classes of devices that the kernel itself uses") {
  FilesTree tree;
  tree.add_device(function + "/iommu/virtio-iommu0", "class/iommu");
  tree.add_device(function + "/tpm/tpm0", "class/tpm", {{"dev", "10:224"}});
  tree.add_device(function + "/hwmon/hwmon2", "class/hwmon", {{"pwm1_enable", "2"}});
  tree.add_device(function + "/hwmon/hwmon3", "class/hwmon", {{"pwm2_enable", "1"}});
  tree.add_device(function + "/udc/a", "class/udc", {{"function", ""}});
  tree.add_device(function + "/udc/b", "class/udc", {{"function", "g1"}});
  tree.add_device(function + "/dma/dma0chan0", "class/dma", {{"in_use", "0"}});
  tree.add_device(function + "/dma/dma0chan1", "class/dma", {{"in_use", "2"}});
  CHECK(users(tree) ==
        Uses{use(UseKind::KernelMayUse, {"dma0chan1"}, "a driver of the kernel has taken the DMA channel dma0chan1"),
             use(UseKind::KernelUse, {"hwmon3"}, "a fan is controlled by hand (pwm2_enable)"),
             use(UseKind::KernelUse, {"virtio-iommu0"}, "it is an IOMMU, which other devices need"),
             use(UseKind::KernelUse, {"tpm0"}, "it is the host's TPM"),
             use(UseKind::KernelUse, {"b"}, "a USB gadget has taken the device controller")});
}

TEST_CASE("A device with a driver at a bus of the function may be in use, and one without is not") {
  FilesTree tree;
  const auto client = function + "/i2c-0/0-0050";
  tree.add_device(function + "/i2c-0", "bus/i2c");
  tree.add_device(client, "bus/i2c");
  CHECK(users(tree).empty());
  tree.files.add_link(client + "/driver", "/sys/bus/i2c/drivers/at24");
  CHECK(users(tree) ==
        Uses{use(UseKind::KernelMayUse, {"0-0050"}, "the driver at24 has the device 0-0050 at its bus")});
}

TEST_CASE("Work queues with clients, memory of the host and Bluetooth connections are uses of the kernel") {
  FilesTree tree;
  tree.add_device(function + "/dsa0/wq0.0", "bus/dsa", {{"clients", "0"}});
  tree.add_device(function + "/dsa0/wq0.1", "bus/dsa", {{"clients", "2"}});
  tree.add_device(function + "/usb1/bluetooth/hci0", "class/bluetooth");
  tree.add_device(function + "/usb1/bluetooth/hci0/hci0:256", "class/bluetooth");
  tree.add_device(function + "/virtio0/dax0.0", "bus/dax");
  tree.add_device(function + "/virtio0/dax0.1", "bus/dax");
  tree.files.add_link(function + "/virtio0/dax0.0/driver", "/sys/bus/dax/drivers/device_dax");
  tree.files.add_link(function + "/virtio0/dax0.1/driver", "/sys/bus/dax/drivers/kmem");
  CHECK(users(tree) == Uses{use(UseKind::KernelUse, {"wq0.1"}, "its work queue has 2 clients"),
                            use(UseKind::KernelUse, {"hci0:256"}, "a Bluetooth device is connected by it"),
                            use(UseKind::KernelUse, {"dax0.1"}, "its memory is memory of the host")});
}

TEST_CASE("A terminal at which the kernel's debugger waits") {
  FilesTree tree;
  tree.add_device(function + "/tty/ttyS4", "class/tty", {{"dev", "4:68"}});
  const auto look = [&tree](const std::string& parameter) {
    tree.files.add_file("sys/module/kgdboc/parameters/kgdboc", parameter + "\n");
    return users(tree);
  };
  const Uses waits = {use(UseKind::KernelUse, {"ttyS4"}, "the kernel's debugger waits at it (kgdboc)")};
  CHECK(look("ttyS4,115200") == waits);
  CHECK(look("kbd,ttyS4") == waits);
  CHECK(look("ttyS40").empty());
  CHECK(look("").empty());
}

TEST_CASE("Classes whose users leave no trace at a node are named") {
  FilesTree tree;
  CHECK(unseen_users(descendants_of(tree, function)).empty());
  tree.add_device(function + "/gpiochip0", "bus/gpio");
  tree.add_device(function + "/drm/card0", "class/drm");
  const auto told = unseen_users(descendants_of(tree, function));
  CHECK(told.find("DMA-BUF") != std::string::npos);
  CHECK(told.find("GPIO") != std::string::npos);
}

TEST_CASE("A USB device that other hosts may take, or have taken") {
  FilesTree tree;
  const auto with = [&tree](const std::string& status) {
    tree.add_device(function + "/usb1/1-1", "bus/usb", {{"usbip_status", status}});
    return users(tree);
  };
  CHECK(with("1") == Uses{use(UseKind::KernelMayUse, {"1-1"}, "it is offered to other hosts (USB/IP)")});
  CHECK(with("2") == Uses{use(UseKind::KernelUse, {"1-1"}, "another host has taken it (USB/IP)")});
  CHECK(with("").empty());
}

TEST_CASE("What the kernel does not show is a warning by the driver; NICs and disks get none") {
  FilesTree tree;
  for (const auto* driver : {"skx_edac", "i801_smbus", "ipmi_si_pci", "proc_thermal_pci", "ccp"}) {
    INFO(driver);
    const auto uses = users(tree, driver);
    REQUIRE(uses.size() == 1);
    CHECK(uses[0].kind == UseKind::KernelMayUse);
  }
  for (const auto* driver :
       {"", "e1000e", "igb", "mlx5_core", "nvme", "ahci", "megaraid_sas", "xhci_hcd", "virtio-pci", "ast"}) {
    INFO(driver);
    CHECK(users(tree, driver).empty());
  }
  tree.add_device(function + "/virtio0", "bus/virtio");
  tree.files.add_link(function + "/virtio0/driver", "/sys/bus/virtio/drivers/virtio_balloon");
  CHECK(users(tree, "virtio-pci").size() == 1);
  tree.files.add_link(function + "/virtio0/driver", "/sys/bus/virtio/drivers/virtio_net");
  CHECK(users(tree, "virtio-pci").empty());
}

TEST_CASE("What has been made of a function goes with it") {
  FilesTree tree;
  tree.add_device(function + "/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", "bus/mdev");
  tree.add_device(function + "/mlx5_core.eth.0", "bus/auxiliary");
  tree.add_device(function + "/mlx5_core.sf.2", "bus/auxiliary");
  tree.add_device(function + "/vdpa0", "bus/vdpa");
  tree.files.add_link(function + "/vdpa0/driver", "/sys/bus/vdpa/drivers/vhost_vdpa");
  CHECK(child_uses(tree, descendants_of(tree, function)) ==
        Uses{use(UseKind::Child, {"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"},
                 "the mediated device 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"),
             use(UseKind::Child, {"mlx5_core.sf.2"}, "the subfunction mlx5_core.sf.2"),
             use(UseKind::Child, {"vdpa0"}, "the vDPA device vdpa0 (driver vhost_vdpa)")});
}

TEST_CASE("Who else has memory of the function") {
  FilesTree tree;
  tree.files.add_file(function + "/resource", "0x0000000090000000 0x0000000090ffffff 0x0000000000042208\n" + none +
                                                  none + none + none + none + none);
  std::string gap;
  const auto with = [&](const std::string& lines) {
    gap.clear();
    tree.files.add_file("proc/iomem", lines);
    return firmware_uses(tree, function, &gap);
  };
  CHECK(
      with("80000000-afffffff : PCI Bus 0000:00\n  90000000-90ffffff : 0000:00:03.0\n    90000000-90ffffff : e1000e\n")
          .empty());
  CHECK(gap.empty());
  CHECK(with("80000000-9000ffff : Reserved\n") == Uses{use(UseKind::Firmware, {}, "Reserved")});
  CHECK(with("  90001000-90001fff : pnp 00:05\n") == Uses{use(UseKind::Firmware, {}, "pnp 00:05")});
  CHECK(with("  90001000-90001fff : INT34C5:00\n") == Uses{use(UseKind::Firmware, {}, "INT34C5:00")});
  CHECK(with("  90001000-90001fff : MSFT0101:00\n") == Uses{use(UseKind::Firmware, {}, "MSFT0101:00")});
  CHECK(with("  90001000-90001fff : System RAM (kmem)\n") == Uses{use(UseKind::KernelUse, {}, "System RAM (kmem)")});
  CHECK(with("  90001000-90001fff : 0000:00:03.0\n").empty());
  CHECK(with("  91000000-91ffffff : Reserved\n").empty());
  CHECK(with("00000000-00000000 : Reserved\n00000000-00000000 : 0000:00:03.0\n").empty());
  CHECK_FALSE(gap.empty());
  CHECK(with("nonsense\n: Reserved\n9-zz : Reserved\n").empty());
  tree.files.add_file(function + "/iommu_group/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n");
  CHECK(with("1-2 : x\n").empty());
  tree.files.add_file(function + "/iommu_group/reserved_regions", "0x000000007d000000 0x000000007dffffff direct\n");
  CHECK(with("1-2 : x\n").size() == 1);
  tree.files.add_file(function + "/iommu_group/reserved_regions",
                      "0x000000007d000000 0x000000007dffffff direct-relaxable\n");
  CHECK(with("1-2 : x\n").empty());
}

}  // namespace devbindd::kernel_users_test
