// SPDX-License-Identifier: Apache-2.0
// VIOT and device trees.
#include <algorithm>
#include <set>

#include "sysfs/firmware/describe_tables.hpp"

namespace devbindd::sysfs {
namespace {

FirmwareScope described(const ViotNode& node) {
  FirmwareScope scope;
  scope.stream = node.endpoint;
  if (node.kind == ViotKind::Endpoint) {
    scope.kind = ScopeKind::MemoryDevice;
    scope.base = node.base;
    return scope;
  }
  scope.kind = ScopeKind::Range;
  if (node.first_segment == node.last_segment) scope.segment = node.first_segment;
  scope.first = address_of_id(node.first_segment, node.first);
  scope.last = address_of_id(node.last_segment, node.last);
  return scope;
}

FirmwareStructure described(const Viot& viot, const ViotNode& unit) {
  FirmwareStructure found;
  found.table = "VIOT";
  found.kind = unit.kind == ViotKind::Unknown ? "unknown" : "virtio";
  found.is_unit = unit.kind != ViotKind::Unknown;
  if (unit.kind == ViotKind::MemoryUnit) found.base = unit.base;
  if (unit.kind == ViotKind::PciUnit) {
    found.segment = unit.first_segment;
    found.address = address_of_id(unit.first_segment, unit.first);
  }
  for (const auto& node : viot.nodes) {
    const bool behind = node.kind == ViotKind::PciRange || node.kind == ViotKind::Endpoint;
    if (found.is_unit && behind && node.unit == unit.offset) found.scopes.push_back(described(node));
  }
  return found;
}

// The kernel gives the only host bridge domain 0 where the tree does not tell; of several it cannot be known.
std::optional<unsigned> domain_of(const DeviceTree& tree, const DeviceTreeMap& map) {
  if (map.domain) return *map.domain;
  std::set<std::string> bridges;
  for (const auto& other : tree.maps) bridges.insert(other.path);
  return bridges.size() == 1 ? std::optional(0U) : std::nullopt;
}

// A mask makes several requesters one: which they are is told by the map's name only.
FirmwareScope described(const DeviceTree& tree, const DeviceTreeMap& map) {
  FirmwareScope scope;
  scope.kind = ScopeKind::Range;
  scope.name = map.path;
  scope.stream = map.output;
  scope.segment = domain_of(tree, map);
  const auto last = std::uint64_t{map.first} + (map.length == 0 ? 0 : map.length - 1);
  if (scope.segment && map.length > 0 && map.first <= 0xffff && (map.mask & 0xffffU) == 0xffffU) {
    scope.first = address_of_id(*scope.segment, map.first);
    scope.last = address_of_id(*scope.segment, static_cast<unsigned>(std::min<std::uint64_t>(last, 0xffff)));
  }
  return scope;
}

FirmwareScope described(const DeviceTreeUser& user) {
  FirmwareScope scope;
  scope.kind = ScopeKind::Node;
  scope.name = user.path;
  if (!user.ids.empty()) scope.stream = user.ids.front();
  return scope;
}

}  // namespace

void add_viot(const Viot& viot, FirmwareDescription& description) {
  for (const auto& node : viot.nodes) {
    if (node.kind != ViotKind::PciRange && node.kind != ViotKind::Endpoint)
      description.structures.push_back(described(viot, node));
  }
}

void add_device_tree(const DeviceTree& tree, FirmwareDescription& description) {
  for (const auto& unit : tree.units) {
    FirmwareStructure found;
    found.table = "device-tree";
    found.kind = "iommu";
    found.is_unit = true;
    found.base = unit.base;
    found.name = unit.path;
    for (const auto& map : tree.maps) {
      if (unit.phandle != 0 && map.phandle == unit.phandle) found.scopes.push_back(described(tree, map));
    }
    for (const auto& user : tree.users) {
      if (unit.phandle != 0 && user.phandle == unit.phandle) found.scopes.push_back(described(user));
    }
    description.structures.push_back(std::move(found));
  }
}

}  // namespace devbindd::sysfs
