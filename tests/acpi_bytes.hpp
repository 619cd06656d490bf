// SPDX-License-Identifier: Apache-2.0
// ACPI tables made by hand: numbers as bytes, and the header with its length and checksum around them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace devbindd::tests {

/// Little-endian, in `width` bytes.
inline std::string le(std::uint64_t value, unsigned width) {
  std::string bytes;
  for (unsigned at = 0; at < width; ++at, value >>= 8U) bytes.push_back(static_cast<char>(value & 0xffU));
  return bytes;
}

inline std::string bytes_of(std::initializer_list<unsigned> values) {
  std::string bytes;
  for (const auto value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

/// Makes the bytes of a table add up to 0.
inline void mend_checksum(std::string& table) {
  if (table.size() < 10) return;
  table[9] = 0;
  unsigned sum = 0;
  for (const auto byte : table) sum += static_cast<unsigned char>(byte);
  table[9] = static_cast<char>((0x100U - (sum & 0xffU)) & 0xffU);
}

/// A whole table: header of 36 bytes, then `body`.
inline std::string acpi_table(std::string_view signature, unsigned revision, std::string_view body) {
  std::string table(signature);
  table +=
      le(36 + body.size(), 4) + le(revision, 1) + le(0, 1) + "INTEL Dell Inc" + le(2, 4) + "    " + le(0x01000013, 4);
  table += body;
  mend_checksum(table);
  return table;
}

}  // namespace devbindd::tests
