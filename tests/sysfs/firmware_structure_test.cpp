// SPDX-License-Identifier: Apache-2.0
// Which devices, units and groups the firmware's words are about.
#include "sysfs/firmware/firmware_structure.hpp"

#include "sysfs/iommu/group_memory.hpp"
#include "sysfs/iommu/iommu_firmware.hpp"
#include "tests/catch2.hpp"
#include "tests/firmware_data.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::firmware_structure_test {

using namespace devbindd::sysfs;
using namespace devbindd::tests;

namespace {

PciAddress at(const std::string& text) { return parse_pci_address(text).value(); }

FirmwareScope scope_of(ScopeKind kind, const std::string& first, std::vector<PathHop> path) {
  FirmwareScope scope;
  scope.kind = kind;
  scope.first = at(first);
  scope.path = std::move(path);
  return scope;
}

std::string names(const std::vector<PciAddress>& addresses) {
  std::string text;
  for (const auto& address : addresses) text += to_string(address) + " ";
  return text;
}

void add_function(FilesTree& tree, const std::string& place, std::optional<unsigned> group = {}) {
  const auto address = place.substr(place.rfind('/') + 1);
  tree.files.add_directory("sys/devices/" + place);
  tree.files.add_link("sys/bus/pci/devices/" + address, "../../../devices/" + place);
  if (group) {
    const auto number = std::to_string(*group);
    tree.files.add_link("sys/devices/" + place + "/iommu_group", "../../../kernel/iommu_groups/" + number);
    tree.files.add_directory("sys/kernel/iommu_groups/" + number + "/devices/" + address);
  }
}

// A root port with a card of two functions below, a root complex endpoint, a second domain.
FilesTree host() {
  FilesTree tree;
  add_function(tree, "pci0000:00/0000:00:02.0", 3);
  add_function(tree, "pci0000:00/0000:00:1c.0", 4);
  add_function(tree, "pci0000:00/0000:00:1c.0/0000:05:00.0", 5);
  add_function(tree, "pci0000:00/0000:00:1c.0/0000:05:00.1", 5);
  add_function(tree, "pci0001:00/0001:00:02.0", 6);
  return tree;
}

}  // namespace

TEST_CASE("A firmware path leads through bridges, whatever numbers their buses have") {
  const auto places = list_places(host());
  REQUIRE(places.size() == 5);
  const auto found = [&places](const FirmwareScope& scope) { return names(devices_of(scope, places)); };
  CHECK(found(scope_of(ScopeKind::Endpoint, "0000:00:02.0", {{2, 0}})) == "0000:00:02.0 ");
  CHECK(found(scope_of(ScopeKind::Endpoint, "0000:00:1c.0", {{0x1c, 0}, {0, 1}})) == "0000:05:00.1 ");
  CHECK(found(scope_of(ScopeKind::Endpoint, "0000:05:00.0", {{0, 0}})) == "0000:05:00.0 ");
  CHECK(found(scope_of(ScopeKind::Bridge, "0000:00:1c.0", {{0x1c, 0}})) == "0000:00:1c.0 0000:05:00.0 0000:05:00.1 ");
  CHECK(found(scope_of(ScopeKind::Endpoint, "0000:00:1c.0", {{0x1c, 0}, {1, 0}})) == "");
  CHECK(found(scope_of(ScopeKind::Endpoint, "0000:f0:1f.0", {{0x1f, 0}})) == "");
  CHECK(found(scope_of(ScopeKind::IoApic, "0000:00:02.0", {{2, 0}})) == "");
  CHECK(path_text(scope_of(ScopeKind::Endpoint, "0000:00:1c.0", {{0x1c, 0}, {0, 1}})) == "0000:00:1c.0/00.1");
}

TEST_CASE("A firmware range has its first and its last device, in its segments only") {
  const auto places = list_places(host());
  auto scope = scope_of(ScopeKind::Range, "0000:00:02.0", {});
  scope.last = at("0000:05:00.0");
  CHECK(names(devices_of(scope, places)) == "0000:00:02.0 0000:00:1c.0 0000:05:00.0 ");
  scope.last = at("0001:05:00.0");
  CHECK(names(devices_of(scope, places)) == "0000:00:02.0 0000:00:1c.0 0000:05:00.0 0001:00:02.0 ");
  FirmwareScope all;
  all.kind = ScopeKind::All;
  all.segment = 1;
  CHECK(names(devices_of(all, places)) == "0001:00:02.0 ");
}

TEST_CASE("Each unit gets its own structure: by registers, by PCI address, by order") {
  FilesTree tree;
  const auto joined = [&tree](const std::string& table, std::vector<IommuUnit> units) {
    const auto description = describe(tables_of(table, firmware_bytes(table)));
    std::string text;
    for (const auto& structure : structures_of(tree, units, description.structures))
      text += structure ? hex_number(description.structures[*structure].base.value_or(0)) + " " : "none ";
    return text;
  };
  const auto intel = [](const std::string& name, std::optional<std::uint64_t> base) {
    IommuUnit unit;
    unit.name = name;
    unit.kind = IommuKind::Intel;
    unit.intel = IntelFacts{};
    unit.intel->address = base;
    return unit;
  };
  const auto named = [](const std::string& name, IommuKind kind) {
    IommuUnit unit;
    unit.name = name;
    unit.kind = kind;
    return unit;
  };
  CHECK(joined("dmar_dell", {intel("dmar0", 0xfed91000), intel("dmar1", 0xfed84000), intel("dmar2", {}),
                             intel("dmar3", 0xfed91000)}) == "0xfed91000 0xfed84000 none none ");
  CHECK(joined("iort_altra", {named("smmu3.0x000023ffe0000000", IommuKind::SmmuV3)}) == "0x23ffe0000000 ");
  CHECK(joined("iort_altra", {named("smmu.0x000023ffe0000000", IommuKind::Smmu)}) == "none ");
  CHECK(joined("viot_memory", {named("a003e00.virtio_mmio", IommuKind::Virtio)}) == "0xa003e00 ");
  CHECK(joined("viot_qemu", {named("0000:00:02.0", IommuKind::Virtio)}) == "0x0 ");
  CHECK(joined("ivrs_memory", {named("ivhd0", IommuKind::Amd), named("ivhd1", IommuKind::Amd),
                               named("ivhd2", IommuKind::Amd)}) == "0xfd200000 0xfd300000 none ");
  tree.files.add_link("sys/class/iommu/ivhd0/device", "../../../pci0001:60/0001:60:00.2");
  CHECK(joined("ivrs_memory", {named("ivhd0", IommuKind::Amd)}) == "0xfd300000 ");
}

TEST_CASE("The mode of interrupt remapping: by the log, by rule, or not known") {
  FilesTree tree;
  IommuState state;
  state.interrupt_remapping = Answer::Yes;
  IommuUnit unit;
  unit.name = "dmar0";
  unit.kind = IommuKind::Intel;
  unit.intel = IntelFacts{};
  unit.intel->capabilities = IntelCapabilities{};
  unit.intel->capabilities->extended_interrupt_mode = true;
  auto tables = tables_of("dmar_issue", firmware_bytes("dmar_issue"));
  FirmwareLog log;
  const auto mode = [&] {
    const auto finding = remapping_mode(tree, state, {unit}, tables, log);
    CHECK(!finding.source.empty());
    return finding.mode ? std::string(name_of(*finding.mode)) : "unknown";
  };
  CHECK(mode() == "unknown");
  tree.files.add_file("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu x2apic sse\n");
  CHECK(mode() == "x2apic");
  unit.intel->capabilities->extended_interrupt_mode = false;
  CHECK(mode() == "xapic");
  unit.intel->capabilities->extended_interrupt_mode = true;
  tables = tables_of("dmar_server", firmware_bytes("dmar_server"));  // opts out
  CHECK(mode() == "xapic");
  state.parameters = {{"intremap", "no_x2apic_optout"}};
  CHECK(mode() == "x2apic");
  tree.files.add_file("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse\n");
  CHECK(mode() == "xapic");
  log = firmware_log_from(std::vector<std::string>{"DMAR-IR: Enabled IRQ remapping in x2apic mode"});
  CHECK(mode() == "x2apic");
  state.interrupt_remapping = Answer::No;
  CHECK(mode() == "off");
  state.interrupt_remapping = Answer::Unknown;
  log = {};
  CHECK(mode() == "unknown");
  state.interrupt_remapping = Answer::Yes;
  unit = {};
  unit.name = "ivhd0";
  unit.kind = IommuKind::Amd;
  unit.amd = AmdFacts{};
  unit.amd->features = AmdFeatures{};
  CHECK(mode() == "xapic");
  unit.amd->features->x2apic = true;
  CHECK(mode() == "unknown");
}

TEST_CASE("The kernel's log tells where tables are, and the mode") {
  const auto log = firmware_log_from(
      std::vector<std::string>{"ACPI: DMAR 0x0000000066683000 000088 (v02 INTEL  Dell Inc 00000002      01000013)",
                               "ACPI: IVRS 0x00000000BFFE1E1C 0000D0 (v02 AMD    AMD IVRS 00000001 AMD  00000000)",
                               "ACPI: IORT nowhere", "DMAR-IR: Enabled IRQ remapping in xapic mode"});
  CHECK(log.readable);
  CHECK(log.table_addresses == std::map<std::string, std::uint64_t>{{"DMAR", 0x66683000}, {"IVRS", 0xbffe1e1c}});
  CHECK(log.remapping == RemappingMode::Xapic);
  CHECK(!firmware_log_from(std::nullopt).readable);
  CHECK(firmware_log_from(std::vector<std::string>{"AMD-Vi: X2APIC enabled"}).remapping == RemappingMode::X2apic);
}

TEST_CASE("A group that firmware has memory for: which entry, and why the kernel refuses it") {
  const auto firmware = describe(tables_of("dmar_issue", firmware_bytes("dmar_issue")));
  const std::vector<DevicePlace> members = {place_of("/sys/devices/pci0000:00/0000:00:02.0")};
  const std::vector<DevicePlace> others = {place_of("/sys/devices/pci0000:00/0000:00:03.0")};
  const ReservedRegion direct{0x6a000000, 0x6e7fffff, "direct"};
  REQUIRE(origin_of(direct, members, firmware) != nullptr);
  CHECK(origin_of(direct, members, firmware)->kind == "rmrr");
  CHECK(origin_of(direct, others, firmware) == nullptr);
  CHECK(origin_of({0x6e800000, 0x6e8fffff, "direct"}, members, firmware) == nullptr);
  CHECK(origin_of({0, ~0ULL, "msi"}, members, firmware) == nullptr);
  IommuGroup group;
  group.reserved_regions = {direct};
  CHECK(
      refusal_of(group, members, firmware) ==
      "The firmware's table DMAR (RMRR) wants 0000:00:02.0 to reach the memory 0x6a000000-0x6e7fffff at all times, so "
      "the kernel refuses the group to VFIO, however viable it is.");
  CHECK(refusal_of(group, others, firmware)
            .starts_with("The firmware, by a table that does not show which, wants a member"));
  group.reserved_regions = {{0x6a000000, 0x6e7fffff, "direct-relaxable"}};
  CHECK(refusal_of(group, members, firmware).empty());
}

TEST_CASE("Groups that the kernel refuses for memory of the firmware's are found by the tables") {
  auto tree = host();
  const auto firmware = describe(tables_of("dmar_issue", firmware_bytes("dmar_issue")));
  CHECK(refused_groups(tree, firmware).empty());
  tree.files.add_file("sys/kernel/iommu_groups/3/reserved_regions", "0x000000006a000000 0x000000006e7fffff direct\n");
  const auto refused = refused_groups(tree, firmware);
  REQUIRE(refused.size() == 1);
  CHECK(refused.at(3).contains("0000:00:02.0"));
}

TEST_CASE("All of a host: tables, units, groups") {
  auto tree = host();
  tree.files.add_file("sys/firmware/acpi/tables/DMAR", firmware_bytes("dmar_issue"), 0400);
  IommuUnit unit;
  unit.name = "dmar1";
  unit.kind = IommuKind::Intel;
  unit.intel = IntelFacts{};
  unit.intel->address = 0xfed91000;
  const auto firmware = read_iommu_firmware(tree, {unit}, {}, {});
  CHECK(firmware.of_units == std::vector<std::optional<std::size_t>>{1});
  CHECK((firmware.has_unit(1) && !firmware.has_unit(0)));
  CHECK(firmware.groups == std::map<PciAddress, unsigned>{{at("0000:00:02.0"), 3}});
}

}  // namespace devbindd::firmware_structure_test
