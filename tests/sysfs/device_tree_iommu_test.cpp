// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/device_tree_iommu.hpp"

#include "sysfs/firmware/firmware_structure.hpp"
#include "tests/catch2.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::device_tree_iommu_test {

using namespace devbindd::sysfs;
using devbindd::tests::FilesTree;

namespace {

const std::string base = "sys/firmware/devicetree/base";

std::string cells(std::initializer_list<std::uint32_t> values) {
  std::string bytes;
  for (const auto value : values) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>((value >> shift) & 0xffU));
  }
  return bytes;
}

// As on a board with an SMMU on a bus of its own, a PCI host bridge and a graphics unit.
FilesTree board() {
  FilesTree tree;
  const auto put = [&tree](const std::string& path, std::string content) {
    tree.files.add_file(base + path, std::move(content));
  };
  put("/#address-cells", cells({2}));
  put("/#size-cells", cells({2}));
  put("/soc/ranges", "");
  put("/soc/#address-cells", cells({2}));
  put("/soc/iommu@15000000/#iommu-cells", cells({2}));
  put("/soc/iommu@15000000/phandle", cells({7}));
  put("/soc/iommu@15000000/reg", cells({1, 0x15000000, 0, 0x100000}));
  put("/soc/iommu@15000000/compatible", std::string("qcom,sm8250-smmu-500\0arm,mmu-500\0", 33));
  put("/soc/gpu@3d00000/iommus", cells({7, 0x800, 0x401, 7, 0x801, 0x402}));
  put("/soc/pcie@1c00000/iommu-map", cells({0, 7, 0x1c00, 1, 0x100, 7, 0x1c01, 0xff00}));
  put("/soc/pcie@1c00000/linux,pci-domain", cells({2}));
  put("/isolated/iommu@0/#iommu-cells", cells({1}));
  put("/isolated/iommu@0/reg", cells({0x10, 0x20}));
  return tree;
}

}  // namespace

TEST_CASE("A host without a device tree has no such units") { CHECK(!read_device_tree(FilesTree()).has_value()); }

TEST_CASE("Device tree: units, their users and the maps of host bridges") {
  const auto tree = board();
  const auto found = read_device_tree(tree);
  REQUIRE(found.has_value());
  REQUIRE(found->units.size() == 2);
  CHECK(found->units[0].path == "/isolated/iommu@0");
  CHECK(!found->units[0].base);  // its bus has no ranges: 0x10 is no address of memory
  CHECK(found->units[1] ==
        DeviceTreeUnit{"/soc/iommu@15000000", 7, 2, 0x115000000, {"qcom,sm8250-smmu-500", "arm,mmu-500"}});
  CHECK(found->users ==
        std::vector<DeviceTreeUser>{{"/soc/gpu@3d00000", 7, {0x800, 0x401}}, {"/soc/gpu@3d00000", 7, {0x801, 0x402}}});
  CHECK(found->maps == std::vector<DeviceTreeMap>{{"/soc/pcie@1c00000", 2, 0, 0xffffffff, 7, 0x1c00, 1},
                                                  {"/soc/pcie@1c00000", 2, 0x100, 0xffffffff, 7, 0x1c01, 0xff00}});
  CHECK(found->problems.empty());
}

TEST_CASE("Device tree: the description names requesters and nodes") {
  FirmwareTables tables;
  tables.device_tree = read_device_tree(board());
  const auto description = describe(tables);
  REQUIRE(description.structures.size() == 2);
  const auto& unit = description.structures[1];
  CHECK((unit.kind == "iommu" && unit.is_unit && unit.base == 0x115000000U));
  REQUIRE(unit.scopes.size() == 4);
  CHECK(path_text(unit.scopes[1]) == "0002:01:00.0");
  CHECK(unit.scopes[1].last == PciAddress{2, 0xff, 0x1f, 7});
  CHECK(unit.scopes[1].stream == 0x1c01U);
  CHECK((unit.scopes[2].kind == ScopeKind::Node && unit.scopes[2].name == "/soc/gpu@3d00000"));
}

TEST_CASE("Device tree: the only host bridge is domain 0, of two nobody can tell, and a mask leaves no range") {
  const auto bridges = [](std::size_t count, bool masked) {
    FilesTree tree;
    tree.files.add_file("proc/device-tree/iommu/#iommu-cells", cells({1}));
    tree.files.add_file("proc/device-tree/iommu/phandle", cells({1}));
    for (std::size_t at = 0; at < count; ++at) {
      const auto path = "proc/device-tree/pcie@" + std::to_string(at);
      tree.files.add_file(path + "/iommu-map", cells({0, 1, 0, 0x10000}));
      if (masked) tree.files.add_file(path + "/iommu-map-mask", cells({0xff00}));
    }
    FirmwareTables tables;
    tables.device_tree = read_device_tree(tree);
    return describe(tables).structures.at(0).scopes;
  };
  CHECK(path_text(bridges(1, false).at(0)) == "0000:00:00.0");
  CHECK(bridges(1, false).at(0).last == PciAddress{0, 0xff, 0x1f, 7});
  CHECK(path_text(bridges(2, false).at(1)).empty());
  CHECK(path_text(bridges(1, true).at(0)).empty());
}

TEST_CASE("Device tree: properties that end too early and units that are not there are told") {
  const auto problems = [](const std::string& name, const std::string& content) {
    auto tree = board();
    tree.files.add_file(base + "/x/" + name, content);
    const auto found = read_device_tree(tree);
    std::string text;
    for (const auto& problem : found->problems) text += problem.path + ": " + problem.detail + "\n";
    return text;
  };
  CHECK(problems("iommus", cells({7, 1})) == "/x: The property iommus ends within an entry.\n");
  CHECK(problems("iommus", cells({9, 1})) == "/x: It refers to the IOMMU 0x9, which is not there.\n");
  CHECK(problems("iommus", cells({7, 1, 2}) + "x") == "/x: The property iommus ends within a cell.\n");
  CHECK(problems("iommu-map", cells({0, 7, 0})) == "/x: The property iommu-map ends within an entry.\n");
  CHECK(problems("iommu-map", cells({0, 8, 0, 1})) == "/x: It refers to the IOMMU 0x8, which is not there.\n");
}

}  // namespace devbindd::device_tree_iommu_test
