// SPDX-License-Identifier: Apache-2.0
// What all ACPI tables have in common: the header, the checksum, and what can be wrong with one.
// A table is bytes of the firmware, which nobody has checked: every parser of this room gives what it can read, tells
// what is wrong and where, and reads nothing beyond the end. Not here: what the single tables say (dmar.hpp, ivrs.hpp,
// iort.hpp, viot.hpp), and where they are read (firmware_tables.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sysfs/firmware/byte_cursor.hpp"

namespace devbindd::sysfs {

/// The header of 36 bytes. Source: ACPI specification 6.5, 5.2.6.
struct AcpiHeader {
  std::string signature;
  std::uint32_t length = 0;  ///< of the whole table in bytes, as the header says
  unsigned revision = 0;
  std::string oem_id;
  std::string oem_table_id;
  std::uint32_t oem_revision = 0;
  std::string creator_id;
  std::uint32_t creator_revision = 0;
  bool checksum_right = false;  ///< the bytes of the table add up to 0

  bool operator==(const AcpiHeader&) const = default;
};

/// Something that is not as the specification has it.
struct TableProblem {
  std::size_t offset = 0;  ///< in the table, in bytes
  std::string detail;      ///< one sentence for a person

  bool operator==(const TableProblem&) const = default;
};

using TableProblems = std::vector<TableProblem>;

constexpr std::size_t acpi_header_bytes = 36;
/// Longer tables are cut, which is a problem of theirs: the largest known one of these kinds has 8 KiB.
constexpr std::size_t most_table_bytes = 1U << 16U;

/// A table's header and what of its bytes belongs to it.
struct OpenedTable {
  std::optional<AcpiHeader> header;  ///< nullopt: it is shorter than a header
  std::string_view bytes;            ///< not beyond the length that the header tells, nor beyond what is there
};

/// Checks signature, length and checksum; what is wrong goes to `problems`, and whatever is there can still be read.
OpenedTable open_acpi_table(std::string_view bytes, std::string_view signature, TableProblems& problems);

/// One structure of a table.
struct TablePart {
  std::size_t offset = 0;  ///< in the table
  std::string_view bytes;  ///< with its own header
};

/// The part of `length` bytes at `offset`; nullopt, with a problem, when it is shorter than `least` or reaches out of
/// the table. `what` names it: "The DRHD".
std::optional<TablePart> part_of(std::string_view table, std::size_t offset, std::size_t length, std::size_t least,
                                 std::string_view what, TableProblems& problems);

/// "0x1f", with at least `digits` digits.
std::string hex_number(std::uint64_t value, int digits = 1);

}  // namespace devbindd::sysfs
