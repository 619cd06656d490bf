// SPDX-License-Identifier: Apache-2.0
// The table DMAR of Intel's platforms: which remapping units there are, which devices are behind each, and which memory
// devices must go on reaching. Source: Intel VT-d specification 5.0, chapter 8; drivers/iommu/intel/dmar.c.
// Not here: what the units' registers say (sysfs/iommu/iommu_unit.hpp).
#pragma once

#include "sysfs/firmware/acpi_table.hpp"

namespace devbindd::sysfs {

/// One step of a path: the device and function on the bus that the step before leads to.
struct PathHop {
  std::uint8_t device = 0;
  std::uint8_t function = 0;

  bool operator==(const PathHop&) const = default;
};

enum class DmarScopeKind { Endpoint, Bridge, IoApic, Hpet, NamespaceDevice, Unknown };

/// A device scope (8.3.1): one device, or a bridge with all that is below it.
struct DmarScope {
  DmarScopeKind kind = DmarScopeKind::Unknown;
  unsigned type = 0;       ///< as in the table
  unsigned flags = 0;      ///< in a SIDP: what the device may not be used with
  unsigned id = 0;         ///< of the I/O APIC or HPET, or the number of the namespace device
  unsigned start_bus = 0;  ///< on which the path begins
  std::vector<PathHop> path;

  bool operator==(const DmarScope&) const = default;
};

enum class DmarKind { Drhd, Rmrr, Atsr, Rhsa, Andd, Satc, Sidp, Unknown };

/// "drhd", "rmrr", "atsr", "rhsa", "andd", "satc", "sidp", "unknown".
std::string_view name_of(DmarKind kind);

/// One structure of the table (8.3 to 8.9). What its kind does not have is 0 or empty.
struct DmarStructure {
  DmarKind kind = DmarKind::Unknown;
  unsigned type = 0;                   ///< as in the table
  unsigned flags = 0;                  ///< DRHD: bit 0 all devices that no other unit has; ATSR: bit 0 all ports
  unsigned segment = 0;                ///< the PCI domain
  std::uint64_t base = 0;              ///< DRHD, RHSA: of the registers; RMRR: of the memory
  std::uint64_t end = 0;               ///< RMRR: of the memory, inclusive
  std::uint32_t proximity_domain = 0;  ///< RHSA
  unsigned number = 0;                 ///< ANDD: which scopes refer to it
  std::string name;                    ///< ANDD: of the object, "\_SB.PCI0.I2C0"
  std::vector<DmarScope> scopes;

  bool operator==(const DmarStructure&) const = default;
};

struct Dmar {
  std::optional<AcpiHeader> header;
  unsigned host_address_width = 0;  ///< bits of an address in DMA; 0: not told
  unsigned flags = 0;
  std::vector<DmarStructure> structures;  ///< in their order
  TableProblems problems;

  bool interrupt_remapping() const { return (flags & 1U) != 0; }
  bool x2apic_opt_out() const { return (flags & 2U) != 0; }
  bool dma_control_opt_in() const { return (flags & 4U) != 0; }  ///< asks for protection from DMA before the boot
};

/// Never fails: what is wrong is in `problems`.
Dmar parse_dmar(std::string_view bytes);

}  // namespace devbindd::sysfs
