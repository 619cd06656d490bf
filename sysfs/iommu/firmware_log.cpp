// SPDX-License-Identifier: Apache-2.0
#include "sysfs/iommu/firmware_log.hpp"

#include <array>
#include <string_view>

#include "sysfs/kernel/fields.hpp"

namespace devbindd::sysfs {
namespace {

// "ACPI: DMAR 0x0000000066683000 000088 (v02 INTEL  Dell Inc ...)"
void read_address(std::string_view line, FirmwareLog& log) {
  const auto words = words_of(line);
  if (words.size() < 4 || words[0] != "ACPI:" || !words[2].starts_with("0x")) return;
  for (const auto* name : {"DMAR", "IVRS", "IORT", "VIOT"}) {
    const auto address = words[1] == name ? number_from<std::uint64_t>(words[2].substr(2), 16) : std::nullopt;
    if (address) log.table_addresses.emplace(name, *address);
  }
}

// The kernel says nothing of xapic on AMD.
void read_mode(std::string_view line, FirmwareLog& log) {
  if (line.contains("Enabled IRQ remapping in x2apic mode")) log.remapping = RemappingMode::X2apic;
  if (line.contains("Enabled IRQ remapping in xapic mode")) log.remapping = RemappingMode::Xapic;
  if (line.contains("AMD-Vi: X2APIC enabled")) log.remapping = RemappingMode::X2apic;
}

}  // namespace

std::string_view name_of(RemappingMode mode) {
  switch (mode) {
    case RemappingMode::X2apic: return "x2apic";
    case RemappingMode::Xapic: return "xapic";
    case RemappingMode::Off: break;
  }
  return "off";
}

const std::vector<std::string>& firmware_log_words() {
  static const std::vector<std::string> words = {"ACPI: DMAR ", "ACPI: IVRS ",      "ACPI: IORT ",
                                                 "ACPI: VIOT ", "IRQ remapping in", "AMD-Vi: X2APIC"};
  return words;
}

FirmwareLog firmware_log_from(const std::optional<std::vector<std::string>>& lines) {
  FirmwareLog log;
  if (!lines) return log;
  log.readable = true;
  for (const auto& line : *lines) {
    read_address(line, log);
    read_mode(line, log);
  }
  return log;
}

}  // namespace devbindd::sysfs
