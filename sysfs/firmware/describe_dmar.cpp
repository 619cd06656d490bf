// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "sysfs/firmware/describe_tables.hpp"

namespace devbindd::sysfs {
namespace {

ScopeKind kind_of_scope(DmarScopeKind kind) {
  switch (kind) {
    case DmarScopeKind::Endpoint: return ScopeKind::Endpoint;
    case DmarScopeKind::Bridge: return ScopeKind::Bridge;
    case DmarScopeKind::IoApic: return ScopeKind::IoApic;
    case DmarScopeKind::Hpet: return ScopeKind::Hpet;
    case DmarScopeKind::NamespaceDevice: return ScopeKind::NamespaceDevice;
    case DmarScopeKind::Unknown: break;
  }
  return ScopeKind::Unknown;
}

std::string name_of_number(const Dmar& dmar, unsigned number) {
  const auto found = std::ranges::find_if(dmar.structures, [number](const DmarStructure& structure) {
    return structure.kind == DmarKind::Andd && structure.number == number;
  });
  return found == dmar.structures.end() ? "" : found->name;
}

// A device has five bits and a function three; what is more is a mistake of the table, and names no device.
bool is_possible(const PathHop& hop) { return hop.device < 32 && hop.function < 8; }

FirmwareScope described(const Dmar& dmar, const DmarScope& scope, unsigned segment, bool with_flags) {
  FirmwareScope found;
  found.kind = kind_of_scope(scope.kind);
  found.segment = segment;
  found.path = scope.path;
  if (!scope.path.empty() && is_possible(scope.path.front())) {
    found.first = PciAddress{.domain = segment,
                             .bus = static_cast<std::uint8_t>(scope.start_bus),
                             .slot = scope.path.front().device,
                             .function = scope.path.front().function};
  }
  const bool numbered =
      found.kind == ScopeKind::IoApic || found.kind == ScopeKind::Hpet || found.kind == ScopeKind::NamespaceDevice;
  if (numbered) found.id = scope.id;
  if (found.kind == ScopeKind::NamespaceDevice) found.name = name_of_number(dmar, scope.id);
  if (with_flags) found.setting = scope.flags;
  return found;
}

std::vector<FirmwareScope> described_scopes(const Dmar& dmar, const DmarStructure& structure) {
  std::vector<FirmwareScope> scopes;
  for (const auto& scope : structure.scopes)
    scopes.push_back(described(dmar, scope, structure.segment, structure.kind == DmarKind::Sidp));
  return scopes;
}

void add_memory(const Dmar& dmar, const DmarStructure& structure, FirmwareDescription& description) {
  FirmwareMemory memory;
  memory.table = "DMAR";
  memory.kind = "rmrr";
  memory.start = structure.base;
  memory.end = structure.end;
  memory.segment = structure.segment;
  memory.scopes = described_scopes(dmar, structure);
  description.memory.push_back(std::move(memory));
}

// Some firmware tells everything twice. Of a unit the kernel takes the first: dmar.c, dmar_parse_one_drhd().
bool is_told(const std::vector<FirmwareStructure>& structures, const FirmwareStructure& found) {
  return std::ranges::any_of(structures, [&found](const FirmwareStructure& other) {
    const bool same_unit = other.kind == "drhd" && found.kind == "drhd" && other.base == found.base;
    return other == found || (same_unit && other.segment == found.segment);
  });
}

void add_structure(const Dmar& dmar, const DmarStructure& structure, FirmwareDescription& description) {
  FirmwareStructure found;
  found.table = "DMAR";
  found.kind = name_of(structure.kind);
  found.is_unit = structure.kind == DmarKind::Drhd;
  found.name = structure.name;
  found.scopes = described_scopes(dmar, structure);
  if (structure.kind == DmarKind::Andd) found.id = structure.number;
  if (structure.kind == DmarKind::Drhd || structure.kind == DmarKind::Rhsa) found.base = structure.base;
  if (structure.kind == DmarKind::Rhsa) found.proximity_domain = structure.proximity_domain;
  if (structure.kind != DmarKind::Andd && structure.kind != DmarKind::Rhsa && structure.kind != DmarKind::Unknown) {
    found.segment = structure.segment;
    found.flags = structure.flags;
  }
  found.takes_rest =
      (structure.kind == DmarKind::Drhd || structure.kind == DmarKind::Atsr) && (structure.flags & 1U) != 0;
  if (!is_told(description.structures, found)) description.structures.push_back(std::move(found));
}

// The node of a unit is told apart from it. One that fits no unit stays as it is.
void join_affinities(std::vector<FirmwareStructure>& structures) {
  for (const auto& affinity : structures) {
    if (affinity.kind != "rhsa") continue;
    for (auto& unit : structures) {
      if (unit.kind == "drhd" && unit.base == affinity.base) unit.proximity_domain = affinity.proximity_domain;
    }
  }
  const std::vector<FirmwareStructure> all = structures;
  std::erase_if(structures, [&all](const FirmwareStructure& structure) {
    return structure.kind == "rhsa" && std::ranges::any_of(all, [&structure](const FirmwareStructure& unit) {
             return unit.kind == "drhd" && unit.base == structure.base;
           });
  });
}

}  // namespace

void add_dmar(const Dmar& dmar, FirmwareDescription& description) {
  for (const auto& structure : dmar.structures) {
    if (structure.kind == DmarKind::Rmrr) {
      add_memory(dmar, structure, description);
    } else {
      add_structure(dmar, structure, description);
    }
  }
  join_affinities(description.structures);
}

}  // namespace devbindd::sysfs
