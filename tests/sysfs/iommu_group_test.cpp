// SPDX-License-Identifier: Apache-2.0
// IOMMU groups: their files, and whether VFIO could take them by the rules of either kernel.
#include "sysfs/iommu/iommu_group.hpp"

#include "tests/catch2.hpp"
#include "tests/fake_kernel.hpp"
#include "tests/handoff/requests.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::iommu_group_test {

namespace {

using namespace devbindd::sysfs;
using namespace devbindd::tests;
using Regions = std::vector<ReservedRegion>;
using Blockers = std::vector<ViabilityBlocker>;

const std::string group_path = "sys/kernel/iommu_groups/24";

Device member(std::string_view address, const std::optional<std::string>& driver, std::uint32_t class_code = 0x020000) {
  Device device;
  device.address = at(address);
  device.class_code = class_code;
  if (driver) device.driver = driver_named(*driver);
  return device;
}

}  // namespace

TEST_CASE("A group is read with members in order, type and reserved regions") {
  FilesTree tree;
  for (const auto* name : {"0000:05:00.1", "0000:05:00.0", "10000:00:00.0", "9050000.usb"})
    tree.files.add_link(group_path + "/devices/" + name, "../../../../devices/" + std::string(name));
  tree.files.add_file(group_path + "/type", "DMA-FQ\n");
  tree.files.add_file(group_path + "/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n");
  const IommuGroup expected{.number = 24,
                            .members = {at("0000:05:00.0"), at("0000:05:00.1"), at("10000:00:00.0")},
                            .other_members = {"9050000.usb"},
                            .type = "DMA-FQ",
                            .reserved_regions = {{0xfee00000, 0xfeefffff, "msi"}},
                            .no_iommu = false};
  CHECK(read_iommu_group(tree, 24).value() == expected);
}

TEST_CASE("An old kernel shows neither type nor reserved regions") {
  FilesTree tree;
  tree.files.add_directory(group_path + "/devices");
  const auto group = read_iommu_group(tree, 24).value();
  CHECK(!group.type);
  CHECK(group.reserved_regions.empty());
  CHECK(group.members.empty());
}

TEST_CASE("A group of VFIO's no-IOMMU mode is known by its name") {
  FilesTree tree;
  tree.files.add_directory(group_path + "/devices");
  tree.files.add_file(group_path + "/name", "vfio-noiommu\n");
  CHECK(read_iommu_group(tree, 24).value().no_iommu);
  tree.files.add_file(group_path + "/name", "vfio-noiommu-not\n");
  CHECK(!read_iommu_group(tree, 24).value().no_iommu);
}

TEST_CASE("An absent group is not found, and one that cannot be listed is an error of the kernel") {
  FilesTree tree;
  const auto absent = read_iommu_group(tree, 24);
  REQUIRE(!absent);
  CHECK(absent.error().code == ErrorCode::GroupNotFound);
  CHECK(absent.error().path == "/" + group_path);
  tree.files.add_file(group_path + "/devices", "");
  const auto unreadable = read_iommu_group(tree, 24);
  REQUIRE(!unreadable);
  CHECK(unreadable.error().code == ErrorCode::Kernel);
  CHECK(unreadable.error().errno_value == ENOTDIR);
}

TEST_CASE("Groups are listed by number") {
  FilesTree tree;
  CHECK(list_iommu_groups(tree).value().empty());
  for (const auto* name : {"10", "9", "0", "x", "1x", "-1", ""})
    tree.files.add_directory("sys/kernel/iommu_groups/" + std::string(name));
  CHECK(list_iommu_groups(tree).value() == std::vector<unsigned>{0, 9, 10});
  FilesTree broken;
  broken.files.add_file("sys/kernel/iommu_groups", "");
  REQUIRE(!list_iommu_groups(broken));
  CHECK(list_iommu_groups(broken).error().errno_value == ENOTDIR);
}

TEST_CASE("Each kind of reserved region is read") {
  CHECK(parse_reserved_regions("0x0000000000000000 0x0000000000ffffff direct\n"
                               "0x000000006a000000 0x000000006e7fffff direct-relaxable\n"
                               "0x00000000fee00000 0x00000000feefffff msi\n"
                               "0x000000fd00000000 0xffffffffffffffff reserved") ==
        Regions{{0, 0xffffff, "direct"},
                {0x6a000000, 0x6e7fffff, "direct-relaxable"},
                {0xfee00000, 0xfeefffff, "msi"},
                {0xfd00000000, 0xffffffffffffffff, "reserved"}});
}

TEST_CASE("Lines of reserved regions that make no sense are left out, the others stay") {
  const auto line = GENERATE(values<std::string>({"", "\n", "0x1", "0x1 0x2", "0x1 0x2 ", "1 2 msi", "0x1 2 msi",
                                                  "0x 0x2 msi", "0x1 0x11112222333344445 msi", "0x1  0x2 msi",
                                                  " 0x1 0x2 msi", "0xg 0x2 msi", "0x1\t0x2\tmsi", "0x-1 0x2 msi"}));
  CAPTURE(line);
  CHECK(parse_reserved_regions(line + "\n0x1 0x2 direct\n" + line) == Regions{{1, 2, "direct"}});
}

TEST_CASE("The rule of viability goes by the release") {
  const auto [release, rule] =
      GENERATE(table<std::string, ViabilityRule>({{"4.19.0-25-amd64", ViabilityRule::KnownDrivers},
                                                  {"5.4.17", ViabilityRule::KnownDrivers},
                                                  {"5.18.19-custom", ViabilityRule::KnownDrivers},
                                                  {"5.18", ViabilityRule::KnownDrivers},
                                                  {"5.19.0", ViabilityRule::DmaOwnership},
                                                  {"5.19-rc1", ViabilityRule::DmaOwnership},
                                                  {"6.1.0-40-amd64", ViabilityRule::DmaOwnership},
                                                  {"10.0", ViabilityRule::DmaOwnership},
                                                  {"4", ViabilityRule::DmaOwnership},
                                                  {"4.", ViabilityRule::DmaOwnership},
                                                  {"4-19", ViabilityRule::DmaOwnership},
                                                  {"", ViabilityRule::DmaOwnership},
                                                  {"linux", ViabilityRule::DmaOwnership}}));
  CAPTURE(release);
  FilesTree tree;
  tree.files.add_file("proc/sys/kernel/osrelease", release + "\n");
  CHECK(viability_rule(tree) == rule);
}

TEST_CASE("A release that cannot be read counts as a new one") {
  FilesTree tree;
  CHECK(viability_rule(tree) == ViabilityRule::DmaOwnership);
}

TEST_CASE("Who keeps VFIO from a group, by the rule of each kernel") {
  constexpr std::uint32_t network = 0x020000;
  constexpr std::uint32_t bridge = 0x060400;
  // driver, class, blocks by DmaOwnership, blocks by KnownDrivers
  const auto [driver, class_code, since_5_19, before] = GENERATE_COPY(
      table<std::optional<std::string>, std::uint32_t, bool, bool>({{std::nullopt, network, false, false},
                                                                    {std::nullopt, bridge, false, false},
                                                                    {"vfio-pci", network, false, false},
                                                                    {"mlx5_vfio_pci", network, false, false},
                                                                    {"pci-stub", network, false, false},
                                                                    {"pcieport", bridge, false, false},
                                                                    {"shpchp", bridge, true, false},
                                                                    {"hinic", network, true, true},
                                                                    {"uio_pci_generic", network, true, true}}));
  CAPTURE(driver, class_code);
  const std::vector<Device> members{member("0000:05:00.0", driver, class_code)};
  CHECK(viability_blockers(members, ViabilityRule::DmaOwnership).empty() != since_5_19);
  CHECK(viability_blockers(members, ViabilityRule::KnownDrivers).empty() != before);
}

TEST_CASE("A driver of any name that shows a VFIO device does not block") {
  auto device = member("0000:05:00.0", "hisi-acc");
  CHECK(viability_blockers({device}).size() == 1);
  device.vfio_device = "vfio0";
  CHECK(viability_blockers({device}, ViabilityRule::DmaOwnership).empty());
  CHECK(viability_blockers({device}, ViabilityRule::KnownDrivers).empty());
}

TEST_CASE("Every blocker is named with its driver, in the order of the members") {
  const auto blockers = viability_blockers({member("0000:05:00.0", "vfio-pci"), member("0000:05:00.1", "hinic"),
                                            member("0000:05:00.2", {}), member("0000:05:00.3", "nvme")});
  CHECK(blockers == Blockers{{at("0000:05:00.1"), driver_named("hinic")}, {at("0000:05:00.3"), driver_named("nvme")}});
  CHECK(viability_blockers({}).empty());
}

}  // namespace devbindd::iommu_group_test
