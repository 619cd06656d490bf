// SPDX-License-Identifier: Apache-2.0
// The firmware's IOMMU tables: DMAR, IVRS, IORT or VIOT, by the first byte of the input; the rest is the table. An odd
// first byte mends length and checksum, so that what lies behind them is reached.
#include <algorithm>
#include <set>

#include "sysfs/firmware/firmware_structure.hpp"
#include "tests/acpi_bytes.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace devbindd::sysfs;
using devbindd::fuzz::must;

namespace {

void check_problems(const TableProblems& problems, std::size_t size) {
  for (const auto& problem : problems) must(!problem.detail.empty() && problem.offset <= size);
}

void check_header(const std::optional<AcpiHeader>& header, const TableProblems& problems, std::size_t size) {
  must(header.has_value() == (size >= acpi_header_bytes));
  must(header || !problems.empty());
  if (header && (header->length != size || !header->checksum_right)) must(!problems.empty());
}

void check_scope(const FirmwareScope& scope) {
  must(!name_of(scope.kind).empty());
  must(!scope.first || (scope.first->slot < 32 && scope.first->function < 8));
  const DevicePlace place = {{0, 0, 0x1c, 0}, {0, 5, 0, 0}};
  must(!covers(scope, {}));
  if (covers(scope, place)) must(!devices_of(scope, {place}).empty());
  (void)path_text(scope);
}

void check_description(const FirmwareDescription& description, std::size_t size) {
  must(description.structures.size() + description.memory.size() <= size);
  std::set<std::pair<std::optional<std::uint64_t>, std::optional<unsigned>>> drhds;
  for (const auto& structure : description.structures) {
    must(!structure.table.empty() && !structure.kind.empty());
    if (structure.kind == "drhd") must(drhds.emplace(structure.base, structure.segment).second);
    for (const auto& scope : structure.scopes) check_scope(scope);
  }
  for (const auto& memory : description.memory) {
    for (const auto& scope : memory.scopes) check_scope(scope);
  }
}

void check_iort(const Iort& iort, std::size_t size) {
  must(iort.nodes.size() <= size / 16);
  for (const auto& node : iort.nodes) {
    must(iort.node_at(node.offset) == &node);
    must(node.mappings.size() <= size / 20 && node.memory.size() <= size / 20 && node.its.size() <= size / 4);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(devbindd::fuzz::text_of(data + 1, size - 1));
  if ((data[0] & 1U) != 0 && bytes.size() >= acpi_header_bytes) {
    bytes.replace(4, 4, devbindd::tests::le(bytes.size(), 4));
    devbindd::tests::mend_checksum(bytes);
  }
  FirmwareTables tables;
  switch ((data[0] >> 1U) & 3U) {
    case 0: tables.dmar = parse_dmar(bytes); break;
    case 1: tables.ivrs = parse_ivrs(bytes); break;
    case 2: tables.iort = parse_iort(bytes); break;
    default: tables.viot = parse_viot(bytes);
  }
  if (tables.dmar) check_header((**tables.dmar).header, (**tables.dmar).problems, bytes.size());
  if (tables.dmar) check_problems((**tables.dmar).problems, bytes.size());
  if (tables.ivrs) check_header((**tables.ivrs).header, (**tables.ivrs).problems, bytes.size());
  if (tables.ivrs) check_problems((**tables.ivrs).problems, bytes.size());
  if (tables.iort) check_header((**tables.iort).header, (**tables.iort).problems, bytes.size());
  if (tables.iort) check_problems((**tables.iort).problems, bytes.size());
  if (tables.iort) check_iort(**tables.iort, bytes.size());
  if (tables.viot) check_header((**tables.viot).header, (**tables.viot).problems, bytes.size());
  if (tables.viot) check_problems((**tables.viot).problems, bytes.size());
  // An RMR or a root complex is told once for each mapping that fits: those products are what a table may cost.
  if (bytes.size() <= 4096) check_description(describe(tables), bytes.size());
  return 0;
}
