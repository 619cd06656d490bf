// SPDX-License-Identifier: Apache-2.0
// The table VIOT: paravirtual IOMMUs of a guest and what is behind each. Source: ACPI specification 6.5, 5.2.34;
// drivers/acpi/viot.c.
#pragma once

#include "sysfs/firmware/acpi_table.hpp"

namespace devbindd::sysfs {

enum class ViotKind { PciRange, Endpoint, PciUnit, MemoryUnit, Unknown };

/// "pci_range", "endpoint", "pci_unit", "memory_unit", "unknown".
std::string_view name_of(ViotKind kind);

/// One node. What its kind does not have is 0.
struct ViotNode {
  std::size_t offset = 0;  ///< in the table: what others refer to
  ViotKind kind = ViotKind::Unknown;
  unsigned type = 0;           ///< as in the table
  std::uint32_t endpoint = 0;  ///< PciRange: ID of its first device; Endpoint: its ID
  unsigned first_segment = 0;  ///< PciRange; PciUnit: the PCI domain
  unsigned last_segment = 0;   ///< PciRange
  unsigned first = 0;          ///< PciRange: device ID, the bus in the upper byte; PciUnit: its own
  unsigned last = 0;           ///< PciRange
  std::uint64_t base = 0;      ///< Endpoint, MemoryUnit: of its registers
  unsigned unit = 0;           ///< PciRange, Endpoint: where in the table the unit's node begins

  bool operator==(const ViotNode&) const = default;
};

struct Viot {
  std::optional<AcpiHeader> header;
  std::vector<ViotNode> nodes;  ///< in their order
  TableProblems problems;
};

/// Never fails: what is wrong is in `problems`.
Viot parse_viot(std::string_view bytes);

}  // namespace devbindd::sysfs
