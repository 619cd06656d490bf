// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/iort.hpp"

#include <algorithm>

namespace devbindd::sysfs {
namespace {

constexpr std::size_t table_bytes = 48;  // before the first node
constexpr std::size_t node_header = 16;
constexpr std::size_t mapping_bytes = 20;
constexpr std::size_t memory_range_bytes = 20;
constexpr std::uint32_t proximity_valid = 1U << 3U;

IortKind iort_kind_of(unsigned type) {
  constexpr IortKind kinds[] = {IortKind::ItsGroup, IortKind::NamedComponent, IortKind::RootComplex,   IortKind::Smmu,
                                IortKind::SmmuV3,   IortKind::Pmcg,           IortKind::ReservedMemory};
  return type < std::size(kinds) ? kinds[type] : IortKind::Unknown;
}

// Of the node's own fields in its first revision.
std::size_t field_bytes(IortKind kind) {
  switch (kind) {
    case IortKind::ItsGroup: return 4;
    case IortKind::NamedComponent: return 13;
    case IortKind::RootComplex: return 16;
    case IortKind::Smmu: return 44;
    case IortKind::SmmuV3: return 44;
    case IortKind::Pmcg: return 16;
    case IortKind::ReservedMemory: return 12;
    case IortKind::Unknown: break;
  }
  return 0;
}

void read_its_group(const TablePart& part, ByteCursor& cursor, IortNode& node, TableProblems& problems) {
  const std::size_t count = cursor.u32();
  if (count > cursor.left() / 4) {
    problems.push_back({part.offset, "The ITS group tells " + std::to_string(count) + " units, and has room for " +
                                         std::to_string(cursor.left() / 4) + "."});
    return;
  }
  for (std::size_t at = 0; at < count; ++at) node.its.push_back(cursor.u32());
}

void read_named_component(const TablePart& part, ByteCursor& cursor, IortNode& node, TableProblems& problems) {
  node.flags = cursor.u32();
  cursor.skip(8);
  node.address_bits = cursor.u8();
  const auto rest = cursor.take(cursor.left());
  if (rest.find('\0') == std::string_view::npos)
    problems.push_back({part.offset, "The name of the named component has no end."});
  node.name = printable(rest);
}

// The limit of addresses came with revision 1.
void read_root_complex(ByteCursor& cursor, IortNode& node) {
  cursor.skip(8);
  node.ats = cursor.u32();
  node.segment = cursor.u32();
  if (node.revision >= 1) node.address_bits = cursor.u8();
}

void read_smmu(ByteCursor& cursor, IortNode& node) {
  node.base = cursor.u64();
  node.span = cursor.u64();
  node.model = cursor.u32();
  node.flags = cursor.u32();
}

void read_smmu_v3(ByteCursor& cursor, IortNode& node) {
  node.base = cursor.u64();
  node.flags = cursor.u32();
  cursor.skip(4 + 8);
  node.model = cursor.u32();
  cursor.skip(std::size_t{4} * 4);  // interrupts
  if ((node.flags & proximity_valid) != 0 && cursor.left() >= 4) node.proximity_domain = cursor.u32();
}

void read_pmcg(ByteCursor& cursor, IortNode& node) {
  node.base = cursor.u64();
  cursor.skip(4);
  node.reference = cursor.u32();
}

void read_memory(const TablePart& part, ByteCursor& cursor, IortNode& node, TableProblems& problems) {
  node.flags = cursor.u32();
  const std::size_t count = cursor.u32();
  const std::size_t begin = cursor.u32();
  if (begin > part.bytes.size() || count > (part.bytes.size() - begin) / memory_range_bytes) {
    problems.push_back({part.offset, "The memory ranges of the RMR reach beyond it."});
    return;
  }
  ByteCursor ranges(part.bytes, begin);
  for (std::size_t at = 0; at < count; ++at) {
    const auto base = ranges.u64();
    const auto length = ranges.u64();
    ranges.skip(4);
    if (length == 0 || base + (length - 1) < base)
      problems.push_back({part.offset, "A memory range of the RMR is empty or reaches beyond all addresses."});
    node.memory.push_back({base, length});
  }
}

void read_node_fields(const TablePart& part, IortNode& node, TableProblems& problems) {
  ByteCursor cursor(part.bytes, node_header);
  switch (node.kind) {
    case IortKind::ItsGroup: return read_its_group(part, cursor, node, problems);
    case IortKind::NamedComponent: return read_named_component(part, cursor, node, problems);
    case IortKind::RootComplex: return read_root_complex(cursor, node);
    case IortKind::Smmu: return read_smmu(cursor, node);
    case IortKind::SmmuV3: return read_smmu_v3(cursor, node);
    case IortKind::Pmcg: return read_pmcg(cursor, node);
    case IortKind::ReservedMemory: return read_memory(part, cursor, node, problems);
    case IortKind::Unknown:
      problems.push_back({part.offset, "The node is of the unknown type " + std::to_string(node.type) + "."});
  }
}

void read_mappings(const TablePart& part, std::size_t count, std::size_t begin, IortNode& node,
                   TableProblems& problems) {
  if (count == 0) return;
  if (begin > part.bytes.size() || count > (part.bytes.size() - begin) / mapping_bytes) {
    problems.push_back({part.offset, "The ID mappings of the node reach beyond it."});
    return;
  }
  ByteCursor cursor(part.bytes, begin);
  for (std::size_t at = 0; at < count; ++at) {
    IortMapping mapping;
    mapping.input = cursor.u32();
    mapping.count = cursor.u32();
    mapping.output = cursor.u32();
    mapping.target = cursor.u32();
    mapping.single = (cursor.u32() & 1U) != 0;
    node.mappings.push_back(mapping);
  }
}

IortNode node_in(const TablePart& part, TableProblems& problems) {
  ByteCursor cursor(part.bytes);
  IortNode node;
  node.offset = part.offset;
  node.type = cursor.u8();
  node.kind = iort_kind_of(node.type);
  cursor.skip(2);
  node.revision = cursor.u8();
  cursor.skip(4);
  const std::size_t mappings = cursor.u32();
  const std::size_t begin = cursor.u32();
  read_node_fields(part, node, problems);
  read_mappings(part, mappings, begin, node, problems);
  return node;
}

// The length of a node is at an odd place: behind one byte of type.
void read_nodes(std::string_view bytes, std::size_t count, std::size_t offset, Iort& iort) {
  for (std::size_t at = 0; at < count; ++at) {
    ByteCursor cursor(bytes, offset);
    const auto kind = iort_kind_of(cursor.u8());
    const std::size_t length = cursor.u16();
    if (cursor.broken()) {
      iort.problems.push_back({offset, "The table tells " + std::to_string(count) + " nodes, and ends within number " +
                                           std::to_string(at + 1) + "."});
      return;
    }
    const auto part = part_of(bytes, offset, length, node_header + field_bytes(kind),
                              "The node " + std::string(name_of(kind)), iort.problems);
    if (!part) return;
    iort.nodes.push_back(node_in(*part, iort.problems));
    offset += length;
  }
  if (offset < bytes.size()) {
    iort.problems.push_back(
        {offset, std::to_string(bytes.size() - offset) + " bytes follow the last node that the table tells."});
  }
}

void check_references(Iort& iort) {
  for (const auto& node : iort.nodes) {
    for (const auto& mapping : node.mappings) {
      if (iort.node_at(mapping.target) != nullptr) continue;
      iort.problems.push_back(
          {node.offset, "An ID mapping leads to " + hex_number(mapping.target) + ", where no node begins."});
    }
  }
}

}  // namespace

std::string_view name_of(IortKind kind) {
  switch (kind) {
    case IortKind::ItsGroup: return "its_group";
    case IortKind::NamedComponent: return "named_component";
    case IortKind::RootComplex: return "root_complex";
    case IortKind::Smmu: return "smmu";
    case IortKind::SmmuV3: return "smmu_v3";
    case IortKind::Pmcg: return "pmcg";
    case IortKind::ReservedMemory: return "rmr";
    case IortKind::Unknown: break;
  }
  return "unknown";
}

std::string_view model_name(const IortNode& smmu) {
  constexpr std::string_view old_models[] = {"v1", "v2", "mmu400", "mmu500", "mmu401", "thunderx"};
  constexpr std::string_view new_models[] = {"generic", "hi161x", "cn99xx"};
  if (smmu.kind == IortKind::Smmu && smmu.model < std::size(old_models)) return old_models[smmu.model];
  if (smmu.kind == IortKind::SmmuV3 && smmu.model < std::size(new_models)) return new_models[smmu.model];
  return "";
}

const IortNode* Iort::node_at(std::size_t offset) const {
  const auto found = std::ranges::lower_bound(nodes, offset, {}, &IortNode::offset);
  return found != nodes.end() && found->offset == offset ? &*found : nullptr;
}

Iort parse_iort(std::string_view bytes) {
  Iort iort;
  auto table = open_acpi_table(bytes, "IORT", iort.problems);
  iort.header = std::move(table.header);
  if (!iort.header) return iort;
  if (table.bytes.size() < table_bytes) {
    iort.problems.push_back({acpi_header_bytes, "The table ends before its first node."});
    return iort;
  }
  ByteCursor cursor(table.bytes, acpi_header_bytes);
  const std::size_t count = cursor.u32();
  const std::size_t offset = cursor.u32();
  if (offset < table_bytes || offset > table.bytes.size()) {
    iort.problems.push_back(
        {40, "The first node would begin at " + hex_number(offset) + ", within the header or beyond the table."});
    return iort;
  }
  read_nodes(table.bytes, count, offset, iort);
  check_references(iort);
  return iort;
}

}  // namespace devbindd::sysfs
