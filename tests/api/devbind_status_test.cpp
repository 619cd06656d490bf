// SPDX-License-Identifier: Apache-2.0
// The text is compared with what DPDK 22.11's dpdk-devbind.py -s printed, kept in tests/data/devbind. The script ran
// with a stub lspci that printed the facts below the way lspci -Dvmmnnk does, a stub ip that printed the routes named
// at each test, and a /sys whose modules and net directories were the ones below.
#include "api/render/devbind_status.hpp"

#include <algorithm>

#include "tests/catch2.hpp"
#include "tests/golden.hpp"

namespace devbindd::devbind_status_test {

namespace {

using devbindd::api::devbind_status;
using devbindd::api::DevbindDevice;
using devbindd::tests::golden;

struct Facts {
  std::string address;
  std::uint32_t class_code = 0;  ///< without the programming interface, as lspci prints it
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::string name = "Device";
  std::string driver = {};
  std::vector<std::string> modules = {};
  std::vector<std::string> interfaces = {};
  bool routed = false;
};

DevbindDevice device(const Facts& facts) {
  DevbindDevice device;
  device.device.address = devbindd::sysfs::parse_pci_address(facts.address).value();
  device.device.class_code = facts.class_code << 8;
  device.device.vendor = facts.vendor;
  device.device.device = facts.device;
  device.device.interfaces = facts.interfaces;
  if (!facts.driver.empty()) device.device.driver = devbindd::sysfs::DriverName::parse(facts.driver).value();
  device.name = facts.name;
  device.modules = facts.modules;
  device.routed = facts.routed;
  return device;
}

std::vector<DevbindDevice> devices(const std::vector<Facts>& list) {
  std::vector<DevbindDevice> found;
  for (const auto& facts : list) found.push_back(device(facts));
  return found;
}

const std::string x710 = "Ethernet Controller X710 for 10GbE SFP+";
const std::string niantic = "82599ES 10-Gigabit SFI/SFP+ Network Connection";

std::string long_name() {
  std::string name = "Octeon Tx2 (";
  for (int i = 0; i < 21; ++i) name += "long ";
  return name + "name) end";
}

std::vector<DevbindDevice> four_network_cards() {
  return devices({
      {"0000:01:00.0", 0x0200, 0x8086, 0x1572, x710, "i40e", {"i40e"}, {"eth0"}},
      {"0000:01:00.1", 0x0200, 0x8086, 0x1572, x710, "vfio-pci", {"i40e"}},
      {"0000:02:00.0", 0x0200, 0x8086, 0x0dc5},
      {"0000:03:00.0", 0x0200, 0x8086, 0x10fb, niantic, "", {"ixgbe"}},
  });
}

}  // namespace

TEST_CASE("A host without devices is told so for every type") {
  CHECK(devbind_status({}, {"vfio-pci"}) == golden("devbind/no_devices.txt"));
}

// The DLB device 8086:2710 is both a crypto and an event device, and the host bridge is in no list.
TEST_CASE("Every type of device has its section") {
  const auto found = devices({
      {"0000:00:00.0", 0x0600, 0x8086, 0x29c0, "82G33/G31/P35/P31 Express DRAM Controller"},
      {"0000:01:00.0", 0x0200, 0x8086, 0x1572, x710, "i40e", {"i40e"}, {"eth0"}},
      {"0000:02:00.0", 0x1200, 0x8086, 0x0d5c},
      {"0000:03:00.0", 0x0b40, 0x8086, 0x37c8, "C62x Chipset QuickAssist Technology", "c6xx", {"qat_c62x"}},
      {"0000:03:00.1", 0x1000, 0x177d, 0xa0fd, "Octeon Tx2 Cryptographic Accelerator Unit", "vfio-pci"},
      {"0000:04:00.0", 0x0880, 0x8086, 0x0b25, "Device", "idxd", {"idxd"}},
      {"0000:05:00.0", 0x0b40, 0x8086, 0x2710, "Device", "dlb2", {"dlb2"}},
      {"0000:06:00.0", 0x0800, 0x177d, 0xa053, "THUNDERX FPA (Free Pool Allocator)"},
      {"0000:07:00.0", 0x1200, 0x177d, 0xa037, "THUNDERX ZIP Coprocessor"},
      {"0000:08:00.0", 0x0100, 0x1af4, 0x1042, "Virtio 1.0 block device", "virtio-pci", {"virtio_pci"}},
      {"0000:09:00.0", 0x0800, 0x177d, 0xa0f4, "Device", "vfio-pci"},
  });
  CHECK(devbind_status(found, {"vfio-pci"}) == golden("devbind/every_section.txt"));
}

// Routes: default and 192.0.2.0/24 dev eth0, 198.51.100.0/24 dev eth3, 169.254.0.0/16 dev eth1.
// The names of 0001:08:00.0 and 0001:09:00.0 are so long that lspci cuts the ID. The first is known by its ID alone,
// so the script misses it.
TEST_CASE("Network devices are listed by what drives them, with interfaces, routes and further drivers") {
  const auto found = devices({
      {"0000:01:00.0", 0x0200, 0x8086, 0x1572, x710, "i40e", {"i40e"}, {"eth0"}, true},
      {"0000:01:00.1", 0x0200, 0x8086, 0x1572, x710, "vfio-pci", {"i40e"}},
      {"0000:02:00.0",
       0x0200,
       0x10ec,
       0x8168,
       "RTL8111/8168/8411 PCI Express Gigabit Ethernet Controller",
       "r8169",
       {"r8169", "r8168"},
       {"eth1"}},
      {"0000:03:00.0",
       0x0207,
       0x15b3,
       0xa2d6,
       "MT42822 BlueField-2 integrated ConnectX-6 Dx network controller",
       "mlx5_core",
       {"mlx5_core", "mlx5-vfio-pci"},
       {"eth3", "eth2"},
       true},
      {"0000:04:00.0", 0x0200, 0x8086, 0x0dc5},
      {"0000:05:00.0", 0x0280, 0x8086, 0x2725, "Wi-Fi 6 AX210/AX211/AX411 160MHz", "", {"iwlwifi"}},
      {"0000:06:00.0", 0x0200, 0x1af4, 0x1041, "Virtio 1.0 network device", "virtio-pci", {}, {"eth4"}},
      {"0000:07:00.0", 0x0500, 0x1af4, 0x1110, "Inter-VM shared memory"},
      {"0001:08:00.0", 0x0880, 0x177d, 0xa049, long_name(), "uio_pci_generic"},
      {"0001:09:00.0", 0x0200, 0x177d, 0xa063, long_name(), "rvu_nicpf", {"rvu_nicpf"}, {"eth5"}},
      {"10000:00:00.0", 0x0200, 0x8086, 0x10fb, niantic, "igb_uio", {"ixgbe"}},
  });
  CHECK(devbind_status(found, {"igb_uio", "vfio-pci", "uio_pci_generic"}) == golden("devbind/network.txt"));
}

// Routes: default dev eth0, 192.0.2.0/24 dev eth1.
TEST_CASE("A device of two types stands in both sections and is not called active") {
  const auto found = devices({
      {"0000:01:00.0", 0x1200, 0x8086, 0x0b30, "Device", "dfl-pci", {"dfl-pci"}, {"eth0"}, true},
      {"0000:02:00.0", 0x1200, 0x177d, 0xa037, "THUNDERX ZIP Coprocessor", "ThunderX-ZIP", {"thunderx_zip"}},
      {"0000:03:00.0", 0x0200, 0x8086, 0x1572, x710, "i40e", {"i40e"}, {"eth1"}, true},
  });
  CHECK(devbind_status(found, {"vfio-pci"}) == golden("devbind/two_types.txt"));
}

TEST_CASE("With only vfio-pci loaded its devices are DPDK-compatible and it is offered to the others") {
  CHECK(devbind_status(four_network_cards(), {"vfio-pci"}) == golden("devbind/vfio_loaded.txt"));
}

TEST_CASE("With no userspace driver loaded a device on vfio-pci is on a kernel driver and nothing is offered") {
  CHECK(devbind_status(four_network_cards(), {}) == golden("devbind/none_loaded.txt"));
}

TEST_CASE("The order in which devices are given does not matter") {
  auto found = four_network_cards();
  std::reverse(found.begin(), found.end());
  CHECK(devbind_status(found, {"vfio-pci"}) == golden("devbind/vfio_loaded.txt"));
}

}  // namespace devbindd::devbind_status_test
