// SPDX-License-Identifier: Apache-2.0
// What the kernel has said at boot of the firmware's IOMMU tables and is told nowhere else: where each table is in
// memory, and how interrupts are remapped. The log is overwritten after a while, so it is asked once, at the start.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace devbindd::sysfs {

/// How interrupts of devices reach processors: with 32-bit destinations, with 8-bit ones, or without being checked.
enum class RemappingMode { X2apic, Xapic, Off };

/// "x2apic", "xapic", "off".
std::string_view name_of(RemappingMode mode);

struct FirmwareLog {
  bool readable = false;                                 ///< this process may read the log at all
  std::map<std::string, std::uint64_t> table_addresses;  ///< by signature: "DMAR" -> 0x66683000
  std::optional<RemappingMode> remapping;                ///< nullopt: no line tells it (any more)
};

/// What the kernel's log must be asked for.
const std::vector<std::string>& firmware_log_words();

/// Of the log's lines; nullopt where it may not be read. Source: drivers/acpi/acpica/tbprint.c ("ACPI: DMAR 0x...");
/// drivers/iommu/intel/irq_remapping.c ("Enabled IRQ remapping in x2apic mode"); drivers/iommu/amd/init.c
/// ("X2APIC enabled").
FirmwareLog firmware_log_from(const std::optional<std::vector<std::string>>& lines);

}  // namespace devbindd::sysfs
