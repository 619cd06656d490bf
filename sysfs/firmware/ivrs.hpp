// SPDX-License-Identifier: Apache-2.0
// The table IVRS of AMD's platforms: the IOMMUs, which device IDs are behind each, and which memory devices must go on
// reaching. Source: AMD I/O Virtualization Technology specification 3.x, 5.2; drivers/iommu/amd/init.c.
// Not here: what the registers say (sysfs/iommu/iommu_unit.hpp).
#pragma once

#include "sysfs/firmware/acpi_table.hpp"

namespace devbindd::sysfs {

enum class IvhdEntryKind {
  Pad,
  All,
  Select,
  Range,
  Alias,
  AliasRange,
  ExtendedSelect,
  ExtendedRange,
  IoApic,
  Hpet,
  Special,
  AcpiDevice,
  Unknown
};

/// A device entry of an IVHD (5.2.2.1 and following). A device ID is the bus in the upper byte, device and function in
/// the lower one.
struct IvhdEntry {
  IvhdEntryKind kind = IvhdEntryKind::Unknown;
  unsigned type = 0;     ///< as in the table
  unsigned first = 0;    ///< the device ID; the first one of a range
  unsigned last = 0;     ///< the last one of a range; otherwise as `first`
  unsigned setting = 0;  ///< which interrupts pass without being remapped: bit 0 INIT, 1 ExtInt, 2 NMI, 6 and 7 LINT
  std::optional<unsigned> alias;          ///< which ID its requests have
  std::optional<std::uint32_t> extended;  ///< bit 31: no ATS
  std::optional<unsigned> handle;         ///< of the I/O APIC or HPET
  std::string hardware_id = {};           ///< of an ACPI device: "AMDI0020"
  std::string unique_id = {};             ///< "\_SB.FUR3", "ID00" or a number; "" for none

  bool operator==(const IvhdEntry&) const = default;
};

/// An IOMMU. The firmware tells each up to three times, of type 10h, 11h and 40h: a kernel takes the highest that it
/// knows.
struct Ivhd {
  unsigned type = 0;
  unsigned flags = 0;
  unsigned device = 0;                     ///< its own device ID
  unsigned capability_offset = 0;          ///< in its configuration space
  std::uint64_t base = 0;                  ///< of its registers
  unsigned segment = 0;                    ///< the PCI domain
  unsigned info = 0;                       ///< bits 0 to 4: number of the MSI; 8 to 12: unit ID
  std::uint32_t features = 0;              ///< type 10h: feature reporting; otherwise attributes
  std::optional<std::uint64_t> efr = {};   ///< the image of the register; nullopt in type 10h
  std::optional<std::uint64_t> efr2 = {};  ///< the same of the second one
  std::vector<IvhdEntry> entries = {};

  bool operator==(const Ivhd&) const = default;
};

/// Memory that devices must go on reaching at the same address, or that they may not reach through the IOMMU at all.
struct Ivmd {
  unsigned type = 0;   ///< 20h: of all devices; 21h: of one; 22h: of a range
  unsigned flags = 0;  ///< bit 0: mapped to itself; 1 read; 2 write; 3: an exclusion range
  unsigned first = 0;  ///< device ID
  unsigned last = 0;
  unsigned segment = 0;
  std::uint64_t start = 0;
  std::uint64_t length = 0;

  bool operator==(const Ivmd&) const = default;
  bool of_all() const { return type == 0x20; }
  bool excluded() const { return (flags & 8U) != 0; }
};

struct Ivrs {
  std::optional<AcpiHeader> header;
  std::uint32_t info = 0;
  std::vector<Ivhd> units;   ///< in their order, all types
  std::vector<Ivmd> memory;  ///< in their order
  TableProblems problems;

  bool extended_features() const { return (info & 1U) != 0; }      ///< EFRSup
  bool dma_protection() const { return (info & 2U) != 0; }         ///< asks for protection from DMA before the boot
  bool ats_reserved() const { return (info & (1U << 22U)) != 0; }  ///< HtAtsResv
  unsigned physical_width() const { return (info >> 8U) & 0x7fU; }
  unsigned virtual_width() const { return (info >> 15U) & 0x7fU; }
};

/// Never fails: what is wrong is in `problems`.
Ivrs parse_ivrs(std::string_view bytes);

}  // namespace devbindd::sysfs
