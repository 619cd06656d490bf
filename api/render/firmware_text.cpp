// SPDX-License-Identifier: Apache-2.0
// Lines that read like those of the kernel's log, which people know and search for.
#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "api/http/text_table.hpp"
#include "api/render/render_firmware.hpp"

namespace devbindd::api {
namespace {

using nlohmann::json;

constexpr std::size_t most_columns = 120;

std::uint64_t number_of(const json& hex) { return std::stoull(hex.get<std::string>(), nullptr, 16); }

// Sentences that belong together, as many on a line as fit.
class Lines {
 public:
  explicit Lines(std::string begin) : begin_(std::move(begin)) {}

  void add(const std::string& sentence) {
    if (!line_.empty() && line_.size() + 2 + sentence.size() > most_columns) finish();
    line_ += (line_.empty() ? begin_ : "; ") + sentence;
  }
  std::string text() {
    finish();
    return text_;
  }

 private:
  void finish() {
    if (!line_.empty()) text_ += line_ + "\n";
    line_.clear();
  }

  std::string begin_;
  std::string line_;
  std::string text_;
};

// "ACPI: DMAR 0x66683000 000088 (v02 INTEL Dell Inc); Reserving DMAR table memory at 0x66683000-0x66683087"
std::string table_line(const json& table) {
  const auto name = plain(table["signature"]);
  if (!table["error"].is_null()) return "ACPI: " + name + " cannot be read: " + plain(table["error"]) + "\n";
  if (table["length"].is_null()) return "";
  const auto length = table["length"].get<std::uint64_t>();
  std::array<char, 40> numbers{};
  std::snprintf(numbers.data(), numbers.size(), "%06llX (v%02u", static_cast<unsigned long long>(length),
                table["revision"].get<unsigned>());
  auto text = "ACPI: " + name + (table["address"].is_null() ? "" : " " + plain(table["address"])) + " " +
              numbers.data() + " " + plain(table["oem_id"]) + " " + plain(table["oem_table_id"]) + ")";
  if (!table["address"].is_null() && length > 0) {
    std::array<char, 24> last{};
    std::snprintf(last.data(), last.size(), "0x%llx",
                  static_cast<unsigned long long>(number_of(table["address"]) + (length - 1)));
    text += "; Reserving " + name + " table memory at " + plain(table["address"]) + "-" + last.data();
  }
  return text + "\n";
}

// The kernel's prefix for what comes from the table.
std::string prefix_of(const json& table_name) {
  return table_name == "IVRS" ? "AMD-Vi" : table_name == "device-tree" ? "OF" : plain(table_name);
}

std::string own_lines(const json& table) {
  const auto prefix = prefix_of(table["signature"]);
  std::string text;
  if (!table["host_address_width"].is_null())
    text += prefix + ": Host address width " + plain(table["host_address_width"]) + "\n";
  for (const auto& flag : table["flags"]) {
    if (flag == "x2apic_opt_out") text += prefix + ": The firmware opts out of x2apic\n";
    if (flag == "dma_control_opt_in" || flag == "dma_protection")
      text += prefix + ": The firmware asks for protection from DMA before the boot\n";
  }
  for (const auto& problem : table["problems"])
    text += prefix + ": Malformed at " + plain(problem["place"]) + ": " + plain(problem["detail"]) + "\n";
  return text;
}

std::string registers_of(const json& unit) {
  const auto bare = [](const json& hex) { return hex.is_null() ? std::string("?") : plain(hex).substr(2); };
  if (!unit["intel"].is_null()) {
    const auto& intel = unit["intel"];
    return "ver " + (intel["version"].is_null() ? "?" : plain(intel["version"])) + " cap " + bare(intel["cap"]) +
           " ecap " + bare(intel["ecap"]);
  }
  if (!unit["amd"].is_null()) return "cap " + bare(unit["amd"]["cap"]) + " efr " + bare(unit["amd"]["efr"]);
  return plain(unit["name"]);
}

std::string unit_line(const json& structure, const std::string& registers) {
  auto kind = plain(structure["kind"]);
  for (auto& letter : kind) letter = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 32) : letter;
  auto text = prefix_of(structure["table"]) + ": " + kind;
  if (!structure["address"].is_null()) text += " " + plain(structure["address"]);
  if (structure["table"] == "device-tree") text += " " + plain(structure["name"]);
  if (!structure["base"].is_null()) text += " base " + plain(structure["base"]);
  if (!structure["flags"].is_null()) text += " flags " + plain(structure["flags"]);
  return text + ": " + registers + "\n";
}

std::string memory_line(const json& memory) {
  if (memory["kind"] == "rmrr")
    return "DMAR: RMRR base " + plain(memory["start"]) + " end " + plain(memory["end"]) + "\n";
  auto text = prefix_of(memory["table"]) + (memory["kind"] == "ivmd" ? ": IVMD" : ": RMR") + " base " +
              plain(memory["start"]) + " end " + plain(memory["end"]) + " flags " + plain(memory["flags"]);
  return text + "\n";
}

std::string other_line(const json& structure) {
  const auto& kind = structure["kind"];
  if (structure["unit"] == true) return unit_line(structure, "no unit of the kernel's");
  if (kind == "atsr" || kind == "satc" || kind == "sidp") {
    auto name = plain(kind);
    for (auto& letter : name) letter = static_cast<char>(letter - 32);
    return "DMAR: " + name + " flags " + plain(structure["flags"]) + "\n";
  }
  if (kind == "rhsa") {
    return "DMAR: RHSA base " + plain(structure["base"]) + " proximity domain " + plain(structure["proximity_domain"]) +
           ": no such unit\n";
  }
  if (kind == "andd") return "DMAR: ANDD device " + plain(structure["id"]) + " name " + plain(structure["name"]) + "\n";
  return "";
}

// "IOAPIC id 2 under DRHD base 0xfed91000 IOMMU 1": the number is that of the kernel's name of the unit.
void add_interrupt_sources(const json& structure, const std::string& unit_name, Lines& lines) {
  for (const auto& scope : structure["scopes"]) {
    if (scope["kind"] != "ioapic" && scope["kind"] != "hpet") continue;
    const bool ioapic = scope["kind"] == "ioapic";
    auto text = std::string(ioapic ? "IOAPIC" : "HPET") + " id " + plain(scope["id"]) + " under " +
                (structure["table"] == "DMAR" ? "DRHD" : "IVHD") + " base " + plain(structure["base"]);
    const auto digits = unit_name.find_first_of("0123456789");
    if (ioapic && digits != std::string::npos) text += " IOMMU " + unit_name.substr(digits);
    lines.add(text);
  }
}

std::string mode_line(const json& document) {
  const auto& mode = document["translation"]["interrupt_remapping_mode"];
  const bool intel = std::ranges::any_of(document["firmware"]["tables"],
                                         [](const json& table) { return table["signature"] == "DMAR"; });
  if (mode.is_null() || !intel) return "";
  if (mode == "off") return "DMAR-IR: IRQ remapping is off\n";
  // A kernel says the first half for x2apic only.
  const std::string first =
      mode == "x2apic" ? "Queued invalidation will be enabled to support x2apic and Intr-remapping; " : "";
  return "DMAR-IR: " + first + "Enabled IRQ remapping in " + plain(mode) + " mode\n";
}

}  // namespace

std::string firmware_text(const json& document) {
  const auto& firmware = document["firmware"];
  std::string text;
  for (const auto& table : firmware["tables"]) text += table_line(table) + own_lines(table);
  Lines intel("DMAR-IR: ");
  Lines amd("AMD-Vi: ");
  const auto add_sources = [&intel, &amd](const json& structure, const std::string& unit_name) {
    add_interrupt_sources(structure, unit_name, structure["table"] == "DMAR" ? intel : amd);
  };
  for (const auto& unit : document["items"]) {
    if (unit["firmware"].is_null()) continue;
    text += unit_line(unit["firmware"], registers_of(unit));
    add_sources(unit["firmware"], plain(unit["name"]));
  }
  for (const auto& structure : firmware["without_unit"]) {
    text += other_line(structure);
    add_sources(structure, "");
  }
  for (const auto& memory : firmware["reserved_memory"]) text += memory_line(memory);
  return text + intel.text() + amd.text() + mode_line(document);
}

}  // namespace devbindd::api
