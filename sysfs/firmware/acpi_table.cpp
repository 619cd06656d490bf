// SPDX-License-Identifier: Apache-2.0
#include "sysfs/firmware/acpi_table.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <numeric>

namespace devbindd::sysfs {
namespace {

bool adds_up(std::string_view bytes) {
  const auto sum = std::accumulate(bytes.begin(), bytes.end(), 0U,
                                   [](unsigned total, char byte) { return total + static_cast<unsigned char>(byte); });
  return (sum & 0xffU) == 0;
}

AcpiHeader header_in(std::string_view bytes) {
  ByteCursor cursor(bytes);
  AcpiHeader header;
  header.signature = printable(cursor.take(4));
  header.length = cursor.u32();
  header.revision = cursor.u8();
  cursor.skip(1);  // the checksum: it is one of the bytes that are added up
  header.oem_id = printable(cursor.take(6));
  header.oem_table_id = printable(cursor.take(8));
  header.oem_revision = cursor.u32();
  header.creator_id = printable(cursor.take(4));
  header.creator_revision = cursor.u32();
  return header;
}

}  // namespace

OpenedTable open_acpi_table(std::string_view bytes, std::string_view signature, TableProblems& problems) {
  if (bytes.size() < acpi_header_bytes) {
    problems.push_back({0, "The table has " + std::to_string(bytes.size()) + " bytes, and its header alone needs " +
                               std::to_string(acpi_header_bytes) + "."});
    return {std::nullopt, {}};
  }
  OpenedTable table{header_in(bytes), bytes};
  auto& header = *table.header;
  if (header.signature != signature) {
    problems.push_back(
        {0, "The signature is \"" + header.signature + "\" and not \"" + std::string(signature) + "\"."});
  }
  if (header.length != bytes.size()) {
    problems.push_back({4, "The header tells a length of " + std::to_string(header.length) + " bytes, and " +
                               std::to_string(bytes.size()) + " are there."});
  }
  table.bytes = bytes.substr(0, header.length);
  header.checksum_right = table.bytes.size() >= acpi_header_bytes && adds_up(table.bytes);
  if (!header.checksum_right) problems.push_back({9, "The checksum is wrong."});
  return table;
}

std::optional<TablePart> part_of(std::string_view table, std::size_t offset, std::size_t length, std::size_t least,
                                 std::string_view what, TableProblems& problems) {
  const auto left = table.size() - std::min(offset, table.size());
  if (length < least) {
    problems.push_back({offset, std::string(what) + " tells a length of " + std::to_string(length) +
                                    " bytes, and needs " + std::to_string(least) + "."});
    return std::nullopt;
  }
  if (length > left) {
    problems.push_back({offset, std::string(what) + " tells a length of " + std::to_string(length) + " bytes, and " +
                                    std::to_string(left) + " are left of what it is in."});
    return std::nullopt;
  }
  return TablePart{offset, table.substr(offset, length)};
}

std::string hex_number(std::uint64_t value, int digits) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "0x%0*" PRIx64, digits, value);
  return text.data();
}

}  // namespace devbindd::sysfs
