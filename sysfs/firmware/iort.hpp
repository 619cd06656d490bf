// SPDX-License-Identifier: Apache-2.0
// The table IORT of Arm's platforms: the SMMUs, what is behind each under which stream ID, and memory that devices must
// go on reaching. Source: IO Remapping Table, Arm DEN 0049E.f; drivers/acpi/arm64/iort.c, include/acpi/actbl2.h.
#pragma once

#include "sysfs/firmware/acpi_table.hpp"

namespace devbindd::sysfs {

enum class IortKind { ItsGroup, NamedComponent, RootComplex, Smmu, SmmuV3, Pmcg, ReservedMemory, Unknown };

/// "its_group", "named_component", "root_complex", "smmu", "smmu_v3", "pmcg", "rmr", "unknown".
std::string_view name_of(IortKind kind);

/// Which IDs that come in go out as which others, to which node.
struct IortMapping {
  std::uint32_t input = 0;   ///< the first one
  std::uint32_t count = 0;   ///< how many more than one
  std::uint32_t output = 0;  ///< the first one
  std::uint32_t target = 0;  ///< where in the table the node begins that they go to
  bool single = false;       ///< the node's own ID, without an input

  bool operator==(const IortMapping&) const = default;
};

struct IortMemory {
  std::uint64_t base = 0;
  std::uint64_t length = 0;

  bool operator==(const IortMemory&) const = default;
};

/// One node. What its kind does not have is 0 or empty.
struct IortNode {
  std::size_t offset = 0;  ///< in the table: what others refer to
  IortKind kind = IortKind::Unknown;
  unsigned type = 0;  ///< as in the table
  unsigned revision = 0;
  std::uint64_t base = 0;              ///< SMMU, PMCG: of the registers
  std::uint64_t span = 0;              ///< SMMU of version 1 or 2: of the registers
  std::uint32_t model = 0;             ///< SMMU: which implementation
  std::uint32_t flags = 0;             ///< SMMU, named component, RMR
  std::uint32_t proximity_domain = 0;  ///< SMMU v3, where bit 3 of its flags is set
  std::uint32_t ats = 0;               ///< root complex: bit 0 ATS, bit 1 PRI, bit 2 PASID
  std::uint32_t segment = 0;           ///< root complex: the PCI domain
  std::uint32_t reference = 0;         ///< PMCG: the node that it counts for
  unsigned address_bits = 0;           ///< root complex, named component: of memory that it reaches; 0: not told
  std::string name;                    ///< named component: of the object, "\_SB.GPU0"
  std::vector<std::uint32_t> its;      ///< of an ITS group
  std::vector<IortMemory> memory;      ///< of an RMR
  std::vector<IortMapping> mappings;

  bool operator==(const IortNode&) const = default;
};

struct Iort {
  std::optional<AcpiHeader> header;
  std::vector<IortNode> nodes;  ///< in their order
  TableProblems problems;

  /// nullptr when no node begins there.
  const IortNode* node_at(std::size_t offset) const;
};

/// Never fails: what is wrong is in `problems`.
Iort parse_iort(std::string_view bytes);

/// The "generic", "mmu500", ... of an SMMU; "" for a model that is not known.
std::string_view model_name(const IortNode& smmu);

}  // namespace devbindd::sysfs
