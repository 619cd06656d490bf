// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "sysfs/firmware/describe_tables.hpp"

namespace devbindd::sysfs {
namespace {

ScopeKind kind_of_entry(const IvhdEntry& entry) {
  switch (entry.kind) {
    case IvhdEntryKind::All: return ScopeKind::All;
    case IvhdEntryKind::Select:
    case IvhdEntryKind::Alias:
    case IvhdEntryKind::ExtendedSelect: return ScopeKind::Endpoint;
    case IvhdEntryKind::Range:
    case IvhdEntryKind::AliasRange:
    case IvhdEntryKind::ExtendedRange: return ScopeKind::Range;
    case IvhdEntryKind::IoApic: return ScopeKind::IoApic;
    case IvhdEntryKind::Hpet: return ScopeKind::Hpet;
    case IvhdEntryKind::AcpiDevice: return ScopeKind::NamespaceDevice;
    case IvhdEntryKind::Pad:
    case IvhdEntryKind::Special:
    case IvhdEntryKind::Unknown: break;
  }
  return ScopeKind::Unknown;
}

FirmwareScope described(const IvhdEntry& entry, unsigned segment) {
  FirmwareScope scope;
  scope.kind = kind_of_entry(entry);
  scope.segment = segment;
  scope.setting = entry.setting;
  scope.id = entry.handle;
  scope.extended = entry.extended;
  if (scope.kind != ScopeKind::All && scope.kind != ScopeKind::Unknown) {
    scope.first = address_of_id(segment, entry.first);
    scope.last = address_of_id(segment, entry.last);
  }
  if (entry.alias) scope.requester = address_of_id(segment, *entry.alias);
  if (entry.kind == IvhdEntryKind::AcpiDevice)
    scope.name = entry.hardware_id + (entry.unique_id.empty() ? "" : ":" + entry.unique_id);
  return scope;
}

FirmwareStructure described(const Ivhd& unit) {
  FirmwareStructure found;
  found.table = "IVRS";
  found.kind = "ivhd";
  found.is_unit = true;
  found.base = unit.base;
  found.segment = unit.segment;
  found.address = address_of_id(unit.segment, unit.device);
  found.flags = unit.flags;
  found.types = {unit.type};
  found.efr = unit.efr;
  for (const auto& entry : unit.entries) found.scopes.push_back(described(entry, unit.segment));
  return found;
}

// The firmware tells an IOMMU in several types; the highest says the most. Source: amd/init.c,
// get_highest_supported_ivhd_type().
void add_unit(const Ivhd& unit, std::vector<FirmwareStructure>& units) {
  auto found = described(unit);
  const auto same = std::ranges::find_if(units, [&found](const FirmwareStructure& other) {
    return other.kind == "ivhd" && other.address == found.address;
  });
  if (same == units.end()) {
    units.push_back(std::move(found));
    return;
  }
  auto types = same->types;
  types.push_back(unit.type);
  std::ranges::sort(types);
  if (types.back() == unit.type) *same = std::move(found);
  same->types = std::move(types);
}

FirmwareMemory described(const Ivmd& memory) {
  FirmwareMemory found;
  found.table = "IVRS";
  found.kind = "ivmd";
  found.start = memory.start;
  found.end = memory.start + (memory.length == 0 ? 0 : memory.length - 1);
  found.segment = memory.segment;
  found.flags = memory.flags;
  found.excluded = memory.excluded();
  FirmwareScope scope;
  scope.kind = memory.of_all() ? ScopeKind::All : memory.type == 0x21 ? ScopeKind::Endpoint : ScopeKind::Range;
  scope.segment = memory.segment;
  if (!memory.of_all()) {
    scope.first = address_of_id(memory.segment, memory.first);
    scope.last = address_of_id(memory.segment, memory.last);
  }
  found.scopes.push_back(std::move(scope));
  return found;
}

}  // namespace

void add_ivrs(const Ivrs& ivrs, FirmwareDescription& description) {
  for (const auto& unit : ivrs.units) add_unit(unit, description.structures);
  for (const auto& memory : ivrs.memory) description.memory.push_back(described(memory));
}

}  // namespace devbindd::sysfs
