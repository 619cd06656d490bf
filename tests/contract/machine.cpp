// SPDX-License-Identifier: Apache-2.0
// See machine.hpp.
#include "tests/contract/machine.hpp"

#include <linux/vfio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "tests/acpi_bytes.hpp"
#include "vfio/uapi.hpp"

namespace devbindd::tests {
namespace {

// The name of 10ca is Latin-1 in a part, and has a C0, a C1 and a bidirectional control character.
constexpr const char* ids =
    "8086  Intel Corporation\n"
    "\t10ca  82576 \xae Virtual\x1b"
    "Function\xc2\x9b\xe2\x80\xae!\n"
    R"(	0953  PCIe Data Center SSD
	10c9  82576 Gigabit Network Connection
	10d3  82574L Gigabit Network Connection
	3420  5520/5500/X58 I/O Hub PCI Express Root Port 0
C 01  Mass storage controller
	08  Non-Volatile memory controller
C 02  Network controller
	00  Ethernet controller
C 06  Bridge
	04  PCI bridge
)";

constexpr const char* routes =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth1\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";

void add_network_cards(FakeKernel& kernel) {
  kernel.add_device(
      {.address = "0000:05:00.0", .group = 1, .driver = "e1000e", .interfaces = {"eth0"}, .numa_node = 0});
  kernel.add_device({.address = "0000:06:00.0", .group = 6, .driver = "e1000e", .interfaces = {"eth1"}});
  kernel.set_file("proc/net/route", routes);
}

// Two functions that share a group with the bridge above them.
void add_shared_group(FakeKernel& kernel) {
  kernel.add_device(
      {.address = "0000:10:00.0", .device = 0x3420, .class_code = 0x060400, .group = 2, .driver = "pcieport"});
  kernel.add_device(
      {.address = "0000:11:00.0", .group = 2, .driver = "e1000e", .interfaces = {"eth2"}, .parent = "0000:10:00.0"});
  kernel.add_device(
      {.address = "0000:11:00.1", .group = 2, .driver = "e1000e", .interfaces = {"eth3"}, .parent = "0000:10:00.0"});
}

void add_virtual_functions(FakeKernel& kernel) {
  kernel.add_device({.address = "0000:15:00.0",
                     .device = 0x10c9,
                     .group = 15,
                     .driver = "igb",
                     .interfaces = {"eth4"},
                     .totalvfs = 7});
  kernel.add_device(
      {.address = "0000:15:10.0", .device = 0x10ca, .group = 16, .driver = "igbvf", .physfn = "0000:15:00.0"});
  kernel.add_device(
      {.address = "0000:15:10.2", .device = 0x10ca, .group = 17, .driver = "igbvf", .physfn = "0000:15:00.0"});
}

// 16: held open by a virtual machine. 17: bound by somebody else, so there is nothing to give back.
void add_vfio_devices(FakeKernel& kernel) {
  kernel.add_device({.address = "0000:16:00.0", .group = 18, .driver = "vfio-pci", .driver_override = "vfio-pci"});
  kernel.open_device("0000:16:00.0", 4711, "qemu-system-x86");
  kernel.add_device({.address = "0000:17:00.0", .group = 19, .driver = "vfio-pci", .driver_override = "vfio-pci"});
}

void add_others(FakeKernel& kernel) {
  kernel.add_device({.address = "0000:12:00.0",
                     .device = 0x0953,
                     .class_code = 0x010802,
                     .group = 12,
                     .driver = "nvme",
                     .class_devices = {{"nvme", "nvme/nvme0"}, {"block", "nvme/nvme0/nvme0n1"}}});
  kernel.add_device({.address = "0000:13:00.0", .device = 0x10c9, .group = 13});
  kernel.add_device({.address = "0000:14:00.0", .device = 0x10c9, .driver = "igb"});
  kernel.add_device(
      {.address = "10000:01:00.0", .device = 0x0953, .class_code = 0x010802, .group = 20, .driver = "nvme"});
}

// 0000:20:00.0 to 0000:37:00.0 (hexadecimal): cards of their own groups, to be moved about.
void add_spare_cards(FakeKernel& kernel) {
  for (unsigned bus = 0x20; bus < 0x38; ++bus) {
    char address[16] = {};
    std::snprintf(address, sizeof address, "0000:%02x:00.0", bus);
    kernel.add_device({.address = address, .group = 0x20 + bus, .driver = "e1000e"});
    if (bus != 0x21) kernel.give_reset(address);
  }
  // One with a serial number in its extended configuration space.
  std::string config(4096, '\0');
  config.replace(0, 4, std::string("\x86\x80\xd3\x10", 4));
  config.replace(0x100, 12, std::string("\x03\x00\x01\x00\xc3\xb2\xa1\xff\xff\x21\x1b\x00", 12));
  kernel.add_device({.address = "0000:38:00.0", .group = 0x58, .driver = "e1000e", .config = config});
}

// Two units, of which the kernel uses the first one; memory of a graphics card.
std::string dmar_table() {
  const auto head = bytes_of({38, 1}) + std::string(10, '\0');
  const auto unit = le(0, 2) + le(24, 2) + le(0, 2) + le(0, 2) + le(0xfed90000, 8) + bytes_of({1, 8, 0, 0, 0, 5, 0, 0});
  const auto rest = le(0, 2) + le(32, 2) + le(1, 2) + le(0, 2) + le(0xfed91000, 8) +
                    bytes_of({3, 8, 0, 0, 2, 0, 0x1e, 7}) + bytes_of({4, 8, 0, 0, 0, 0, 0x1e, 6});
  const auto memory =
      le(1, 2) + le(32, 2) + le(0, 4) + le(0x6a000000, 8) + le(0x6e7fffff, 8) + bytes_of({1, 8, 0, 0, 0, 0x39, 0, 0});
  return acpi_table("DMAR", 2, head + unit + rest + memory);
}

// One unit with a device of ACPI, and memory of all devices.
std::string ivrs_table() {
  const auto entries = bytes_of({3, 8, 0, 0, 4, 0xfe, 0xff, 0, 0x48, 0, 0, 0xd7, 33, 0xa0, 0, 1}) +
                       bytes_of({240, 0xa5, 0, 0x40}) + "AMDI0020" + std::string(8, '\0') + bytes_of({2, 4}) + "ID00";
  const auto unit = bytes_of({0x40, 0x30}) + le(40 + entries.size(), 2) + le(2, 2) + le(0x40, 2) + le(0xfd200000, 8) +
                    le(0, 4) + le(0, 4) + le(0x246577efa2254afa, 8) + le(0, 8) + entries;
  const auto memory =
      bytes_of({0x21, 7}) + le(32, 2) + le(0x1300, 2) + le(0, 2) + le(0, 8) + le(0x7d900000, 8) + le(0x100000, 8);
  return acpi_table("IVRS", 2, le(0x203043, 4) + le(0, 8) + unit + memory);
}

// A graphics card whose memory the firmware goes on using.
void add_firmware_tables(FakeKernel& kernel) {
  kernel.add_device({.address = "0000:39:00.0", .device = 0x0412, .class_code = 0x030000, .group = 0x59});
  kernel.set_file("sys/kernel/iommu_groups/89/reserved_regions",
                  "0x000000006a000000 0x000000006e7fffff direct\n0x00000000fee00000 0x00000000feefffff msi\n");
  const std::string tables = "sys/firmware/acpi/tables/";
  kernel.set_file(tables + "DMAR", dmar_table());
  kernel.set_file(tables + "IVRS", ivrs_table());
  kernel.set_file(tables + "VIOT", acpi_table("VIOT", 0, le(1, 2) + le(48, 2) + le(0, 8)));
  kernel.set_file("proc/device-tree/iommu@9050000/#iommu-cells", le(0x01000000, 4));
  kernel.set_file("proc/device-tree/iommu@9050000/phandle", le(0x05000000, 4));
  kernel.set_file("proc/device-tree/gpu@1/iommus", le(0x05000000, 4) + le(0x10000000, 4));
  kernel.set_file("proc/device-tree/gpu@2/iommus", le(0x06000000, 4));
}

}  // namespace

void populate(FakeKernel& kernel) {
  add_usual_drivers(kernel);
  kernel.set_device_cdev(true);
  kernel.set_file("usr/share/misc/pci.ids", ids);
  add_network_cards(kernel);
  add_shared_group(kernel);
  add_others(kernel);
  add_virtual_functions(kernel);
  add_vfio_devices(kernel);
  add_spare_cards(kernel);
  add_firmware_tables(kernel);
  kernel.set_file("fake/alternative_names", "eth1 enp6s0 Uplink-to-the-2nd-floor\n");
  kernel.set_file("etc/driverctl.d/pci-0000:36:00.0", "igb\n");
  for (const auto& [name, value] : std::map<std::string, std::string>{{"address", "fed90000"},
                                                                      {"version", "1:0"},
                                                                      {"cap", "1c0000c40660462"},
                                                                      {"ecap", "19e2ff0505e"},
                                                                      {"domains_supported", "65536"},
                                                                      {"domains_used", "3"}})
    kernel.set_file("sys/class/iommu/dmar0/intel-iommu/" + name, value + "\n");
  for (unsigned unit = 1; unit < 5; ++unit)  // without devices: for paging
    kernel.set_file("sys/class/iommu/dmar" + std::to_string(unit) + "/intel-iommu/version", "1:0\n");
}

std::vector<std::string> kernel_log_lines() {
  return {"ACPI: DMAR 0x0000000066683000 000088 (v02 INTEL  Dell Inc 00000002      01000013)",
          "DMAR-IR: Enabled IRQ remapping in x2apic mode"};
}

void add_cards(FakeKernel& kernel, unsigned count) {
  constexpr unsigned per_domain = 256 * 32;
  for (unsigned card = 0; card < count; ++card) {
    char address[32] = {};
    std::snprintf(address, sizeof address, "%x:%02x:%02x.0", 0x20000 + card / per_domain, card / 32 % 256, card % 32);
    kernel.add_device({.address = address, .group = 1000 + card});
  }
}

vfio::Result<vfio::FileDescriptor> AnsweringIoctl::open_node(const std::string& path) const {
  if (path == busy_path_) return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot open " + path, busy_errno_, path);
  if (path != "/dev/vfio/vfio") ++opened_;
  vfio::FileDescriptor file(::memfd_create("node", MFD_CLOEXEC));
  if (!file || ::pwrite(file.get(), path.data(), path.size(), 0) < 0)
    return sysfs::fail(sysfs::ErrorCode::Kernel, "no file in memory", errno, path);
  return file;
}

// A device with one region of 128 KiB and an MSI-X interrupt with 5 vectors; it has no feature and no neighbours.
vfio::Result<int> AnsweringIoctl::call(const vfio::FileDescriptor&, unsigned long request,
                                       vfio::Bytes& argument) const {
  const auto put = [&argument](const auto& value) {
    std::memcpy(argument.data(), &value, std::min(sizeof value, argument.size()));
    return 0;
  };
  std::uint32_t index = 0;
  if (argument.size() >= 12) std::memcpy(&index, argument.data() + 8, sizeof index);
  switch (request) {
    case VFIO_GROUP_GET_STATUS: return put(vfio_group_status{.argsz = 8, .flags = VFIO_GROUP_FLAGS_VIABLE});
    case VFIO_GROUP_SET_CONTAINER:
    case vfio::uapi::device_bind_iommufd: return 0;
    case VFIO_GROUP_GET_DEVICE_FD: return -1;
    case VFIO_DEVICE_GET_INFO: {
      vfio_device_info info{};  // the newest headers have a further member
      info.argsz = 20;
      info.flags = 3;
      info.num_regions = 9;
      info.num_irqs = 5;
      return put(info);
    }
    case VFIO_DEVICE_GET_REGION_INFO:
      if (index == 8) return sysfs::fail(sysfs::ErrorCode::Kernel, "no VGA region", EINVAL);
      return put(vfio_region_info{.argsz = 32,
                                  .flags = index == 0 ? 7U : 0U,
                                  .index = index,
                                  .cap_offset = 0,
                                  .size = index == 0 ? 0x20000U : 0U,
                                  .offset = std::uint64_t{index} << 40U});
    case VFIO_DEVICE_GET_IRQ_INFO:
      return put(vfio_irq_info{.argsz = 16, .flags = 9, .index = index, .count = index == 2 ? 5U : 0U});
    default: return sysfs::fail(sysfs::ErrorCode::Kernel, "there is no such thing here", ENOTTY);
  }
}

}  // namespace devbindd::tests
