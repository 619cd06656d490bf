// SPDX-License-Identifier: Apache-2.0
// The names of boards: four IDs, from pci.ids alone.
#include "sysfs/device/device_names.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::subsystem_names_test {

namespace {

using devbindd::sysfs::DeviceNames;
using devbindd::sysfs::parse_pci_ids;
using devbindd::tests::FilesTree;

constexpr const char* sample =
    "19e5  Huawei Technologies Co., Ltd.\n"
    "\t0200  Hi1822 Family (2*100GE)\n"
    "\t\t19e5 d139  Hi1822 SP572 (2*100GE)\n"
    "\t\t19e5 d13d  Hi1822 SP571 (2*25GE)\n"
    "\t\t19e5 d139  a second name of it\n"
    "\t\t19e5  no number\n"
    "\t1710  iBMA Virtual Network Adapter\n"
    "\t\t8086 d139  another board\n"
    "8086  Intel Corporation\n"
    "\t0200  another device of that number\n"
    "C 02  Network controller\n"
    "\t00  Ethernet controller\n"
    "\t\t01  no board: a programming interface\n";

DeviceNames names_of(const char* text) {
  FilesTree tree;
  tree.files.add_file("usr/share/misc/pci.ids", text);
  return DeviceNames::open(tree, false);
}

}  // namespace

TEST_CASE("A board is named by all four IDs") {
  const auto names = names_of(sample);
  CHECK(names.subsystem(0x19e5, 0x0200, 0x19e5, 0xd139) == "Hi1822 SP572 (2*100GE)");
  CHECK(names.subsystem(0x19e5, 0x0200, 0x19e5, 0xd13d) == "Hi1822 SP571 (2*25GE)");
  CHECK(names.subsystem(0x19e5, 0x1710, 0x8086, 0xd139) == "another board");
}

TEST_CASE("A board that differs in one ID has no name") {
  const auto names = names_of(sample);
  CHECK(!names.subsystem(0x8086, 0x0200, 0x19e5, 0xd139));
  CHECK(!names.subsystem(0x19e5, 0x1710, 0x19e5, 0xd139));
  CHECK(!names.subsystem(0x19e5, 0x0200, 0x8086, 0xd139));
  CHECK(!names.subsystem(0x19e5, 0x0200, 0x19e5, 0xd138));
  CHECK(!names.subsystem(0, 0, 0, 0));
}

TEST_CASE("Boards are kept apart from devices and classes") {
  const auto ids = parse_pci_ids(sample);
  CHECK(ids.subsystems.entries().size() == 3);
  CHECK(ids.devices.entries().size() == 3);
  CHECK(ids.subclasses.entries().size() == 1);
}

TEST_CASE("A host without pci.ids has no names of boards") {
  FilesTree tree;
  CHECK(!DeviceNames::open(tree, false).subsystem(0x19e5, 0x0200, 0x19e5, 0xd139));
}

}  // namespace devbindd::subsystem_names_test
