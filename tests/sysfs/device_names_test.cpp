// SPDX-License-Identifier: Apache-2.0
#include "sysfs/device/device_names.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "sysfs/kernel/linux_tree.hpp"
#include "tests/catch2.hpp"

namespace devbindd::device_names_test {

namespace {

using devbindd::sysfs::DeviceNames;
using devbindd::sysfs::LinuxTree;
using devbindd::sysfs::parse_pci_ids;
using devbindd::sysfs::PciIds;

const std::string sample =
    "#\n"
    "#\tList of PCI ID's\n"
    "\n"
    "15b3  Mellanox Technologies\n"
    "\t1013  MT27700 Family [ConnectX-4]\n"
    "\t\t15b3 0003  Mezzanine Card for POWER9\n"
    "\ta2d6  MT42822 BlueField-2 integrated ConnectX-6 Dx network controller \n"
    "8086  Intel Corporation\n"
    "# a comment in between\n"
    "\t1572  Ethernet Controller X710 for 10GbE SFP+\n"
    "C 02  Network controller\n"
    "\t00  Ethernet controller\n"
    "\t\t01  an interface\n"
    "\t07  Infiniband controller\n"
    "C 12  Processing accelerators\n"
    "S 1af4\n"
    "\t1100  QEMU Virtual Machine\n";

class Folder {
 public:
  Folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "device_names_XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  void write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << content;
  }
  LinuxTree tree() const { return std::move(LinuxTree::open(path_.string()).value()); }

 private:
  std::filesystem::path path_;
};

template <class Id>
std::map<Id, std::string> names_in(const devbindd::sysfs::NameTable<Id>& table) {
  std::map<Id, std::string> names;
  for (const auto& [id, name] : table.entries()) CHECK(names.emplace(id, name).second);
  return names;
}

bool has_hardware_database() {
  return std::filesystem::exists("/etc/udev/hwdb.bin") || std::filesystem::exists("/usr/lib/udev/hwdb.bin") ||
         std::filesystem::exists("/lib/udev/hwdb.bin");
}

}  // namespace

TEST_CASE("The names of vendors, devices, classes and subclasses are read from pci.ids") {
  const auto ids = parse_pci_ids(sample);
  CHECK(names_in(ids.vendors) ==
        std::map<std::uint16_t, std::string>{{0x15b3, "Mellanox Technologies"}, {0x8086, "Intel Corporation"}});
  CHECK(names_in(ids.devices) == std::map<std::uint32_t, std::string>{
                                     {0x15b31013, "MT27700 Family [ConnectX-4]"},
                                     {0x15b3a2d6, "MT42822 BlueField-2 integrated ConnectX-6 Dx network controller"},
                                     {0x80861572, "Ethernet Controller X710 for 10GbE SFP+"}});
  CHECK(names_in(ids.classes) ==
        std::map<std::uint8_t, std::string>{{0x02, "Network controller"}, {0x12, "Processing accelerators"}});
  CHECK(names_in(ids.subclasses) ==
        std::map<std::uint16_t, std::string>{{0x0200, "Ethernet controller"}, {0x0207, "Infiniband controller"}});
}

TEST_CASE("Entries below a block that is not understood belong to nobody") {
  CHECK(parse_pci_ids("8086  Intel\nxyz  broken\n\t1572  lost\n").devices.entries().empty());
  CHECK(parse_pci_ids("8086  Intel\nL 0001  a new kind of block\n\t1572  lost\n").devices.entries().empty());
  CHECK(parse_pci_ids("\t1572  without a vendor\n").devices.entries().empty());
  CHECK(parse_pci_ids("C zz  broken\n\t00  lost\n").subclasses.entries().empty());
}

TEST_CASE("Broken lines are left out and the lines around them stay") {
  const auto ids = parse_pci_ids("8086  Intel\n\t15\n\t15721  no blank\n\t1572\n\t1573  \n\t+123  sign\n\t1574 good");
  CHECK(names_in(ids.devices) == std::map<std::uint32_t, std::string>{{0x80861574, "good"}});
}

TEST_CASE("Of two entries with one ID the first stays") {
  const auto ids = parse_pci_ids("8086  Intel\n\t1572  first\n\t1572  second\n8086  again\n");
  CHECK(ids.vendors.find(0x8086) == "Intel");
  CHECK(ids.devices.find(0x80861572) == "first");
}

TEST_CASE("A file that is not sorted is looked up all the same, and the first of two entries stays") {
  const auto ids =
      parse_pci_ids("8086  Intel\n\t1572  first\n\t0001  low\n1002  AMD\n\t1572  other\n8086  again\n\t1572  second\n");
  CHECK(names_in(ids.vendors) == std::map<std::uint16_t, std::string>{{0x1002, "AMD"}, {0x8086, "Intel"}});
  CHECK(names_in(ids.devices) ==
        std::map<std::uint32_t, std::string>{{0x10021572, "other"}, {0x80860001, "low"}, {0x80861572, "first"}});
}

TEST_CASE("An empty pci.ids has no names") {
  for (const std::string text : {"", "\n", "\n\n \t\n", "#", "\t"}) {
    const auto ids = parse_pci_ids(text);
    CHECK(ids.vendors.entries().empty());
    CHECK(ids.devices.entries().empty());
    CHECK(ids.classes.entries().empty());
    CHECK(ids.subclasses.entries().empty());
  }
}

TEST_CASE("Names are looked up in the file of the tree") {
  const auto* const path = GENERATE("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids");
  const Folder folder;
  folder.write(path, sample);
  const auto names = DeviceNames::open(folder.tree(), false);
  CHECK(names.vendor(0x8086) == "Intel Corporation");
  CHECK(names.vendor(0x1234) == std::nullopt);
  CHECK(names.device(0x8086, 0x1572) == "Ethernet Controller X710 for 10GbE SFP+");
  CHECK(names.device(0x15b3, 0x1572) == std::nullopt);
}

TEST_CASE("A class without a named subclass has the name of its base class") {
  const Folder folder;
  folder.write("usr/share/misc/pci.ids", sample);
  const auto names = DeviceNames::open(folder.tree(), false);
  CHECK(names.class_name(0x020000) == "Ethernet controller");
  CHECK(names.class_name(0x020701) == "Infiniband controller");
  CHECK(names.class_name(0x028000) == "Network controller");
  CHECK(names.class_name(0x120000) == "Processing accelerators");
  CHECK(names.class_name(0xff0000) == std::nullopt);
}

TEST_CASE("Without a file and a hardware database nothing has a name") {
  const Folder folder;
  const auto names = DeviceNames::open(folder.tree(), false);
  CHECK(names.vendor(0x8086) == std::nullopt);
  CHECK(names.device(0x8086, 0x1572) == std::nullopt);
  CHECK(names.class_name(0x020000) == std::nullopt);
}

TEST_CASE("What the file lacks comes from the hardware database of systemd") {
  if (!has_hardware_database()) return;
  const Folder folder;
  folder.write("usr/share/misc/pci.ids", "8086  Our Intel\n");
  const auto names = DeviceNames::open(folder.tree());
  CHECK(names.vendor(0x8086) == "Our Intel");
  CHECK(names.vendor(0x1af4) == "Red Hat, Inc.");
  CHECK(names.device(0x1af4, 0x1041) == "Virtio 1.0 network device");
  CHECK(names.device(0x8086, 0xfffe) == std::nullopt);
  CHECK(names.class_name(0x020000) == "Ethernet controller");
  CHECK(names.class_name(0x02fe00) == "Network controller");
}

TEST_CASE("Names can be moved to another owner") {
  const Folder folder;
  folder.write("usr/share/misc/pci.ids", sample);
  auto first = DeviceNames::open(folder.tree());
  auto second = std::move(first);
  first = std::move(second);
  CHECK(first.vendor(0x8086) == "Intel Corporation");
}

}  // namespace devbindd::device_names_test
