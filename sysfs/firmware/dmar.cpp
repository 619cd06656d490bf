// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/dmar.hpp"

namespace devbindd::sysfs {
namespace {

constexpr std::size_t first_structure = 48;
constexpr std::size_t scope_bytes = 6;  // without its path

DmarKind dmar_kind_of(unsigned type) {
  constexpr DmarKind kinds[] = {DmarKind::Drhd, DmarKind::Rmrr, DmarKind::Atsr, DmarKind::Rhsa,
                                DmarKind::Andd, DmarKind::Satc, DmarKind::Sidp};
  return type < std::size(kinds) ? kinds[type] : DmarKind::Unknown;
}

DmarScopeKind scope_kind_of(unsigned type) {
  constexpr DmarScopeKind kinds[] = {DmarScopeKind::Unknown, DmarScopeKind::Endpoint, DmarScopeKind::Bridge,
                                     DmarScopeKind::IoApic,  DmarScopeKind::Hpet,     DmarScopeKind::NamespaceDevice};
  return type < std::size(kinds) ? kinds[type] : DmarScopeKind::Unknown;
}

// Bytes before the scopes, or of the whole structure where it has none.
std::size_t fixed_bytes(DmarKind kind) {
  switch (kind) {
    case DmarKind::Drhd: return 16;
    case DmarKind::Rmrr: return 24;
    case DmarKind::Rhsa: return 20;
    case DmarKind::Atsr:
    case DmarKind::Andd:
    case DmarKind::Satc:
    case DmarKind::Sidp: return 8;
    case DmarKind::Unknown: break;
  }
  return 4;
}

bool has_scopes(DmarKind kind) {
  return kind == DmarKind::Drhd || kind == DmarKind::Rmrr || kind == DmarKind::Atsr || kind == DmarKind::Satc ||
         kind == DmarKind::Sidp;
}

DmarScope scope_in(const TablePart& part, TableProblems& problems) {
  ByteCursor cursor(part.bytes);
  DmarScope scope;
  scope.type = cursor.u8();
  scope.kind = scope_kind_of(scope.type);
  cursor.skip(1);
  scope.flags = cursor.u8();
  cursor.skip(1);
  scope.id = cursor.u8();
  scope.start_bus = cursor.u8();
  while (cursor.left() >= 2) {
    const auto device = cursor.u8();
    scope.path.push_back({device, cursor.u8()});
  }
  if (cursor.left() != 0) problems.push_back({part.offset, "The path of the device scope ends in half a step."});
  if (scope.path.empty()) problems.push_back({part.offset, "The device scope has no path."});
  if (scope.kind == DmarScopeKind::Unknown)
    problems.push_back({part.offset, "The device scope is of the unknown type " + std::to_string(scope.type) + "."});
  return scope;
}

std::vector<DmarScope> scopes_in(const TablePart& structure, std::size_t begin, TableProblems& problems) {
  std::vector<DmarScope> scopes;
  const auto bytes = structure.bytes;
  while (begin < bytes.size()) {
    const auto offset = structure.offset + begin;
    if (bytes.size() - begin < 2) {
      problems.push_back({offset, "A device scope begins in the last byte of its structure."});
      break;
    }
    const std::size_t length = static_cast<unsigned char>(bytes[begin + 1]);
    auto part = part_of(bytes, begin, length, scope_bytes, "The device scope", problems);
    if (!part) {
      problems.back().offset = offset;
      break;
    }
    part->offset = offset;
    scopes.push_back(scope_in(*part, problems));
    begin += length;
  }
  return scopes;
}

// Behind type and length.
void read_fields(ByteCursor& cursor, DmarStructure& structure) {
  switch (structure.kind) {
    case DmarKind::Drhd:
      structure.flags = cursor.u8();
      cursor.skip(1);  // the size of the registers
      structure.segment = cursor.u16();
      structure.base = cursor.u64();
      break;
    case DmarKind::Rmrr:
      cursor.skip(2);
      structure.segment = cursor.u16();
      structure.base = cursor.u64();
      structure.end = cursor.u64();
      break;
    case DmarKind::Atsr:
    case DmarKind::Satc:
    case DmarKind::Sidp:
      structure.flags = cursor.u8();
      cursor.skip(1);
      structure.segment = cursor.u16();
      break;
    case DmarKind::Rhsa:
      cursor.skip(4);
      structure.base = cursor.u64();
      structure.proximity_domain = cursor.u32();
      break;
    case DmarKind::Andd:
      cursor.skip(3);
      structure.number = cursor.u8();
      structure.name = printable(cursor.take(cursor.left()));
      break;
    case DmarKind::Unknown: break;
  }
}

void check_structure(const TablePart& part, const DmarStructure& structure, TableProblems& problems) {
  if (structure.kind == DmarKind::Rmrr && structure.end < structure.base)
    problems.push_back({part.offset, "The RMRR ends before it begins."});
  if (structure.kind == DmarKind::Andd && part.bytes.find('\0', 8) == std::string_view::npos)
    problems.push_back({part.offset, "The name of the ANDD has no end."});
  if (structure.kind == DmarKind::Unknown) {
    problems.push_back(
        {part.offset, "The structure is of the unknown type " + std::to_string(structure.type) + "; it is skipped."});
  }
}

void read_structures(std::string_view bytes, Dmar& dmar) {
  std::size_t offset = first_structure;
  while (offset < bytes.size()) {
    ByteCursor cursor(bytes, offset);
    DmarStructure structure;
    structure.type = cursor.u16();
    structure.kind = dmar_kind_of(structure.type);
    const std::size_t length = cursor.u16();
    if (cursor.broken()) {
      dmar.problems.push_back({offset, "The table ends within the header of a structure."});
      return;
    }
    const auto fixed = fixed_bytes(structure.kind);
    const auto part =
        part_of(bytes, offset, length, fixed, "The structure " + std::string(name_of(structure.kind)), dmar.problems);
    if (!part) return;
    ByteCursor fields(part->bytes, 4);
    read_fields(fields, structure);
    check_structure(*part, structure, dmar.problems);
    if (has_scopes(structure.kind)) structure.scopes = scopes_in(*part, fixed, dmar.problems);
    dmar.structures.push_back(std::move(structure));
    offset += length;
  }
}

}  // namespace

std::string_view name_of(DmarKind kind) {
  switch (kind) {
    case DmarKind::Drhd: return "drhd";
    case DmarKind::Rmrr: return "rmrr";
    case DmarKind::Atsr: return "atsr";
    case DmarKind::Rhsa: return "rhsa";
    case DmarKind::Andd: return "andd";
    case DmarKind::Satc: return "satc";
    case DmarKind::Sidp: return "sidp";
    case DmarKind::Unknown: break;
  }
  return "unknown";
}

Dmar parse_dmar(std::string_view bytes) {
  Dmar dmar;
  auto table = open_acpi_table(bytes, "DMAR", dmar.problems);
  dmar.header = std::move(table.header);
  if (!dmar.header) return dmar;
  if (table.bytes.size() < first_structure) {
    dmar.problems.push_back({acpi_header_bytes, "The table ends before its first structure."});
    return dmar;
  }
  ByteCursor cursor(table.bytes, acpi_header_bytes);
  dmar.host_address_width = cursor.u8() + 1U;
  dmar.flags = cursor.u8();
  read_structures(table.bytes, dmar);
  return dmar;
}

}  // namespace devbindd::sysfs
