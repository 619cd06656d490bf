// SPDX-License-Identifier: Apache-2.0
// Registers of the PCI configuration space as a generic tree of named values, which JSON, text and tests walk alike.
// Passive data and the bounded reader that fills it. Not here: what the registers of a capability are
// (capability_*.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace devbindd::sysfs {

/// A register's value or an address, shown with so many hexadecimal digits.
struct Hex {
  std::uint64_t value = 0;
  unsigned digits = 0;
};

struct Field;
using Fields = std::vector<Field>;
/// monostate: there is no such value (a reserved encoding, "no limit").
using Value = std::variant<std::monostate, bool, std::uint64_t, Hex, std::string, Fields, std::vector<Fields>,
                           std::vector<std::string>, std::vector<std::uint64_t>>;

struct Field {
  std::string_view name;  ///< snake_case; a string literal
  Value value;
};

/// A part of a register. `decode` gets its bits, shifted down; without it one bit is a bool and more are a number.
struct BitField {
  std::string_view name;
  unsigned low = 0;
  unsigned width = 1;
  Value (*decode)(std::uint32_t bits) = nullptr;
};

/// `width` bits of `raw` from bit `low` on. `width` is 1 to 31.
constexpr std::uint32_t bits_of(std::uint32_t raw, unsigned low, unsigned width) {
  return (raw >> low) & ((1U << width) - 1U);
}

/// {"raw": ..., and each part}.
Fields register_fields(std::uint32_t raw, std::size_t size, std::span<const BitField> parts);

/// An ID as lspci -n writes it: lower-case hex without prefix.
Value id_value(std::uint32_t id);
/// Bits 3 and up of an offset into a BAR, which is a multiple of 8.
Value offset_in_bar(std::uint32_t bits);
/// 2 to the power of the bits.
Value power_of_two(std::uint32_t exponent);
/// Counts that are never 0 are kept as one less.
Value plus_one(std::uint32_t bits);

/// Reads the little-endian registers of one structure, never beyond its bytes. What does not fit is noted by its name
/// and left out of the fields.
class RegisterReader {
 public:
  explicit RegisterReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// The register's value, or nullopt when it is not within the bytes. `size` is 1, 2 or 4.
  std::optional<std::uint32_t> read(std::string_view name, std::size_t offset, std::size_t size);
  /// Adds the register with its parts; its value, or nullopt when it is truncated.
  std::optional<std::uint32_t> parts(std::string_view name, std::size_t offset, std::size_t size,
                                     std::span<const BitField> parts);
  /// Adds the register as a number, in hex, or as an ID.
  void number(std::string_view name, std::size_t offset, std::size_t size);
  void hex(std::string_view name, std::size_t offset, std::size_t size);
  void id(std::string_view name, std::size_t offset);

  void add(std::string_view name, Value value) { fields_.push_back({name, std::move(value)}); }
  /// Adds to the register that parts() added last.
  void add_to_last(std::string_view name, Value value);
  /// The structure says that it is this long: its bytes belong to it. Those that are not there count as truncated
  /// "contents".
  void claim(std::size_t length);

  Fields take_fields() { return std::move(fields_); }
  /// The registers that are not within the bytes, without repeats.
  const std::vector<std::string_view>& truncated() const { return truncated_; }
  /// How many bytes from the start were read or claimed.
  std::size_t extent() const { return extent_; }

 private:
  void note_truncated(std::string_view name);

  std::span<const std::byte> bytes_;
  Fields fields_;
  std::vector<std::string_view> truncated_;
  std::size_t extent_ = 0;
};

}  // namespace devbindd::sysfs
