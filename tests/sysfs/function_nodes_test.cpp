// Which nodes belong to a function, and what of it the host needs for its console and its keyboard.
#include "sysfs/function_nodes.hpp"

#include "sysfs/display_use.hpp"
#include "sysfs/usb_use.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

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
  tree.add_device(function + "/usb1", "bus/usb",
                  {{"bDeviceClass", "09"}, {"dev", "189:0"}, {"busnum", "1"}, {"devnum", "1"}});
  tree.add_device(function + "/usb1/1-0:1.0", "bus/usb", {{"bInterfaceClass", "09"}, {"bInterfaceProtocol", "00"}});
  tree.files.add_link(function + "/usb1/1-0:1.0/driver", "/sys/bus/usb/drivers/hub");
  return tree;
}

std::string add_usb_device(FilesTree& tree, const std::string& interface_class, const std::string& protocol,
                           const std::string& driver) {
  const auto device = function + "/usb1/1-2";
  tree.add_device(device, "bus/usb",
                  {{"bDeviceClass", "00"}, {"dev", "189:2"}, {"busnum", "1"}, {"devnum", "3"}, {"product", "Thing"}});
  tree.add_device(device + "/1-2:1.0", "bus/usb",
                  {{"bInterfaceClass", interface_class}, {"bInterfaceProtocol", protocol}});
  if (!driver.empty()) tree.files.add_link(device + "/1-2:1.0/driver", "/sys/bus/usb/drivers/" + driver);
  return device + "/1-2:1.0";
}

}  // namespace

TEST_CASE("Descendants are told with their subsystem; links and other functions are not entered") {
  FilesTree tree;
  tree.add_device(function + "/virtio0", "bus/virtio");
  tree.add_device(function + "/virtio0/net/eth0", "class/net");
  tree.add_device(function + "/virtio0/net/eth0/queues/rx-0", "class/queue");
  tree.add_device(function + "/0000:02:00.0", "bus/pci");
  tree.add_device(function + "/0000:02:00.0/net/eth1", "class/net");
  tree.files.add_link(function + "/virtio0/net/eth0/device", "../../../virtio0");
  const auto found = descendants_of(tree, function);
  CHECK(found == std::vector<Descendant>{{"virtio", true, "virtio0", function + "/virtio0"},
                                         {"net", false, "eth0", function + "/virtio0/net/eth0"}});
  CHECK(descendants_of(tree, "sys/devices/nowhere").empty());
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
