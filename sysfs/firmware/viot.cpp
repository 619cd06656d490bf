// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/viot.hpp"

#include <algorithm>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t viot_header = 48;  // before the first node

ViotKind viot_kind_of(unsigned type) {
  constexpr ViotKind kinds[] = {ViotKind::Unknown, ViotKind::PciRange, ViotKind::Endpoint, ViotKind::PciUnit,
                                ViotKind::MemoryUnit};
  return type < std::size(kinds) ? kinds[type] : ViotKind::Unknown;
}

std::size_t viot_node_bytes(ViotKind kind) {
  switch (kind) {
    case ViotKind::PciRange:
    case ViotKind::Endpoint: return 24;
    case ViotKind::PciUnit:
    case ViotKind::MemoryUnit: return 16;
    case ViotKind::Unknown: break;
  }
  return 4;
}

ViotNode viot_node_in(const TablePart& part, TableProblems& problems) {
  ByteCursor cursor(part.bytes);
  ViotNode node;
  node.offset = part.offset;
  node.type = cursor.u8();
  node.kind = viot_kind_of(node.type);
  cursor.skip(3);
  switch (node.kind) {
    case ViotKind::PciRange:
      node.endpoint = cursor.u32();
      node.first_segment = cursor.u16();
      node.last_segment = cursor.u16();
      node.first = cursor.u16();
      node.last = cursor.u16();
      node.unit = cursor.u16();
      if (node.last < node.first || node.last_segment < node.first_segment)
        problems.push_back({part.offset, "The PCI range ends before it begins."});
      break;
    case ViotKind::Endpoint:
      node.endpoint = cursor.u32();
      node.base = cursor.u64();
      node.unit = cursor.u16();
      break;
    case ViotKind::PciUnit:
      node.first_segment = node.last_segment = cursor.u16();
      node.first = node.last = cursor.u16();
      break;
    case ViotKind::MemoryUnit:
      cursor.skip(4);
      node.base = cursor.u64();
      break;
    case ViotKind::Unknown:
      problems.push_back({part.offset, "The node is of the unknown type " + std::to_string(node.type) + "."});
  }
  return node;
}

void read_viot_nodes(std::string_view bytes, std::size_t count, std::size_t offset, Viot& viot) {
  for (std::size_t at = 0; at < count; ++at) {
    ByteCursor cursor(bytes, offset);
    const auto kind = viot_kind_of(cursor.u8());
    cursor.skip(1);
    const std::size_t length = cursor.u16();
    if (cursor.broken()) {
      viot.problems.push_back({offset, "The table tells " + std::to_string(count) + " nodes, and ends within number " +
                                           std::to_string(at + 1) + "."});
      return;
    }
    const auto part =
        part_of(bytes, offset, length, viot_node_bytes(kind), "The node " + std::string(name_of(kind)), viot.problems);
    if (!part) return;
    viot.nodes.push_back(viot_node_in(*part, viot.problems));
    offset += length;
  }
  if (offset < bytes.size()) {
    viot.problems.push_back(
        {offset, std::to_string(bytes.size() - offset) + " bytes follow the last node that the table tells."});
  }
}

bool is_viot_unit(const ViotNode& node) { return node.kind == ViotKind::PciUnit || node.kind == ViotKind::MemoryUnit; }

void check_units_of(Viot& viot) {
  for (const auto& node : viot.nodes) {
    if (node.kind != ViotKind::PciRange && node.kind != ViotKind::Endpoint) continue;
    const auto found = std::ranges::lower_bound(viot.nodes, std::size_t{node.unit}, {}, &ViotNode::offset);
    if (found != viot.nodes.end() && found->offset == node.unit && is_viot_unit(*found)) continue;
    viot.problems.push_back({node.offset, "The node belongs to " + hex_number(node.unit) + ", where no unit begins."});
  }
}

}  // namespace

std::string_view name_of(ViotKind kind) {
  switch (kind) {
    case ViotKind::PciRange: return "pci_range";
    case ViotKind::Endpoint: return "endpoint";
    case ViotKind::PciUnit: return "pci_unit";
    case ViotKind::MemoryUnit: return "memory_unit";
    case ViotKind::Unknown: break;
  }
  return "unknown";
}

Viot parse_viot(std::string_view bytes) {
  Viot viot;
  auto table = open_acpi_table(bytes, "VIOT", viot.problems);
  viot.header = std::move(table.header);
  if (!viot.header) return viot;
  if (table.bytes.size() < viot_header) {
    viot.problems.push_back({acpi_header_bytes, "The table ends before its first node."});
    return viot;
  }
  ByteCursor cursor(table.bytes, acpi_header_bytes);
  const std::size_t count = cursor.u16();
  const std::size_t offset = cursor.u16();
  if (offset < viot_header || offset > table.bytes.size()) {
    viot.problems.push_back(
        {38, "The first node would begin at " + hex_number(offset) + ", within the header or beyond the table."});
    return viot;
  }
  read_viot_nodes(table.bytes, count, offset, viot);
  check_units_of(viot);
  return viot;
}

}  // namespace devbindd::sysfs
