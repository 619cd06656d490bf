// SPDX-License-Identifier: Apache-2.0
// Which nodes belong to a function, and what of it the host needs for its console and its keyboard.
#include "sysfs/use/function_nodes.hpp"

#include "sysfs/use/display_use.hpp"
#include "sysfs/use/usb_use.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::function_nodes_test {

namespace {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;
using Uses = std::vector<Use>;
using Nodes = std::vector<OwnedNode>;

const PciAddress address{0, 1, 0, 0};
const std::string function = "sys/devices/pci0000:00/0000:01:00.0";

Nodes nodes(const FilesTree& tree) { return function_nodes(tree, address, descendants_of(tree, function)); }
Uses usb(const FilesTree& tree) { return usb_uses(tree, descendants_of(tree, function)); }
Uses display(const FilesTree& tree) { return display_uses(tree, function, descendants_of(tree, function)); }

FilesTree usb_host() {
  FilesTree tree;
  tree.add_device(function + "/usb1", "bus/usb", {{"bDeviceClass", "09"}, {"dev", "189:0"}});
  tree.add_device(function + "/usb1/1-0:1.0", "bus/usb", {{"bInterfaceClass", "09"}, {"bInterfaceProtocol", "00"}});
  tree.files.add_link(function + "/usb1/1-0:1.0/driver", "/sys/bus/usb/drivers/hub");
  return tree;
}

std::string add_usb_device(FilesTree& tree, const std::string& interface_class, const std::string& protocol,
                           const std::string& driver) {
  const auto device = function + "/usb1/1-2";
  tree.add_device(device, "bus/usb",
                  {{"bDeviceClass", "00"},
                   {"dev", "189:2"},
                   {"uevent", "MAJOR=189\nDEVNAME=bus/usb/001/003"},
                   {"product", "Thing"}});
  tree.add_device(device + "/1-2:1.0", "bus/usb",
                  {{"bInterfaceClass", interface_class}, {"bInterfaceProtocol", protocol}});
  if (!driver.empty()) tree.files.add_link(device + "/1-2:1.0/driver", "/sys/bus/usb/drivers/" + driver);
  return device + "/1-2:1.0";
}

}  // namespace

TEST_CASE("Descendants are told with their subsystem; links are not entered") {
  FilesTree tree;
  tree.add_device(function + "/virtio0", "bus/virtio");
  tree.add_device(function + "/virtio0/net/eth0", "class/net");
  tree.add_device(function + "/virtio0/net/eth0/queues/rx-0", "class/queue");
  tree.files.add_link(function + "/virtio0/net/eth0/device", "../../../virtio0");
  const auto found = descendants_of(tree, function);
  CHECK(found == std::vector<Descendant>{{"virtio", true, "virtio0", function + "/virtio0"},
                                         {"net", false, "eth0", function + "/virtio0/net/eth0"}});
  CHECK(descendants_of(tree, "sys/devices/nowhere").empty());
}

TEST_CASE("Functions behind a bridge are their own; functions below any other one are its") {
  const auto descend = [](const std::string& class_code) {
    FilesTree tree;
    tree.files.add_file(function + "/class", class_code + "\n");
    const auto port = function + "/pci10000:00/10000:00:01.0";
    tree.add_device(port, "bus/pci", {{"class", "0x060400"}});
    tree.add_device(port + "/10000:01:00.0", "bus/pci", {{"class", "0x010802"}});
    tree.add_device(port + "/10000:01:00.0/nvme/nvme0", "class/nvme");
    std::vector<std::string> names;
    for (const auto& found : descendants_of(tree, function)) names.push_back(found.name);
    return names;
  };
  using Names = std::vector<std::string>;
  const Names all = {"10000:00:01.0", "10000:01:00.0", "nvme0"};
  CHECK(descend("0x010400") == all);  // a VMD
  CHECK(descend("0x088000") == all);
  CHECK(descend("0x060000") == all);  // a host bridge leads nowhere by itself
  CHECK(descend("0x060400").empty());
  CHECK(descend("0x060401").empty());
  CHECK(descend("0x060700").empty());
  CHECK(descend("0x060940").empty());
}

TEST_CASE("The nodes of a graphics card; connectors have none") {
  FilesTree tree;
  tree.add_device(function + "/drm/card0", "class/drm", {{"dev", "226:0"}});
  tree.add_device(function + "/drm/card0/card0-DP-1", "class/drm", {{"status", "connected"}});
  tree.add_device(function + "/drm/renderD128", "class/drm", {{"dev", "226:128"}});
  CHECK(nodes(tree) == Nodes{{UseKind::DisplayOpen, {"card0"}, {226, 0}, false, "/dev/dri/card0"},
                             {UseKind::DisplayOpen, {"renderD128"}, {226, 128}, false, "/dev/dri/renderD128"}});
}

TEST_CASE("The nodes of sound, RDMA, accelerators and NVMe") {
  FilesTree tree;
  tree.add_device(function + "/accel/accel0", "class/accel", {{"dev", "261:0"}});
  tree.add_device(function + "/infiniband_verbs/uverbs0", "class/infiniband_verbs", {{"dev", "231:192"}});
  tree.add_device(function + "/nvme/nvme0", "class/nvme", {{"dev", "242:0"}});
  tree.add_device(function + "/nvme/nvme0/ng0n1", "class/nvme-generic", {{"dev", "241:0"}});
  tree.add_device(function + "/sound/card1", "class/sound");
  tree.add_device(function + "/sound/card1/controlC1", "class/sound", {{"dev", "116:2"}});
  CHECK(nodes(tree) == Nodes{{UseKind::ComputeOpen, {"accel0"}, {261, 0}, false, "/dev/accel/accel0"},
                             {UseKind::RdmaOpen, {"uverbs0"}, {231, 192}, false, "/dev/infiniband/uverbs0"},
                             {UseKind::BlockOpen, {"nvme0"}, {242, 0}, false, "/dev/nvme0"},
                             {UseKind::BlockOpen, {"ng0n1"}, {241, 0}, false, "/dev/ng0n1"},
                             {UseKind::SoundOpen, {"controlC1"}, {116, 2}, false, "/dev/snd/controlC1"}});
}

TEST_CASE("Every other descendant with a number is a node, whatever its class is") {
  FilesTree tree;
  tree.add_device(function + "/ttyUSB0/tty/ttyUSB0", "class/tty", {{"dev", "188:0"}});
  tree.add_device(function + "/uio/uio0", "class/uio", {{"dev", "242:0"}});
  tree.add_device(function + "/ptp/ptp0", "class/ptp", {{"dev", "247:0"}});
  tree.add_device(function + "/dsa0", "bus/dsa");
  tree.add_device(function + "/dsa0/wq0.0", "bus/dsa", {{"dev", "240:0"}, {"uevent", "DEVNAME=dsa/wq0.0"}});
  tree.add_device(function + "/unheard/of0", "class/unheard", {{"dev", "500:7"}});
  tree.add_device(function + "/broken/b0", "class/broken", {{"dev", "none"}});
  tree.add_block(function + "/block/sda", 8, 0);
  constexpr auto kind = UseKind::CharacterOpen;
  CHECK(nodes(tree) == Nodes{{kind, {"wq0.0"}, {240, 0}, false, "/dev/dsa/wq0.0"},
                             {kind, {"ptp0"}, {247, 0}, false, "/dev/ptp0"},
                             {kind, {"ttyUSB0"}, {188, 0}, false, "/dev/ttyUSB0"},
                             {kind, {"uio0"}, {242, 0}, false, "/dev/uio0"},
                             {kind, {"of0"}, {500, 7}, false, "/dev/of0"}});
}

TEST_CASE("What is open on every host is left out, and only there") {
  FilesTree tree;
  tree.add_device(function + "/sound/card0", "class/sound");
  tree.add_device(function + "/sound/card0/input9/event9", "class/input", {{"dev", "13:73"}});
  CHECK(nodes(tree).empty());
  tree.add_device(function + "/input/input3/event3", "class/input", {{"dev", "13:67"}});
  CHECK(nodes(tree) == Nodes{{UseKind::CharacterOpen, {"event3"}, {13, 67}, false, "/dev/event3"}});
  for (const auto& node : harmless_nodes()) CHECK(node.reason.ends_with('.'));
}

TEST_CASE("A mediated device and a function below have their VFIO group") {
  FilesTree tree;
  const auto uuid = function + "/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
  tree.add_device(uuid, "bus/mdev");
  tree.files.add_link(uuid + "/iommu_group", "../../../../kernel/iommu_groups/41");
  CHECK(nodes(tree).empty());  // vfio has not got it
  tree.add_device("sys/devices/virtual/vfio/41", "class/vfio", {{"dev", "244:3"}});
  tree.files.add_link("sys/class/vfio/41", "/sys/devices/virtual/vfio/41");
  const OwnedNode group{
      UseKind::CharacterOpen, {"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"}, {244, 3}, false, "/dev/vfio/41"};
  CHECK(nodes(tree) == Nodes{group});
  FilesTree other;
  other.add_device(function + "/virtio0", "bus/virtio");
  other.files.add_link(function + "/virtio0/iommu_group", "../41");
  other.files.add_file("sys/class/vfio/41/dev", "244:3\n");
  CHECK(nodes(other).empty());
}

TEST_CASE("A virtio console has the virtual terminals, a virtio source of randomness /dev/hwrng") {
  const auto with = [](const std::string& driver) {
    FilesTree tree;
    tree.add_device(function + "/virtio3", "bus/virtio");
    tree.files.add_link(function + "/virtio3/driver", "/sys/bus/virtio/drivers/" + driver);
    tree.files.add_file("sys/class/tty/hvc0/dev", "229:0\n");
    tree.files.add_file("sys/class/tty/ttyS0/dev", "4:64\n");
    tree.files.add_file("sys/class/misc/hw_random/rng_current", "virtio_rng.0\n");
    return nodes(tree);
  };
  CHECK(with("virtio_console") == Nodes{{UseKind::CharacterOpen, {"virtio3", "hvc0"}, {229, 0}, false, "/dev/hvc0"}});
  CHECK(with("virtio_rng") == Nodes{{UseKind::CharacterOpen, {"virtio3"}, {10, 183}, false, "/dev/hwrng"}});
  CHECK(with("virtio_net").empty());
}

TEST_CASE("A watchdog below no device is that of the driver which it names") {
  FilesTree tree;
  tree.files.add_link("sys/bus/pci/devices/0000:01:00.0", "/" + function);
  tree.files.add_link(function + "/driver", "/sys/bus/pci/drivers/i6300ESB timer");
  tree.add_device("sys/devices/virtual/watchdog/watchdog0", "class/watchdog",
                  {{"dev", "248:0"}, {"identity", "i6300ESB timer"}});
  tree.add_device("sys/devices/virtual/watchdog/watchdog1", "class/watchdog",
                  {{"dev", "248:1"}, {"identity", "Software Watchdog"}});
  tree.files.add_link("sys/class/watchdog/watchdog0", "../../devices/virtual/watchdog/watchdog0");
  tree.files.add_link("sys/class/watchdog/watchdog1", "../../devices/virtual/watchdog/watchdog1");
  CHECK(nodes(tree) == Nodes{{UseKind::CharacterOpen, {"watchdog0"}, {248, 0}, false, "/dev/watchdog0"},
                             {UseKind::CharacterOpen, {"watchdog0"}, {10, 130}, false, "/dev/watchdog"}});
  tree.files.add_link(function + "/driver", "/sys/bus/pci/drivers/e1000e");
  CHECK(nodes(tree).empty());
}

TEST_CASE("The memory of a function and of those below it") {
  FilesTree tree;
  const std::string none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
  const std::string ports = "0x000000000000c000 0x000000000000c03f 0x0000000000040101\n";
  tree.files.add_file(function + "/resource", "0x0000000090000000 0x0000000090ffffff 0x0000000000042208\n" + ports +
                                                  none + none + none + none + none);
  tree.add_device(function + "/10000:00:01.0", "bus/pci",
                  {{"resource", "0x00000000a0000000 0x00000000a0000fff 0x0000000000040200\n" + none + none + none +
                                    none + none + none}});
  const auto memories = function_memories(tree, address, function, descendants_of(tree, function));
  CHECK(memories == std::vector<OwnedMemory>{{{}, address, {{0x90000000, 0x90ffffff}}},
                                             {{"10000:00:01.0"}, {0x10000, 0, 1, 0}, {{0xa0000000, 0xa0000fff}}}});
}

TEST_CASE("NVIDIA's node is known from its own list") {
  FilesTree tree;
  const std::string list = "proc/driver/nvidia/gpus/0000:01:00.0/information";
  tree.files.add_file(list, "Model: \t\t NVIDIA A2\nIRQ:   \t\t 77\nDevice Minor: \t 3\nGPU Excluded:\t No\n");
  CHECK(nodes(tree) == Nodes{{UseKind::ComputeOpen, {"nvidia3"}, {195, 3}, false, "/dev/nvidia3"}});
  tree.files.add_file(list, "Device Minor: \t N/A\n");
  CHECK(nodes(tree).empty());
}

TEST_CASE("A bare USB hub is not in use") {
  const auto tree = usb_host();
  CHECK(usb(tree).empty());
  CHECK(nodes(tree).empty());
}

TEST_CASE("A USB keyboard is in use while a driver has it") {
  auto tree = usb_host();
  const auto interface = add_usb_device(tree, "03", "01", "usbhid");
  CHECK(usb(tree) == Uses{{UseKind::UsbInUse, {"1-2:1.0"}, "Thing (keyboard)", {}}});
  CHECK(nodes(tree) == Nodes{{UseKind::UsbInUse, {"1-2"}, {189, 2}, false, "/dev/bus/usb/001/003"}});
  tree.files.add_file(interface + "/bInterfaceProtocol", "02\n");
  CHECK(usb(tree)[0].subject == "Thing (mouse)");
  auto free = usb_host();
  add_usb_device(free, "03", "01", "");
  CHECK(usb(free).empty());
}

TEST_CASE("A USB network interface is in use, a serial one or an idle stick is not") {
  auto tree = usb_host();
  const auto interface = add_usb_device(tree, "ff", "00", "r8152");
  CHECK(usb(tree).empty());
  tree.add_device(interface + "/net/enx1", "class/net");
  CHECK(usb(tree) == Uses{{UseKind::UsbInUse, {"1-2:1.0"}, "Thing (network interface enx1)", {}}});
}

TEST_CASE("The boot display") {
  FilesTree tree;
  tree.files.add_file(function + "/boot_vga", "0\n");
  CHECK(display(tree).empty());
  tree.files.add_file(function + "/boot_vga", "1\n");
  CHECK(display(tree) == Uses{{UseKind::BootVga, {}, "boot_vga", {}}});
}

TEST_CASE("A frame buffer counts while the text console is drawn into it") {
  FilesTree tree;
  tree.add_device(function + "/graphics/fb0", "class/graphics", {{"dev", "29:0"}});
  const Uses console = {{UseKind::Framebuffer, {"fb0"}, "the text console", {}}};
  CHECK(display(tree) == console);  // the kernel does not say
  tree.files.add_file("sys/class/vtconsole/vtcon0/name", "(S) dummy device\n");
  tree.files.add_file("sys/class/vtconsole/vtcon0/bind", "1\n");
  CHECK(display(tree).empty());
  tree.files.add_file("sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n");
  tree.files.add_file("sys/class/vtconsole/vtcon1/bind", "1\n");
  CHECK(display(tree) == console);
  CHECK(nodes(tree) == Nodes{{UseKind::DisplayOpen, {"fb0"}, {29, 0}, false, "/dev/fb0"}});
  FilesTree second;
  second.add_device(function + "/graphics/fb1", "class/graphics", {{"dev", "29:1"}});
  CHECK(display(second).empty());
}

TEST_CASE("The firmware's frame buffer in one of the BARs") {
  FilesTree tree;
  const std::string none = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
  tree.files.add_file(function + "/resource", "0x0000000090000000 0x0000000090ffffff 0x0000000000042208\n" + none +
                                                  none + none + none + none + none);
  const auto with = [&](const std::string& line) {
    tree.files.add_file("proc/iomem",
                        "80000000-afffffff : PCI Bus 0000:00\n  90000000-90ffffff : 0000:01:00.0\n" + line);
    return display(tree);
  };
  CHECK(with("    90000000-902fffff : BOOTFB\n") == Uses{{UseKind::Framebuffer, {}, "BOOTFB", {}}});
  CHECK(with("    90000000-902fffff : simple-framebuffer.0\n").size() == 1);
  CHECK(with("    90000000-902fffff : nouveau\n").empty());
  CHECK(with("    a0000000-a02fffff : BOOTFB\n").empty());
  CHECK(with("    90f00000-912fffff : BOOTFB\n").empty());
  CHECK(with("    00000000-00000000 : BOOTFB\n").empty());
  CHECK(with("    : BOOTFB\nBOOTFB\n9-zz : BOOTFB\n").empty());
}

}  // namespace devbindd::function_nodes_test
