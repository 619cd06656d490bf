// SPDX-License-Identifier: Apache-2.0
// What DMAR, IVRS, IORT, VIOT and device trees have in common: units and what is behind each, memory that devices must
// go on reaching, and the rest, in the same words for all of them.
// Not here: the bytes (dmar.hpp and the others), and which unit of the kernel's is which
// (sysfs/iommu/unit_firmware.hpp).
#pragma once

#include "sysfs/firmware/device_place.hpp"
#include "sysfs/firmware/firmware_tables.hpp"

namespace devbindd::sysfs {

enum class ScopeKind {
  All,       ///< every device of the segment
  Endpoint,  ///< one PCI function
  Bridge,    ///< a bridge and all below it
  Range,     ///< PCI functions from `first` to `last`
  IoApic,
  Hpet,
  NamespaceDevice,  ///< of ACPI
  Node,             ///< of a device tree
  MemoryDevice,     ///< with its registers at `base`
  Unknown
};

/// "all", "endpoint", "bridge", "range", "ioapic", "hpet", "namespace_device", "node", "memory_device", "unknown".
std::string_view name_of(ScopeKind kind);

/// What one entry of a structure names.
struct FirmwareScope {
  ScopeKind kind = ScopeKind::Unknown;
  std::optional<unsigned> id;             ///< of the I/O APIC or HPET; number of a namespace device
  std::optional<unsigned> segment;        ///< the PCI domain; nullopt: not told
  std::optional<PciAddress> first;        ///< where its path begins, or the first one of a range
  std::optional<PciAddress> last;         ///< the last one of a range
  std::vector<PathHop> path;              ///< from the bus of `first` on; empty in what has no path
  std::optional<PciAddress> requester;    ///< as which its requests come, where that is another one
  std::optional<std::uint32_t> stream;    ///< the ID that the first one has at the unit
  std::optional<unsigned> setting;        ///< flags of the entry, as in the table
  std::optional<std::uint32_t> extended;  ///< IVRS: extended data of the entry; bit 31: no ATS
  std::optional<std::uint64_t> base;      ///< of a device in memory
  std::string name;                       ///< "\_SB.PCI0.I2C0", "AMDI0020:ID00", "/soc/gpu@5000000"; "" for none

  bool operator==(const FirmwareScope&) const = default;
};

/// One structure of a table.
struct FirmwareStructure {
  std::string table;  ///< "DMAR", "IVRS", "IORT", "VIOT", "device-tree"
  std::string
      kind;  ///< "drhd", "ivhd", "smmu", "smmu_v3", "virtio", "iommu"; of others "atsr", "andd", "its_group", ...
  bool is_unit = false;
  std::optional<std::uint64_t> base;   ///< of its registers
  std::optional<unsigned> segment;     ///< the PCI domain
  std::optional<PciAddress> address;   ///< of a unit that is a PCI function
  std::optional<std::uint32_t> flags;  ///< as in the table
  bool takes_rest = false;             ///< also every device of the segment that no other unit has (DRHD, ATSR)
  std::optional<std::uint32_t> proximity_domain;
  std::vector<unsigned> types;       ///< of an IVHD: all the types in which the firmware tells it
  std::optional<std::uint64_t> efr;  ///< of an IVHD: the image of the register
  std::optional<unsigned> id;        ///< ANDD: its number
  std::string name;                  ///< of the object or node; an SMMU's model; "" for none
  std::vector<FirmwareScope> scopes;

  bool operator==(const FirmwareStructure&) const = default;
};

/// Memory that the firmware wants devices to go on reaching, or never to reach through the IOMMU.
struct FirmwareMemory {
  std::string table;
  std::string kind;  ///< "rmrr", "ivmd", "rmr"
  std::uint64_t start = 0;
  std::uint64_t end = 0;  ///< inclusive
  std::optional<unsigned> segment;
  std::uint32_t flags = 0;  ///< as in the table; 0 in an RMRR
  bool excluded = false;    ///< an exclusion range: devices reach it without translation
  bool movable = false;     ///< an RMR whose streams may be mapped elsewhere
  std::vector<FirmwareScope> scopes;

  bool operator==(const FirmwareMemory&) const = default;
};

struct FirmwareDescription {
  std::vector<FirmwareStructure> structures;  ///< in the order of the tables; RHSA is in its unit
  std::vector<FirmwareMemory> memory;
};

FirmwareDescription describe(const FirmwareTables& tables);

/// Whether the entry means the function, or something above it that it shares its fate with (a bridge).
bool covers(const FirmwareScope& scope, const DevicePlace& place);
bool covers(const std::vector<FirmwareScope>& scopes, const DevicePlace& place);

/// The functions that the entry means, of those that exist; of a bridge also what is below it.
std::vector<PciAddress> devices_of(const FirmwareScope& scope, const std::vector<DevicePlace>& places);
/// The same of all entries, ascending, each once.
std::vector<PciAddress> devices_of(const std::vector<FirmwareScope>& scopes, const std::vector<DevicePlace>& places);

/// "0000:00:1c.0/00.0": where the path of the entry begins, and its further steps; "" where it has none.
std::string path_text(const FirmwareScope& scope);

}  // namespace devbindd::sysfs
