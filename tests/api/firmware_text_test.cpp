// SPDX-License-Identifier: Apache-2.0
// GET /v1/iommus for a person: lines like those of the kernel's log, from the firmware's tables.
#include <nlohmann/json.hpp>

#include "api/render/render_firmware.hpp"
#include "api/render/render_iommu.hpp"
#include "tests/catch2.hpp"
#include "tests/firmware_data.hpp"
#include "tests/sysfs/files_tree.hpp"

namespace devbindd::firmware_text_test {

using namespace devbindd::tests;
using nlohmann::json;

namespace {

const std::string tables = "sys/firmware/acpi/tables/";

void add_intel_unit(FilesTree& tree, const std::string& name, const std::string& address, const std::string& cap,
                    const std::string& ecap) {
  const auto unit = "sys/class/iommu/" + name + "/intel-iommu/";
  tree.files.add_file(unit + "address", address + "\n");
  tree.files.add_file(unit + "version", "1:0\n");
  tree.files.add_file(unit + "cap", cap + "\n");
  tree.files.add_file(unit + "ecap", ecap + "\n");
}

// As the handler makes it.
json document_of(const FilesTree& tree, const std::vector<std::string>& log) {
  const auto units = sysfs::list_iommu_units(tree).value();
  const auto state = sysfs::read_iommu_state(tree);
  const auto firmware = sysfs::read_iommu_firmware(tree, units, state, sysfs::firmware_log_from(log));
  json items = json::array();
  for (const auto& unit : units) {
    items.push_back(api::render_iommu_unit(unit));
    items.back()["firmware"] = api::render_unit_firmware(firmware, items.size() - 1);
  }
  return {{"items", items},
          {"translation", api::render_iommu_state(state, firmware.remapping)},
          {"firmware", api::render_firmware(firmware)}};
}

// An Intel laptop with the registers and the table that its log tells of.
FilesTree laptop() {
  FilesTree tree;
  tree.files.add_file(tables + "DMAR", firmware_bytes("dmar_issue"), 0400);
  add_intel_unit(tree, "dmar0", "fed90000", "1c0000c40660462", "19e2ff0505e");
  add_intel_unit(tree, "dmar1", "fed91000", "d2008c40660462", "f050da");
  tree.files.add_file("sys/kernel/irq/24/chip_name", "IR-PCI-MSI\n");
  return tree;
}

std::string lines_below_the_table(const std::string& text) {
  const auto begin = text.find("\nACPI: ");
  return begin == std::string::npos ? text : text.substr(begin + 1);
}

}  // namespace

TEST_CASE("IOMMUs as text: the lines of an Intel laptop's log, from one answer") {
  const std::vector<std::string> log = {
      "ACPI: DMAR 0x0000000066683000 000088 (v02 INTEL  Dell Inc 00000002      01000013)",
      "DMAR-IR: Enabled IRQ remapping in x2apic mode"};
  CHECK(lines_below_the_table(api::iommu_text(document_of(laptop(), log))) ==
        "ACPI: DMAR 0x66683000 000088 (v02 INTEL Dell Inc); Reserving DMAR table memory at 0x66683000-0x66683087\n"
        "DMAR: Host address width 39\n"
        "DMAR: DRHD base 0xfed90000 flags 0x0: ver 1:0 cap 1c0000c40660462 ecap 19e2ff0505e\n"
        "DMAR: DRHD base 0xfed91000 flags 0x1: ver 1:0 cap d2008c40660462 ecap f050da\n"
        "DMAR: RMRR base 0x6a000000 end 0x6e7fffff\n"
        "DMAR-IR: IOAPIC id 2 under DRHD base 0xfed91000 IOMMU 1; HPET id 0 under DRHD base 0xfed91000\n"
        "DMAR-IR: Queued invalidation will be enabled to support x2apic and Intr-remapping; Enabled IRQ remapping in "
        "x2apic mode\n");
}

TEST_CASE("IOMMUs as text: without the kernel's log, what it alone tells is left out") {
  auto tree = laptop();
  const auto text = lines_below_the_table(api::iommu_text(document_of(tree, {})));
  CHECK(text.starts_with("ACPI: DMAR 000088 (v02 INTEL Dell Inc)\nDMAR: Host address width 39\n"));
  CHECK(text.ends_with("HPET id 0 under DRHD base 0xfed91000\n"));
  tree.files.add_file("proc/cpuinfo", "flags\t: fpu x2apic\n");
  CHECK(api::iommu_text(document_of(tree, {})).ends_with("Enabled IRQ remapping in x2apic mode\n"));
  tree.files.add_file("proc/cpuinfo", "flags\t: fpu\n");
  CHECK(api::iommu_text(document_of(tree, {}))
            .ends_with("HPET id 0 under DRHD base 0xfed91000\nDMAR-IR: Enabled IRQ remapping in xapic mode\n"));
}

TEST_CASE("IOMMUs: a unit has its registers and its firmware's words, and the rest belongs to no unit") {
  auto tree = laptop();
  tree.files.add_file(tables + "DMAR", firmware_bytes("dmar_all"), 0400);
  const auto document = document_of(tree, {});
  CHECK(document["items"][0]["firmware"].is_null());
  const auto& unit = document["items"][1]["firmware"];
  CHECK((unit["base"] == "0xfed91000" && unit["takes_rest"] == true && unit["kind"] == "drhd"));
  CHECK(unit["scopes"][2]["name"] == "\\_SB.PCI0.UA00");
  std::vector<std::string> kinds;
  for (const auto& structure : document["firmware"]["without_unit"]) kinds.push_back(structure["kind"]);
  CHECK(kinds == std::vector<std::string>{"drhd", "atsr", "atsr", "rhsa", "andd", "satc", "sidp"});
  CHECK(document["firmware"]["tables"][0]["flags"] ==
        json({"interrupt_remapping", "x2apic_opt_out", "dma_control_opt_in"}));
  const auto text = api::iommu_text(document);
  CHECK(text.contains("DMAR: DRHD base 0xfbffc000 flags 0x0: no unit of the kernel's\n"));
  CHECK(text.contains("DMAR: ATSR flags 0x1\n"));
  CHECK(text.contains("DMAR: RHSA base 0xfbff0000 proximity domain 2: no such unit\n"));
  CHECK(text.contains("DMAR: ANDD device 7 name \\_SB.PCI0.UA00\n"));
  CHECK(text.contains("DMAR: The firmware opts out of x2apic\n"));
}

TEST_CASE("IOMMUs as text: the tables of other platforms") {
  FilesTree amd;
  amd.files.add_file(tables + "IVRS", firmware_bytes("ivrs_amd"), 0400);
  amd.files.add_file("sys/class/iommu/ivhd0/amd-iommu/cap", "190b640f\n");
  amd.files.add_file("sys/class/iommu/ivhd0/amd-iommu/features", "246577efa2254afa:10\n");
  CHECK(lines_below_the_table(api::iommu_text(document_of(amd, {}))) ==
        "ACPI: IVRS 0001F6 (v02 AMD AmdTable)\n"
        "AMD-Vi: Host address width 48\n"
        "AMD-Vi: The firmware asks for protection from DMA before the boot\n"
        "AMD-Vi: IVHD 0000:00:00.2 base 0xfd200000 flags 0x30: cap 190b640f efr 246577efa2254afa\n"
        "AMD-Vi: IVMD base 0x7d900000 end 0x7d9fffff flags 0x7\n"
        "AMD-Vi: IVMD base 0x76000000 end 0x7601ffff flags 0x8\n"
        "AMD-Vi: HPET id 0 under IVHD base 0xfd200000; IOAPIC id 33 under IVHD base 0xfd200000 IOMMU 0\n"
        "AMD-Vi: IOAPIC id 34 under IVHD base 0xfd200000 IOMMU 0\n");
  FilesTree arm;
  arm.files.add_file(tables + "IORT", firmware_bytes("iort_rmr"), 0400);
  arm.files.add_directory("sys/class/iommu/smmu.0x0000000015000000");
  const auto text = api::iommu_text(document_of(arm, {}));
  CHECK(text.contains("IORT: SMMU base 0x15000000 flags 0x3: smmu.0x0000000015000000\n"));
  CHECK(text.contains("IORT: RMR base 0x7c000000 end 0x7c00ffff flags 0x1\n"));
}

TEST_CASE("IOMMUs: a table that is malformed or may not be read says so") {
  class Forbidden final : public FilesTree {
   public:
    sysfs::Result<std::string> read_bytes(std::string_view path, std::size_t limit) const override {
      if (path.ends_with("/IVRS"))
        return sysfs::fail(sysfs::ErrorCode::Kernel, "cannot open it: Permission denied", EACCES);
      return FilesTree::read_bytes(path, limit);
    }
  };
  Forbidden tree;
  auto bytes = firmware_bytes("dmar_issue");
  bytes[0x42] = 5;  // a scope that ends before its path
  tree.files.add_file(tables + "DMAR", bytes, 0400);
  const auto document = document_of(tree, {});
  const auto& list = document["firmware"]["tables"];
  REQUIRE(list.size() == 2);
  CHECK(list[0]["checksum_right"] == false);
  CHECK(list[0]["problems"][0] == json{{"place", "0x9"}, {"detail", "The checksum is wrong."}});
  CHECK(list[1]["error"] == "cannot open it: Permission denied");
  CHECK(list[1]["length"].is_null());
  const auto text = api::iommu_text(document);
  CHECK(text.contains("DMAR: Malformed at 0x9: The checksum is wrong.\n"));
  CHECK(text.contains("ACPI: IVRS cannot be read: cannot open it: Permission denied\n"));
}

TEST_CASE("IOMMUs: memory of the firmware's names devices and groups") {
  auto tree = laptop();
  const std::string place = "sys/devices/pci0000:00/0000:00:02.0";
  tree.files.add_directory(place);
  tree.files.add_link("sys/bus/pci/devices/0000:00:02.0", "../../../devices/pci0000:00/0000:00:02.0");
  tree.files.add_link(place + "/iommu_group", "../../../kernel/iommu_groups/3");
  const auto document = document_of(tree, {});
  const auto& memory = document["firmware"]["reserved_memory"];
  REQUIRE(memory.size() == 1);
  CHECK((memory[0]["start"] == "0x6a000000" && memory[0]["end"] == "0x6e7fffff" && memory[0]["kind"] == "rmrr"));
  CHECK(memory[0]["devices"] == json({"0000:00:02.0"}));
  CHECK(memory[0]["iommu_groups"] == json({3}));
  CHECK(document["items"][0]["firmware"]["scopes"][0]["devices"] == json({"0000:00:02.0"}));
}

}  // namespace devbindd::firmware_text_test
